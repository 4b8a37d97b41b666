/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Listings: options end somewhere in the argument, and any name makes one line. */
#include <wharf/ftp/listing.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size}, rest;
	struct buf out = BUF_INIT;
	struct list_options options;
	struct entry e = {.name = in, .target = in, .owner = in, .mode = 0120777, .size = size};

	bool any = listing_parse_options(in, &options, &rest);
	HOLDS(rest.n <= in.n && (any || rest.n == in.n));
	HOLDS(rest.n == 0 || rest.p + rest.n == in.p + in.n);
	listing_format(&out, &e, 0);
	for (size_t i = 0; i < out.len - 2; i++)
		HOLDS((unsigned char)out.data[i] >= ' ');
	HOLDS(out.data[out.len - 2] == '\r' && out.data[out.len - 1] == '\n');
	buf_deinit(&out);
	return 0;
}
