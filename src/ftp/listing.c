/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The LIST lines and options of wharf/ftp/listing.h.  No printf, and one look at the buffer's room
 * a line: a folder may have a million entries.
 */
#include <sys/stat.h>

#include <wharf/base/put.h>
#include <wharf/ftp/listing.h>
#include <wharf/ftp/when.h>

#define COLUMN_LINKS 3
#define COLUMN_OWNER 8
#define COLUMN_SIZE  8

/* A number to the right of its column, or wider than it. */
static char *
put_number(char *p, uint64_t n, size_t column)
{
	size_t width = put_width(n);

	while (column-- > width)
		*p++ = ' ';
	return put_u64_wide(p, n, width);
}

static char
type_letter(mode_t mode)
{
	/* By the number of the type, which Linux fixes. */
	static const char letters[16] = {'?', 'p', 'c', '?', 'd', '?', 'b', '?',
					 '-', '?', 'l', '?', 's', '?', '?', '?'};

	return letters[(mode & S_IFMT) >> 12];
}

static char *
put_mode(char *p, mode_t mode)
{
	static const char bits[8][4] = {"---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"};

	p[0] = type_letter(mode);
	for (int i = 0; i < 3; i++)
		memcpy(p + 1 + 3 * i, bits[mode >> (6 - 3 * i) & 7], 3);
	if (mode & S_ISUID)
		p[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		p[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		p[9] = mode & S_IXOTH ? 't' : 'T';
	return p + 10;
}

/* An owner to the left of the column, or wider than it. */
static char *
put_owner(char *p, struct slice name, uint32_t id)
{
	char *end = entry_put_owner(p, name, id);

	while (end < p + COLUMN_OWNER)
		*end++ = ' ';
	return end;
}

/* A name; what would break the line becomes "?". */
static char *
put_name(char *p, struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		p[i] = c < ' ' || c == 0x7f ? '?' : (char)c;
	}
	return p + name.n;
}

void
listing_format(struct buf *out, const struct entry *e, time_t now)
{
	char *p = entry_reserve(out, e);

	if (!p)
		return;
	p = put_mode(p, e->mode);
	*p++ = ' ';
	p = put_number(p, e->nlink, COLUMN_LINKS);
	*p++ = ' ';
	p = put_owner(p, e->owner, e->uid);
	*p++ = ' ';
	p = put_owner(p, e->group, e->gid);
	*p++ = ' ';
	p = put_number(p, e->size, COLUMN_SIZE);
	*p++ = ' ';
	p = when_put_list(p, e->mtime, now);
	*p++ = ' ';
	p = put_name(p, e->name);
	if (S_ISLNK(e->mode) && e->target.n > 0) {
		p = put_slice(p, SLICE(" -> "));
		p = put_name(p, e->target);
	}
	p = put_slice(p, SLICE("\r\n"));
	out->len = (size_t)(p - out->data);
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
		case 'd':
			out->itself = true;
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
		while (!end && arg.n > 0 && arg.p[0] == ' ')
			arg = slice_from(arg, 1);
	}
	if (is_long)
		out->names = false;
	*rest = arg;
	return any;
}
