/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The growing buffer: what is appended is there, in order, whatever the sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <wharf/base/buf.h>

/* Under ASan an allocation that is too large shall fail as it does without, not end the test. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void
test_append(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		buf_add_str(&b, "ab");
		buf_add_byte(&b, 'c');
		buf_add_slice(&b, SLICE("de"));
		buf_add(&b, NULL, 0);
		buf_printf(&b, "%d", 7);
	}
	assert_int_equal(b.len, 6000);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.data[i], "abcde7"[i % 6]);
	buf_consume(&b, 5994);
	assert_true(slice_equal(buf_slice(&b), SLICE("abcde7")));
	buf_consume(&b, 6);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_error(&b), 0);
	buf_deinit(&b);
	assert_null(b.data);
}

static void
test_numbers(void **state)
{
	static const uint64_t numbers[] = {0,         1, 9, 10, 99, 100, 4294967296, UINT64_MAX - 1,
					   UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct buf b = BUF_INIT;
		char expected[32];
		buf_add_u64(&b, numbers[i]);
		snprintf(expected, sizeof(expected), "%llu", (unsigned long long)numbers[i]);
		assert_true(slice_equal(buf_slice(&b), slice_of(expected)));
		buf_deinit(&b);
	}
}

/* A size that can't be had is an error that lasts, and what was there stays. */
static void
test_failure(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_add_str(&b, "kept");
	assert_int_equal(buf_reserve(&b, (size_t)1 << 62), -ENOMEM);
	assert_int_equal(buf_error(&b), -ENOMEM);
	assert_true(slice_equal(buf_slice(&b), SLICE("kept")));
	buf_reset(&b);
	assert_int_equal(buf_error(&b), 0);
	buf_deinit(&b);
}

/* Growing by moving keeps what was there, and fails as buf_reserve() does. */
static void
test_secret(void **state)
{
	struct buf b = BUF_INIT;
	char all[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++) {
		all[i] = (char)('a' + i % 26);
		assert_int_equal(buf_reserve_secret(&b, 1), 0);
		buf_add_byte(&b, all[i]);
	}
	assert_true(slice_equal(buf_slice(&b), (struct slice){all, sizeof(all)}));
	assert_int_equal(buf_reserve_secret(&b, (size_t)1 << 62), -ENOMEM);
	assert_int_equal(buf_error(&b), -ENOMEM);
	assert_true(slice_equal(buf_slice(&b), (struct slice){all, sizeof(all)}));
	buf_wipe(&b);
	assert_null(b.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
