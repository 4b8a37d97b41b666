/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The digests' names and arguments of wharf/ftp/digest.h. */
#include <wharf/ftp/digest.h>
#include <wharf/ftp/number.h>

static const struct {
	const char *name;
	size_t bytes;
} digests[] = {
#define DIGEST_ROW(symbol, name, bytes) [DIGEST_##symbol] = {name, bytes},
	DIGEST_TABLE(DIGEST_ROW)
#undef DIGEST_ROW
};

enum digest_algorithm
digest_by_name(struct slice name)
{
	enum digest_algorithm a = 0;

	while (a < DIGEST_COUNT && !slice_equal_nocase(name, slice_of(digests[a].name)))
		a++;
	return a;
}

const char *
digest_name(enum digest_algorithm algorithm)
{
	return digests[algorithm].name;
}

size_t
digest_size(enum digest_algorithm algorithm)
{
	return digests[algorithm].bytes;
}

void
digest_args_deinit(struct digest_args *args)
{
	buf_deinit(&args->text);
	*args = DIGEST_ARGS_INIT;
}

/* Takes " number" off the end of *s.  Returns false when there is none, or nothing before it. */
static bool
take_number(struct slice *s, uint64_t *out)
{
	const char *blank = s->n ? memrchr(s->p, ' ', s->n) : NULL;

	if (!blank || blank == s->p)
		return false;
	struct slice head = slice_head(*s, (size_t)(blank - s->p));
	if (number_parse_u64(slice_from(*s, head.n + 1), UINT64_MAX, out) != 0)
		return false;
	*s = head;
	return true;
}

static int
parse_plain(struct slice arg, struct digest_args *out)
{
	struct slice one = arg, two;
	uint64_t last, first;

	out->whole = out->path = arg;
	if (arg.n == 0)
		return DIGEST_BAD;
	if (!take_number(&one, &last))
		return 0;
	two = one;
	if (!take_number(&two, &first)) {
		out->path = one;
		out->has_range = true;
		out->start = last;
	} else if (first <= last) {
		out->path = two;
		out->has_range = out->has_end = true;
		out->start = first;
		out->end = last;
	}
	return 0;
}

/*
 * The path after the quote at the front of *arg, into out->text.  *arg becomes what follows its
 * closing quote.
 */
static int
unquote(struct slice *arg, struct buf *text)
{
	size_t i = 1;

	for (; i < arg->n; i++) {
		char c = arg->p[i], next = i + 1 < arg->n ? arg->p[i + 1] : '\0';
		if (c == '"' && next != '"')
			break;
		if (c == '"' || (c == '\\' && (next == '"' || next == '\\')))
			c = arg->p[++i];
		buf_add_byte(text, c);
	}
	if (i >= arg->n || text->len == 0)
		return DIGEST_BAD;
	*arg = slice_from(*arg, i + 1);
	return buf_error(text);
}

/* Takes " number" off the front of *s.  Returns false when it is anything else. */
static bool
next_number(struct slice *s, uint64_t *out)
{
	size_t n = 1;

	if (s->p[0] != ' ')
		return false;
	while (n < s->n && s->p[n] != ' ')
		n++;
	if (number_parse_u64((struct slice){s->p + 1, n - 1}, UINT64_MAX, out) != 0)
		return false;
	*s = slice_from(*s, n);
	return true;
}

static int
parse_quoted(struct slice arg, struct digest_args *out)
{
	int r = unquote(&arg, &out->text);

	if (r != 0)
		return r;
	out->path = buf_slice(&out->text);
	if (arg.n == 0)
		return 0;
	if (!next_number(&arg, &out->start))
		return DIGEST_BAD;
	out->has_range = true;
	if (arg.n == 0)
		return 0;
	if (!next_number(&arg, &out->end) || arg.n != 0 || out->end < out->start)
		return DIGEST_BAD;
	out->has_end = true;
	return 0;
}

int
digest_parse_args(struct slice arg, struct digest_args *out)
{
	struct buf text = out->text;

	buf_reset(&text);
	*out = (struct digest_args){.text = text};
	if (arg.n > 0 && arg.p[0] == '"')
		return parse_quoted(arg, out);
	return parse_plain(arg, out);
}
