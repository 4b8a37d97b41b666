/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Whole files, and the bytes in them that must not pass in silence; see text.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "text.h"

int
conf_text_read_fd(int fd, struct buf *out)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	for (;;) {
		if (buf_reserve(out, 65536) < 0)
			return -ENOMEM;
		ssize_t n = pread(fd, out->data + out->len, 65536, (off_t)out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		out->len += (size_t)n;
		if (out->len > CONF_TEXT_MAX)
			return -EFBIG;
	}
}

int
conf_text_read(const char *path, struct buf *out)
{
	/* Without O_NONBLOCK a FIFO would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = conf_text_read_fd(fd, out);
	fd_close(&fd);
	return r;
}

/* Where in a text we are: outside, behind # or //, in a comment of several lines, or in quotes. */
enum where { OUTSIDE, LINE_COMMENT, LONG_COMMENT, DOUBLE_QUOTES, SINGLE_QUOTES };

#define DEPTH_MAX 16

struct walk {
	struct buf *text;
	size_t at;
	enum where where;
	struct conf_place place;
	int opened; /* line of the comment or the quote that we are in */
	size_t depth;
	int braces[DEPTH_MAX]; /* lines of those that are open */
};

static bool
next_is(const struct walk *w, char c)
{
	return w->at + 1 < w->text->len && w->text->data[w->at + 1] == c;
}

/* Whether a word has begun before here: a slash in it does not begin a comment. */
static bool
in_word(const struct walk *w)
{
	return w->at > 0 && !strchr(" \t\r\n={}()+,\"'", w->text->data[w->at - 1]);
}

static void
enter(struct walk *w, enum where where)
{
	w->where = where;
	w->opened = w->place.line;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Where somebody wrote include = "file" there will be no option of that name, as libconfuse would
 * end the reading there: it is told, and turned into blanks.
 */
static bool
skip_include(struct walk *w, struct conf_report *report)
{
	static const char word[] = "include";
	char *p = w->text->data + w->at;
	const char *end = w->text->data + w->text->len;
	char *to = p + sizeof(word) - 1;

	if (in_word(w) || w->text->len - w->at < sizeof(word) ||
	    memcmp(p, word, sizeof(word) - 1) != 0)
		return false;
	while (to < end && is_blank(*to))
		to++;
	if (to >= end || *to++ != '=')
		return false;
	while (to < end && is_blank(*to))
		to++;
	char quote = to < end && (*to == '"' || *to == '\'') ? *to++ : ' ';
	while (to < end && *to != '\n' && *to != quote && (quote != ' ' || !strchr("\t}#", *to)))
		to++;
	to += to < end && *to == quote;
	memset(p, ' ', (size_t)(to - p));
	conf_mistake(report, w->place, "include is written as include(\"file\")");
	return true;
}

/* Whether no word goes on behind here. */
static bool
ends_here(const struct walk *w)
{
	return w->at + 1 == w->text->len || strchr(" \t\r\n}", w->text->data[w->at + 1]);
}

static void
walk_outside(struct walk *w, struct conf_report *report)
{
	char c = w->text->data[w->at];

	if (c == 'i' && skip_include(w, report))
		return;
	if (c == '#' || (c == '/' && next_is(w, '/') && !in_word(w))) {
		enter(w, LINE_COMMENT);
		w->text->data[w->at] = ' ';
	} else if (c == '/' && next_is(w, '*') && !in_word(w)) {
		enter(w, LONG_COMMENT);
		w->text->data[w->at++] = ' ';
		w->text->data[w->at] = ' ';
	} else if (c == '"') {
		enter(w, DOUBLE_QUOTES);
	} else if (c == '\'') {
		enter(w, SINGLE_QUOTES);
	} else if (c == '*' || (c == '+' && !next_is(w, '='))) {
		conf_mistake(report, w->place, "a text with %c needs quotes", c);
	} else if (c == ';' && ends_here(w)) {
		conf_mistake(report, w->place,
			     "no ; stands behind a value; a text that ends with one needs quotes");
		w->text->data[w->at] = ' ';
	} else if (c == '{') {
		if (w->depth < DEPTH_MAX)
			w->braces[w->depth] = w->place.line;
		w->depth++;
	} else if (c == '}' && w->depth) {
		w->depth--;
	}
}

static void
walk_on(struct walk *w, struct conf_report *report)
{
	char c = w->text->data[w->at];

	switch (w->where) {
	case OUTSIDE:
		walk_outside(w, report);
		break;
	case LINE_COMMENT:
		if (c == '\n')
			w->where = OUTSIDE;
		else
			w->text->data[w->at] = ' ';
		break;
	case LONG_COMMENT:
		if (c != '\n')
			w->text->data[w->at] = ' ';
		if (c == '*' && next_is(w, '/')) {
			w->where = OUTSIDE;
			w->text->data[++w->at] = ' ';
		}
		break;
	case DOUBLE_QUOTES:
	case SINGLE_QUOTES:
		if (c == (w->where == DOUBLE_QUOTES ? '"' : '\''))
			w->where = OUTSIDE;
		else if (c == '\\' && w->at + 1 < w->text->len && !next_is(w, '\n'))
			w->at++;
		break;
	}
	w->place.line += c == '\n';
}

int
conf_text_check(struct buf *text, const char *file, struct conf_report *report)
{
	struct walk w = {.text = text, .where = OUTSIDE, .place = {file, 1}};
	const char *open = NULL;

	if (text->len && memchr(text->data, '\0', text->len)) {
		conf_mistake(report, (struct conf_place){file, 0}, "a NUL byte is in the file");
		return TEXT_UNFIT;
	}
	for (; w.at < text->len; w.at++)
		walk_on(&w, report);
	if (w.where == LONG_COMMENT)
		open = "comment";
	else if (w.where == DOUBLE_QUOTES || w.where == SINGLE_QUOTES)
		open = "quote";
	else if (w.depth) {
		open = "brace";
		w.opened = w.braces[0];
	}
	if (!open)
		return 0;
	w.place.line = w.opened;
	conf_mistake(report, w.place, "a %s opens here and does not close", open);
	return TEXT_OPEN;
}
