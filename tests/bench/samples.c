/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Times: see samples.h.
 */
#include "samples.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOM_FIRST 1024

void
samples_add(struct samples *s, uint64_t ns)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : ROOM_FIRST;
		s->ns = reallocarray(s->ns, s->room, sizeof(*s->ns));
		if (!s->ns)
			err(1, "reallocarray");
	}
	s->ns[s->n++] = ns;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The smallest time that at least so many per cent do not exceed. */
static uint64_t
percentile(const struct samples *s, size_t percent)
{
	return s->n ? s->ns[(s->n * percent + 99) / 100 - 1] / 1000 : 0;
}

void
samples_tell(struct samples *s, char *text, size_t size)
{
	if (s->n)
		qsort(s->ns, s->n, sizeof(*s->ns), compare);
	snprintf(text, size, "%ju %ju %ju", (uintmax_t)percentile(s, 50),
		 (uintmax_t)percentile(s, 99), (uintmax_t)percentile(s, 100));
	s->n = 0;
}

void
samples_free(struct samples *s)
{
	free(s->ns);
	*s = (struct samples){0};
}
