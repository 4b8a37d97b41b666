/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * How long things took: many times, and three figures that tell of them.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/* Begins zeroed. */
struct samples {
	uint64_t *ns;
	size_t n, room;
};

void samples_add(struct samples *s, uint64_t ns);

/* "MEDIAN P99 MAX" in microseconds, or "0 0 0" where there is none; and forgets them. */
void samples_tell(struct samples *s, char *text, size_t size);
void samples_free(struct samples *s);

#endif
