/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The LIST lines and options of wharf/ftp/listing.h.  No printf: a folder may have a million
 * entries.
 */
#include <sys/stat.h>

#include <wharf/ftp/listing.h>
#include <wharf/ftp/when.h>

#define COLUMN_LINKS 3
#define COLUMN_OWNER 8
#define COLUMN_SIZE  8

static void
add_pad(struct buf *out, size_t used, size_t width)
{
	static const char blanks[] = "          ";

	if (used < width)
		buf_add(out, blanks, width - used);
}

/* A number to the right of its column, or wider than it. */
static void
add_number(struct buf *out, uint64_t n, size_t width)
{
	size_t used = 1;

	for (uint64_t rest = n; rest >= 10 && used < width; rest /= 10)
		used++;
	add_pad(out, used, width);
	buf_add_u64(out, n);
}

static char
type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '-';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '?';
	}
}

static void
add_mode(struct buf *out, mode_t mode)
{
	char text[10];

	text[0] = type_letter(mode);
	for (int i = 0; i < 9; i++)
		text[i + 1] = mode & (0400u >> i) ? "rwx"[i % 3] : '-';
	if (mode & S_ISUID)
		text[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & S_IXOTH ? 't' : 'T';
	buf_add(out, text, sizeof(text));
}

/* Appends a name; what would break the line becomes "?". */
static void
add_name(struct buf *out, struct slice name)
{
	size_t start = out->len;

	buf_add_slice(out, name);
	for (size_t i = start; i < out->len; i++) {
		unsigned char c = (unsigned char)out->data[i];
		if (c < ' ' || c == 0x7f)
			out->data[i] = '?';
	}
}

void
listing_format(struct buf *out, const struct entry *e, time_t now)
{
	add_mode(out, e->mode);
	buf_add_byte(out, ' ');
	add_number(out, e->nlink, COLUMN_LINKS);
	buf_add_byte(out, ' ');
	add_pad(out, entry_format_owner(out, e->owner, e->uid), COLUMN_OWNER);
	buf_add_byte(out, ' ');
	add_pad(out, entry_format_owner(out, e->group, e->gid), COLUMN_OWNER);
	buf_add_byte(out, ' ');
	add_number(out, e->size, COLUMN_SIZE);
	buf_add_byte(out, ' ');
	when_format_list(out, e->mtime, now);
	buf_add_byte(out, ' ');
	add_name(out, e->name);
	if (S_ISLNK(e->mode) && e->target.n > 0) {
		buf_add(out, " -> ", 4);
		add_name(out, e->target);
	}
	buf_add(out, "\r\n", 2);
}

/* Is the word "-" and then letters or the digit 1, at least one? */
static bool
is_group(struct slice word)
{
	if (word.n < 2 || word.p[0] != '-')
		return false;
	for (size_t i = 1; i < word.n; i++) {
		char c = word.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '1'))
			return false;
	}
	return true;
}

static void
apply_group(struct slice word, struct list_options *out, bool *is_long)
{
	for (size_t i = 1; i < word.n; i++) {
		switch (word.p[i]) {
		case 'a':
		case 'A':
			out->all = true;
			break;
		case 'R':
			out->recursive = true;
			break;
		case '1':
			out->names = true;
			break;
		case 'l':
			*is_long = true;
			break;
		case 't':
			out->by_time = true;
			break;
		case 'r':
			out->reverse = true;
			break;
		default:
			break;
		}
	}
}

bool
listing_parse_options(struct slice arg, struct list_options *out, struct slice *rest)
{
	bool any = false, is_long = false, end = false;

	*out = (struct list_options){0};
	while (arg.n > 0 && !end) {
		const char *blank = memchr(arg.p, ' ', arg.n);
		struct slice word = blank ? slice_head(arg, (size_t)(blank - arg.p)) : arg;

		end = slice_equal(word, SLICE("--"));
		if (!end && !is_group(word))
			break;
		any = true;
		if (!end)
			apply_group(word, out, &is_long);
		arg = slice_from(arg, blank ? word.n + 1 : word.n);
	}
	if (is_long)
		out->names = false;
	*rest = arg;
	return any;
}
