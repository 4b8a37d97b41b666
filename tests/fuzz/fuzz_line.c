/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The line reader: the lines are the same whatever the segmentation, and hold nothing that ends
 * one.
 */
#include <wharf/ftp/line.h>

#include "fuzz.h"

#define MAX 64

static void
read_all(struct slice in, size_t piece, struct buf *out)
{
	struct line_reader r;
	struct slice line;
	size_t used;
	int result;

	line_reader_init(&r, MAX);
	for (; in.n > 0; in = slice_from(in, used)) {
		result = line_reader_feed(&r, in.p, in.n < piece ? in.n : piece, &used, &line);
		HOLDS(result >= 0 && used > 0 && line.n <= MAX);
		for (size_t i = 0; i < line.n; i++)
			HOLDS(line.p[i] != '\0' && line.p[i] != '\r' && line.p[i] != '\n');
		buf_add_slice(out, line);
		if (result != LINE_MORE)
			buf_add_byte(out, (char)result);
	}
	line_reader_deinit(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size};
	struct buf whole = BUF_INIT, cut = BUF_INIT;

	read_all(in, SIZE_MAX, &whole);
	for (size_t piece = 1; piece < 4; piece++) {
		buf_reset(&cut);
		read_all(in, piece, &cut);
		HOLDS(slice_equal(buf_slice(&whole), buf_slice(&cut)));
	}
	buf_deinit(&whole);
	buf_deinit(&cut);
	return 0;
}
