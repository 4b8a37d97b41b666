/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The digests' arguments: a path is never empty, a range never runs backwards. */
#include <wharf/ftp/digest.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size};
	struct digest_args args = DIGEST_ARGS_INIT;

	if (digest_parse_args(in, &args) == 0) {
		HOLDS(args.path.n > 0 && args.path.n <= size);
		HOLDS(!args.has_end || (args.has_range && args.start <= args.end));
		HOLDS(args.whole.n == 0 || slice_starts(args.whole, args.path));
	}
	HOLDS(digest_by_name(in) <= DIGEST_COUNT);
	digest_args_deinit(&args);
	return 0;
}
