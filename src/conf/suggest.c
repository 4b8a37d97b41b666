/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* "did you mean" of wharf/conf/suggest.h: edit distance, where two swapped neighbours count as one
 * edit. */
#include <ctype.h>

#include <wharf/conf/suggest.h>

/* Longer words than any option; what is longer still gets no suggestion. */
#define WORD_MAX 40

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t
distance(struct slice a, struct slice b)
{
	size_t row[3][WORD_MAX + 1] = {0};
	size_t *before = row[0], *last = row[1], *now = row[2];

	for (size_t j = 0; j <= b.n; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		now[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			int ca = tolower((unsigned char)a.p[i - 1]);
			int cb = tolower((unsigned char)b.p[j - 1]);
			now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b.p[j - 2]) &&
			    cb == tolower((unsigned char)a.p[i - 2]))
				now[j] = least(now[j], before[j - 2] + 1);
		}
		size_t *recycled = before;
		before = last;
		last = now;
		now = recycled;
	}
	return last[b.n];
}

void
suggest_try(struct suggest *s, const char *candidate)
{
	struct slice c = slice_of(candidate);

	if (s->word.n == 0 || s->word.n > WORD_MAX || c.n > WORD_MAX)
		return;
	size_t d = distance(s->word, c);
	/* A third of the word may be wrong, as far as something of it is right. */
	if (d > 1 + c.n / 3 || d >= c.n)
		return;
	if (!s->best || d < s->distance) {
		s->best = candidate;
		s->distance = d;
	}
}

void
suggest_add(const struct suggest *s, struct buf *out)
{
	if (s->best)
		buf_printf(out, "; did you mean %s?", s->best);
}
