/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The strict numbers of wharf/ftp/number.h. */
#include <wharf/ftp/number.h>

int
number_parse_u64(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (s.n == 0)
		return NUMBER_BAD;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return NUMBER_BAD;
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		if (n > max / 10 || digit > max - n * 10)
			return NUMBER_BAD;
		n = n * 10 + digit;
	}
	*out = n;
	return 0;
}

int
number_parse_mode(struct slice s, unsigned *out)
{
	unsigned n = 0;

	if (s.n == 0 || s.n > 4)
		return NUMBER_BAD;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '7')
			return NUMBER_BAD;
		n = n * 8 + (unsigned)(s.p[i] - '0');
	}
	*out = n;
	return 0;
}
