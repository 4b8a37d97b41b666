/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Facts: a set that was read is written and read again as the same set; a name ends its line
 * unchanged.
 */
#include <wharf/ftp/facts.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size};
	struct entry e = {
		.name = in,
		.owner = in,
		.group = in,
		.size = size,
		.perm = (unsigned)size,
	};
	struct buf out = BUF_INIT;
	unsigned set, again;

	if (facts_parse(in, &set) == 0) {
		facts_format_names(&out, set, 0);
		HOLDS(facts_parse(buf_slice(&out), &again) == 0 && again == set);
	}
	buf_reset(&out);
	facts_format(&out, &e, FACT_ALL);
	const char *blank = memchr(out.data, ' ', out.len);
	HOLDS(blank && blank[-1] == ';');
	HOLDS(slice_equal(slice_from(buf_slice(&out), (size_t)(blank - out.data) + 1), in));
	buf_deinit(&out);
	return 0;
}
