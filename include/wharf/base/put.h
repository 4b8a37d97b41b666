/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Writing at a pointer, for lines that are made by the hundred thousand: who calls has reserved
 * room for the whole line (buf_reserve()).  Each returns what follows the bytes.
 */
#ifndef WHARF_BASE_PUT_H
#define WHARF_BASE_PUT_H

#include <stdint.h>
#include <string.h>

#include <wharf/base/slice.h>

/* The digits of the largest number. */
#define PUT_U64_MAX 20

static inline char *
put_slice(char *p, struct slice s)
{
	if (s.n)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

/* How many digits a decimal number has. */
static inline size_t
put_width(uint64_t n)
{
	size_t width = 1;

	while (n >= 10) {
		n /= 10;
		width++;
	}
	return width;
}

/* A decimal number of that put_width(). */
static inline char *
put_u64_wide(char *p, uint64_t n, size_t width)
{
	char *at = p + width;

	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (at > p);
	return p + width;
}

static inline char *
put_u64(char *p, uint64_t n)
{
	return put_u64_wide(p, n, put_width(n));
}

#endif
