/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The translation of wharf/ftp/ascii.h.  What is not done block by block it copies run by run, from
 * one line end to the next. */
#include <string.h>

#include <wharf/ftp/ascii.h>

#include "ascii_blocks.h"

size_t
ascii_encode(struct ascii *st, const char *in, size_t n, char *out)
{
	const char *const end = in + n;
	char *to = out;

	if (n == 0)
		return 0;
	if (*in == '\n' && !st->cr)
		*to++ = '\r';
	*to++ = *in++;
	in += ascii_encode_blocks(in, n - 1, &to);
	bool cr = in[-1] == '\r';
	while (in < end) {
		const char *lf = memchr(in, '\n', (size_t)(end - in));
		size_t run = (size_t)((lf ? lf : end) - in);
		if (run > 0) {
			memcpy(to, in, run);
			to += run;
			in += run;
			cr = in[-1] == '\r';
		}
		if (lf) {
			if (!cr)
				*to++ = '\r';
			*to++ = '\n';
			in++;
			cr = false;
		}
	}
	st->cr = cr;
	return (size_t)(to - out);
}

size_t
ascii_decode(struct ascii *st, const char *in, size_t n, char *out)
{
	const char *const end = in + n;
	char *to = out;

	if (n == 0)
		return 0;
	if (st->cr && in[0] != '\n')
		*to++ = '\r';
	st->cr = false;
	in += ascii_decode_blocks(in, n, &to);
	while (in < end) {
		const char *cr = memchr(in, '\r', (size_t)(end - in));
		size_t run = (size_t)((cr ? cr : end) - in);
		memcpy(to, in, run);
		to += run;
		in += run;
		if (!cr)
			break;
		in++;
		if (in == end)
			st->cr = true;
		else if (*in != '\n')
			*to++ = '\r';
	}
	return (size_t)(to - out);
}

size_t
ascii_decode_end(struct ascii *st, char *out)
{
	if (!st->cr)
		return 0;
	st->cr = false;
	*out = '\r';
	return 1;
}
