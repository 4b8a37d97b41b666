/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What files hold: bytes that look random and follow from their place, or text of lines that are 1
 * to 100 characters long.  A file is PATTERN_SIZE bytes over and over; text has more bytes on the
 * wire, where its lines end in CR LF.
 */
#ifndef BENCH_PATTERN_H
#define BENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_SIZE ((size_t)1 << 20)

struct pattern {
	unsigned char *bytes; /* twice, so that `period` of them follow on any offset below */
	size_t period;
};

/* As a file has it, and as it is on the wire. */
struct pattern pattern_new(bool text, bool wire);
void pattern_free(struct pattern *p);

/* A file of so many bytes; 0, or the end of the program. */
int pattern_make(const struct pattern *p, size_t bytes, const char *path);

/* How many bytes of the wire a file of so many bytes is. */
size_t pattern_length(const struct pattern *wire, size_t bytes);

/* The bytes from `offset` on: at least `period` of them. */
static inline const unsigned char *
pattern_at(const struct pattern *p, size_t offset)
{
	return p->bytes + offset % p->period;
}

#endif
