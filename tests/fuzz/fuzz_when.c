/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Times: what is read is written as the same fourteen digits, but for second 60. */
#include <wharf/ftp/when.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size};
	struct buf out = BUF_INIT;
	struct timespec t;

	if (when_parse(in, &t) == 0) {
		HOLDS(t.tv_sec >= 0 && t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
		when_format(&out, t.tv_sec);
		HOLDS(out.len == 14);
		HOLDS(slice_equal(buf_slice(&out), slice_head(in, 14)) || in.p[12] == '6');
	}
	if (size >= sizeof(time_t)) {
		char text[WHEN_LIST_BYTES];
		time_t any;
		memcpy(&any, data, sizeof(any));
		buf_reset(&out);
		when_format(&out, any);
		HOLDS(out.len == WHEN_BYTES);
		HOLDS(when_put_list(text, any, 1772719320) == text + WHEN_LIST_BYTES);
	}
	buf_deinit(&out);
	return 0;
}
