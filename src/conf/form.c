/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The grammar of wharfd.conf a second time, in words for its mistakes; see form.h. */
#include <ctype.h>
#include <string.h>

#include <wharf/conf/options.h>
#include <wharf/conf/suggest.h>

#include "form.h"

/* A mark is one of =+{}(), where "+" stands for "+=". */
enum token_kind { END, WORD, MARK };

struct token {
	enum token_kind kind;
	char mark;
	struct slice text; /* a word's, without its quotes */
	size_t from;
	int line;
};

struct form {
	struct slice text;
	size_t at;
	int line;
	struct token now;
	struct token name; /* of the statement that was read last */
	size_t depth;
	int wrong_line;
	struct buf *why;
};

static bool
ends_word(char c)
{
	return strchr(" \t\r\n={}()+,\"'", c) != NULL;
}

static void
skip_blanks(struct form *f)
{
	for (; f->at < f->text.n && strchr(" \t\r\n", f->text.p[f->at]); f->at++)
		f->line += f->text.p[f->at] == '\n';
}

/* From behind the opening quote to behind the closing one. */
static struct slice
quoted(struct form *f, char quote)
{
	size_t from = f->at;

	for (; f->at < f->text.n && f->text.p[f->at] != quote; f->at++) {
		f->line += f->text.p[f->at] == '\n';
		if (f->text.p[f->at] == '\\' && f->at + 1 < f->text.n &&
		    f->text.p[f->at + 1] != '\n')
			f->at++;
	}
	struct slice inside = slice_head(slice_from(f->text, from), f->at - from);
	f->at += f->at < f->text.n;
	return inside;
}

/* The braces of a ${variable} belong to the word. */
static struct slice
unquoted(struct form *f)
{
	struct slice rest = slice_from(f->text, f->at);
	size_t n = 0;

	while (n < rest.n && !ends_word(rest.p[n])) {
		const char *end = rest.p[n] == '$' && n + 1 < rest.n && rest.p[n + 1] == '{'
					  ? memchr(rest.p + n, '}', rest.n - n)
					  : NULL;
		n = end ? (size_t)(end - rest.p) + 1 : n + 1;
	}
	f->at += n;
	return slice_head(rest, n);
}

static void
next(struct form *f)
{
	skip_blanks(f);
	f->now = (struct token){.kind = END, .from = f->at, .line = f->line};
	if (f->at == f->text.n)
		return;
	char c = f->text.p[f->at];
	if (c == '"' || c == '\'') {
		f->at++;
		f->now.kind = WORD;
		f->now.text = quoted(f, c);
	} else if (ends_word(c)) {
		f->now.kind = MARK;
		f->now.mark = c;
		f->at++;
		if (c == '+' && f->at < f->text.n && f->text.p[f->at] == '=')
			f->at++;
	} else {
		f->now.kind = WORD;
		f->now.text = unquoted(f);
	}
}

static bool
is_mark(const struct form *f, char mark)
{
	return f->now.kind == MARK && f->now.mark == mark;
}

static bool
is_equal_sign(const struct form *f)
{
	return is_mark(f, '=') || is_mark(f, '+');
}

static bool
is_block(struct slice name)
{
	static const char *const kinds[] = {"listener", "host", "client", "group", "user"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_equal(name, slice_of(kinds[i])))
			return true;
	return false;
}

static bool
is_option(struct slice name)
{
	return option_find(name) || slice_equal(name, SLICE("port")) ||
	       slice_equal(name, SLICE("address"));
}

static bool
is_list(struct slice name)
{
	const struct option_row *row = option_find(name);

	return row &&
	       (row->type == OPTION_LIST || row->type == OPTION_WORDS || row->type == OPTION_ORDER);
}

/* Always false, as what finds a mistake reads no further. */
static bool __attribute__((format(printf, 3, 4)))
wrong(struct form *f, int line, const char *fmt, ...)
{
	va_list ap;

	f->wrong_line = line;
	va_start(ap, fmt);
	buf_vprintf(f->why, fmt, ap);
	va_end(ap);
	return false;
}

/* A mark where the text of a value goes on, or could begin. */
static bool
wrong_mark(struct form *f)
{
	if (f->now.mark == ',' && is_list(f->name.text))
		return wrong(f, f->now.line,
			     "%.*s: a list stands in braces, with commas between, as {a, b}",
			     SLICE_FMT(f->name.text));
	return wrong(f, f->now.line, "%.*s: a text with %c needs quotes", SLICE_FMT(f->name.text),
		     f->now.mark);
}

/* What does not follow an item of a list that began on that line. */
static bool
wrong_in_list(struct form *f, int line)
{
	struct token found = f->now;

	if (found.kind == WORD)
		next(f);
	if (f->now.kind == END || is_equal_sign(f))
		return wrong(f, line, "%.*s: a list begins here and does not end",
			     SLICE_FMT(f->name.text));
	if (found.kind == MARK)
		return wrong_mark(f);
	return wrong(f, found.line,
		     "%.*s: there is no comma before \"%.*s\"; a text with blanks needs quotes",
		     SLICE_FMT(f->name.text), SLICE_FMT(found.text));
}

static bool
read_list(struct form *f)
{
	int line = f->now.line;

	for (next(f); !is_mark(f, '}'); next(f)) {
		if (is_mark(f, ','))
			return wrong(f, f->now.line,
				     "%.*s: there is a comma without a text before it",
				     SLICE_FMT(f->name.text));
		if (f->now.kind != WORD)
			return wrong_in_list(f, line);
		next(f);
		if (is_mark(f, '}'))
			break;
		if (!is_mark(f, ','))
			return wrong_in_list(f, line);
	}
	next(f);
	return true;
}

/* Whether the word on the line of a value is no part of it; looks ahead in a copy. */
static bool
begins_anew(struct form f)
{
	struct slice word = f.now.text;

	if (is_option(word) || is_block(word))
		return true;
	next(&f);
	return f.now.kind == MARK && !is_mark(&f, '}') && !is_mark(&f, ',');
}

/* From behind the equal sign. */
static bool
read_value(struct form *f, int line)
{
	static const char missing[] = "its value is missing; an empty text is \"\"";
	struct slice name = f->name.text;

	if (is_mark(f, '{'))
		return read_list(f);
	if (f->now.kind == END || is_mark(f, '}'))
		return wrong(f, line, "%.*s: %s", SLICE_FMT(name), missing);
	if (f->now.kind == MARK)
		return wrong_mark(f);
	struct token value = f->now;
	next(f);
	if (is_equal_sign(f) && value.line > line)
		return wrong(f, line, "%.*s: %s", SLICE_FMT(name), missing);
	/* What closes no block is told by who counts them. */
	if (f->now.kind == MARK && !is_mark(f, '}'))
		return wrong_mark(f);
	if (f->now.kind != WORD || f->now.line > value.line || begins_anew(*f))
		return true;
	return wrong(f, value.line, "%.*s: %s", SLICE_FMT(name),
		     is_list(name) ? "a list stands in braces, with commas between, as {a, b}"
				   : "a value with blanks needs quotes");
}

static bool
read_include(struct form *f, int line)
{
	bool good = is_mark(f, '(');

	if (f->depth)
		return wrong(f, line, "include stands outside of all blocks");
	if (good)
		next(f);
	good = good && f->now.kind == WORD;
	if (good)
		next(f);
	if (!good || !is_mark(f, ')'))
		return wrong(f, line, "include is written as include(\"file\")");
	next(f);
	return true;
}

/* Up to its opening brace. */
static bool
read_block(struct form *f)
{
	struct token kind = f->name;

	if (is_mark(f, '{') && is_block(kind.text))
		return wrong(f, kind.line, "%.*s: a block needs a name", SLICE_FMT(kind.text));
	if (f->now.kind == WORD)
		next(f);
	if (!is_mark(f, '{'))
		return wrong(f, kind.line,
			     "%.*s: a block is written as %.*s name { ... }, and a "
			     "name with blanks needs quotes",
			     SLICE_FMT(kind.text), SLICE_FMT(kind.text));
	f->depth++;
	next(f);
	return true;
}

static bool
wrong_name(struct form *f)
{
	struct slice name = f->name.text;
	struct suggest near = SUGGEST(name);
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < OPTION_COUNT; i++)
		suggest_try(&near, option_rows[i].name);
	suggest_add(&near, &text);
	wrong(f, f->name.line,
	      "\"%.*s\" is no option and no block, which are written as name = value and as "
	      "kind name { ... }%.*s",
	      SLICE_FMT(name), SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
	return false;
}

/* A statement, a block's head or end, an include.  False at the end, or at a mistake. */
static bool
read_one(struct form *f)
{
	struct token name = f->now;

	if (name.kind == END)
		return false;
	if (is_mark(f, '}') && f->depth == 0)
		return wrong(f, name.line, "a brace closes here that none has opened");
	if (name.kind == MARK && name.mark != '}')
		return wrong(f, name.line, "there is no name before \"%c\"", name.mark);
	next(f);
	if (name.kind == MARK) {
		f->depth--;
		return true;
	}
	f->name = name;
	if (slice_equal(name.text, SLICE("include")))
		return read_include(f, name.line);
	if (is_equal_sign(f) && !is_block(name.text)) {
		int line = f->now.line;
		next(f);
		return read_value(f, line);
	}
	if (is_option(name.text))
		return wrong(f, name.line,
			     "%.*s: an option is written as name = value, and there is no =",
			     SLICE_FMT(name.text));
	if (is_block(name.text) || is_mark(f, '{'))
		return read_block(f);
	if (f->now.kind == WORD && f->now.line == name.line) {
		next(f);
		if (is_mark(f, '{'))
			return read_block(f);
	}
	return wrong_name(f);
}

bool
conf_form_explain(struct slice text, int *line, struct buf *why)
{
	struct form f = {.text = text, .line = 1, .why = why};

	next(&f);
	while (read_one(&f))
		;
	if (!f.wrong_line)
		return false;
	*line = f.wrong_line;
	return true;
}

/* Whether it may be the name of an option. */
static bool
is_plain_name(const struct token *t)
{
	for (size_t i = 0; i < t->text.n; i++)
		if (!isalnum((unsigned char)t->text.p[i]) && t->text.p[i] != '_')
			return false;
	return t->kind == WORD && t->text.n;
}

/* Whether a text that stands behind it is a value, or a part of one. */
static bool
wants_value(const struct token *t)
{
	return t->kind == MARK && strchr("=+,(", t->mark);
}

void
conf_form_mark_additions(struct slice text, struct buf *out)
{
	struct form f = {.text = text, .line = 1};
	struct token before = {.kind = END};
	size_t copied = 0;

	for (next(&f); f.now.kind != END;) {
		struct token name = f.now;
		next(&f);
		if (is_mark(&f, '+') && is_plain_name(&name) && !wants_value(&before)) {
			buf_add(out, text.p + copied, name.from - copied);
			buf_printf(out, "\"" FORM_ADDITION "\"(%.*s) ", SLICE_FMT(name.text));
			copied = name.from;
		}
		before = name;
	}
	buf_add(out, text.p + copied, text.n - copied);
}
