/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What the pump does in both directions: rates, ends, and digests of what passes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/fd.h>

#include "pump_ends.h"

#define EITHER(upload, ...) ((upload) ? RECEIVE(__VA_ARGS__) : SEND(__VA_ARGS__))

static void
a_rate_is_kept(void **state)
{
	char *got = malloc(400000);

	(void)state;
	for (int upload = 0; upload <= 1; upload++) {
		struct transfer_seen seen;
		int fd = file_of_class(FILE_MEMORY);
		memset(got, 'x', 300000);
		if (!upload)
			assert_int_equal(write(fd, got, 300000), 300000);
		uint64_t began = now_ms();
		start(&seen, EITHER(upload, .fd = fd, .rate = 200000));
		if (upload)
			feed(&seen, got, 300000);
		run(&seen, upload ? NULL : got, 400000, NULL);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_int_equal(seen.result.bytes, 300000);
		assert_in_range(now_ms() - began, 1300, 2200);
		close_ends(&seen);
	}
	free(got);
}

static void
a_stall_is_ended(void **state)
{
	(void)state;
	for (int upload = 0; upload <= 1; upload++) {
		struct transfer_seen seen;
		int fd = file_of_class(FILE_MEMORY);
		assert_int_equal(ftruncate(fd, 64 << 20), 0);
		uint64_t began = now_ms();
		start_within(&seen, EITHER(upload, .fd = fd), 1000);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_STALLED);
		assert_in_range(now_ms() - began, 950, 3500);
		close_ends(&seen);
	}
}

static void
a_reset_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct transfer_seen seen;
		struct linger reset = {1, 0};
		int fd = file_of_class(classes[i / 2]);
		assert_int_equal(ftruncate(fd, 64 << 20), 0);
		start(&seen, EITHER(i & 1, .fd = fd));
		setsockopt(seen.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		fd_close(&seen.client);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_RESET);
		close_ends(&seen);
	}
}

static const enum word_digest algorithms[] = {WORD_digest_crc32, WORD_digest_sha256,
					      WORD_digest_sha512, WORD_digest_blake2b};

static void
assert_digest_is(const struct transfer_seen *seen, enum word_digest which, const char *bytes,
		 size_t n)
{
	struct hash h;
	char want[HASH_TEXT];

	assert_int_equal(hash_begin_named(&h, &digests, which), 0);
	hash_add(&h, bytes, n);
	assert_true(hash_end_named(&h, which, want) > 0);
	assert_string_equal(seen->digest, want);
}

/* A digest is of the file's bytes, also in TYPE A, and in the order of the file, whoever reads or
 * writes them. */
static void
what_passes_is_hashed(void **state)
{
	char *bytes = malloc(MOST), *got = malloc(2 * MOST + 8), *want = malloc(MOST + 9);

	(void)state;
	make_text(bytes, MOST);
	for (size_t i = 0; i < SIZES * 16; i++) {
		size_t n = sizes[i / 16];
		bool ascii = i / 4 & 1, fin;
		struct transfer_seen seen;
		struct ascii st = ASCII_INIT;
		struct transfer_plan plan = {.fd = file_of_class(classes[i % 4]),
					     .ascii = ascii,
					     .digest = algorithms[i / 4 % 4],
					     .sync = i & 1,
					     .kind = TRANSFER_RECEIVE};
		size_t wants = ascii ? ascii_decode(&st, bytes, n, want) : n;
		if (ascii)
			wants += ascii_decode_end(&st, want + wants);
		start(&seen, plan);
		feed_and_run(&seen, bytes, n);
		close(seen.client);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_int_equal(seen.result.size, wants);
		assert_int_equal(seen.result.grown, wants);
		assert_digest_is(&seen, plan.digest, ascii ? want : bytes, wants);

		plan.kind = TRANSFER_SEND_FILE;
		plan.fd = seen.file;
		start(&seen, plan);
		run(&seen, got, 2 * MOST + 8, &fin);
		close_ends(&seen);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_digest_is(&seen, plan.digest, ascii ? want : bytes, wants);
	}
	free(bytes);
	free(got);
	free(want);
}

/* An upload that begins at an offset, or ends before the file does: the digest is of all of the
 * file. */
static void
what_was_there_is_hashed_too(void **state)
{
	static const struct {
		uint64_t offset, length;
		bool cut;
		const char *want;
	} cases[] = {
		{4, UINT64_MAX, true, "0123ab"},      {4, UINT64_MAX, false, "0123ab6789"},
		{0, UINT64_MAX, false, "ab23456789"}, {10, UINT64_MAX, false, "0123456789ab"},
		{0, 2, false, "ab23456789"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 8; i++) {
		struct transfer_seen seen;
		size_t c = i / 8, n = strlen(cases[c].want);
		int mine = file_of_class(classes[i % 4]);
		assert_int_equal(write(mine, "0123456789", 10), 10);
		/* Where the file can't be read there is no digest. */
		char name[64];
		snprintf(name, sizeof(name), "/proc/self/fd/%d", mine);
		int fd = open(name, (i / 4 & 1 ? O_WRONLY : O_RDWR) | O_CLOEXEC);
		assert_true(fd >= 0);
		start(&seen, RECEIVE(.fd = fd, .offset = cases[c].offset, .length = cases[c].length,
				     .cut = cases[c].cut, .digest = WORD_digest_sha256));
		feed_and_run(&seen, "ab", 2);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_file_is(mine, cases[c].want, n);
		assert_int_equal(seen.result.grown, (int64_t)n - 10);
		if (i / 4 & 1)
			assert_string_equal(seen.digest, "");
		else
			assert_digest_is(&seen, WORD_digest_sha256, cases[c].want, n);
		close_ends(&seen);
		close(mine);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PUMP_TEST(a_rate_is_kept),
		PUMP_TEST(a_stall_is_ended),
		PUMP_TEST(a_reset_is_told),
		PUMP_TEST(what_passes_is_hashed),
		PUMP_TEST(what_was_there_is_hashed_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
