/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Patterns: up to the first NUL the pattern, then the name. */
#include <wharf/ftp/glob.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size};
	const char *end = size ? memchr(in.p, '\0', size) : NULL;
	struct slice pattern = end ? slice_head(in, (size_t)(end - in.p)) : in;
	struct slice name = end ? slice_from(in, pattern.n + 1) : in;
	bool match = glob_match(pattern, name);

	if (!glob_has_magic(pattern))
		HOLDS(match == slice_equal(pattern, name));
	HOLDS(glob_match(SLICE("*"), name));
	return 0;
}
