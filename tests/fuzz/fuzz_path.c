/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Paths: what is joined is absolute and normal, and stays as it is when joined again. */
#include <wharf/ftp/path.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = BUF_INIT, again = BUF_INIT;

	if (path_join(&out, SLICE("/w/x"), (struct slice){(const char *)data, size}) == 0) {
		struct slice path = buf_slice(&out), base = path_base(path);
		HOLDS(path.n > 0 && path.p[0] == '/' && path.n <= PATH_LENGTH_MAX);
		HOLDS(!slice_equal(base, SLICE("..")) && !slice_equal(base, SLICE(".")));
		HOLDS(path_join(&again, SLICE("/"), path) == 0);
		HOLDS(slice_equal(buf_slice(&again), path));
		HOLDS(path_join(&again, path, SLICE("..")) == 0);
		HOLDS(slice_equal(buf_slice(&again), path_parent(path)));
		path_quote(&again, path);
	}
	buf_deinit(&out);
	buf_deinit(&again);
	return 0;
}
