/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Numbers in arguments, read strictly: digits and nothing else, so no sign, no blank, no other
 * base, no overflow.
 */
#ifndef WHARF_FTP_NUMBER_H
#define WHARF_FTP_NUMBER_H

#include <stdint.h>

#include <wharf/base/slice.h>

enum number_error {
	NUMBER_BAD = 1, /* empty, not all digits, or more than is allowed */
};

/*
 * The decimal number s, of any count of digits.  Returns 0, or NUMBER_BAD; *out is set only by 0.
 */
int number_parse_u64(struct slice s, uint64_t max, uint64_t *out);

/* A file's mode: one to four octal digits, so at most 07777.  Returns 0, or NUMBER_BAD. */
int number_parse_mode(struct slice s, unsigned *out);

#endif
