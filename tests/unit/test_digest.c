/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The digests' names, and each reading of their commands' arguments, unbalanced quotes included
 * (attacks C05).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <wharf/ftp/digest.h>

enum { NONE, START, BOTH };

static const struct {
	const char *arg;
	int result;
	const char *path;
	int range;
	uint64_t start, end;
} rows[] = {
	{"a", 0, "a", NONE, 0, 0},
	{"/a b/c d", 0, "/a b/c d", NONE, 0, 0},
	{"a 5", 0, "a", START, 5, 0},
	{"a 5 9", 0, "a", BOTH, 5, 9},
	{"a 5 5", 0, "a", BOTH, 5, 5},
	{"a b 5 9", 0, "a b", BOTH, 5, 9},
	{"a 1 5 9", 0, "a 1", BOTH, 5, 9},
	{"a 9 5", 0, "a 9 5", NONE, 0, 0},
	{"a 0 18446744073709551615", 0, "a", BOTH, 0, UINT64_MAX},
	{"a 18446744073709551616", 0, "a 18446744073709551616", NONE, 0, 0},
	{"a -5", 0, "a -5", NONE, 0, 0},
	{"a 5 ", 0, "a 5 ", NONE, 0, 0},
	{"a 5 x", 0, "a 5 x", NONE, 0, 0},
	{"a x 5", 0, "a x", START, 5, 0},
	{"5", 0, "5", NONE, 0, 0},
	{"5 6", 0, "5", START, 6, 0},
	{" 5", 0, " 5", NONE, 0, 0},
	{" 5 6", 0, " 5", START, 6, 0},
	{"a\"b", 0, "a\"b", NONE, 0, 0},
	{"", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\"", 0, "a", NONE, 0, 0},
	{"\"a b\" 5", 0, "a b", START, 5, 0},
	{"\"a b\" 5 9", 0, "a b", BOTH, 5, 9},
	{"\"a 5\"", 0, "a 5", NONE, 0, 0},
	{"\"a\"\"b\"", 0, "a\"b", NONE, 0, 0},
	{"\"a\\\"b\" 1", 0, "a\"b", START, 1, 0},
	{"\"a\\\\\"", 0, "a\\", NONE, 0, 0},
	{"\"a\\b\"", 0, "a\\b", NONE, 0, 0},
	{"\"\"\"\"", 0, "\"", NONE, 0, 0},
	{"\"\"", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"\\", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\\\"", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"\"\"", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\"5", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\" ", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\" x", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\" 5 ", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\" 9 5", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\" 5 9 1", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\" 5  9", DIGEST_BAD, NULL, NONE, 0, 0},
	{"\"a\" 18446744073709551616", DIGEST_BAD, NULL, NONE, 0, 0},
};

static void
test_args(void **state)
{
	(void)state;
	struct digest_args args = DIGEST_ARGS_INIT; /* one for all: nothing of a row may stay */

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int result = digest_parse_args(slice_of(rows[i].arg), &args);
		if (result != rows[i].result)
			fail_msg("%s: %d", rows[i].arg, result);
		if (result != 0)
			continue;
		if (!slice_equal(args.path, slice_of(rows[i].path)))
			fail_msg("%s: %.*s", rows[i].arg, SLICE_FMT(args.path));
		assert_true(slice_equal(args.whole,
					slice_of(rows[i].arg[0] == '"' ? "" : rows[i].arg)));
		assert_int_equal(args.has_range, rows[i].range != NONE);
		assert_int_equal(args.has_end, rows[i].range == BOTH);
		assert_int_equal(args.start, rows[i].start);
		assert_int_equal(args.end, rows[i].end);
	}
	digest_args_deinit(&args);
	assert_null(args.text.data);
}

static void
test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum digest_algorithm algorithm;
		size_t bytes;
	} names[] = {
		{"SHA-256", DIGEST_SHA256, 32}, {"SHA-512", DIGEST_SHA512, 64},
		{"SHA-1", DIGEST_SHA1, 20},     {"MD5", DIGEST_MD5, 16},
		{"CRC32", DIGEST_CRC32, 4},
	};

	assert_int_equal(sizeof(names) / sizeof(names[0]), DIGEST_COUNT);
	for (size_t i = 0; i < DIGEST_COUNT; i++) {
		assert_int_equal(digest_by_name(slice_of(names[i].name)), names[i].algorithm);
		assert_string_equal(digest_name(names[i].algorithm), names[i].name);
		assert_int_equal(digest_size(names[i].algorithm), names[i].bytes);
	}
	assert_int_equal(digest_by_name(SLICE("sha-256")), DIGEST_SHA256);
	assert_int_equal(digest_by_name(SLICE("SHA256")), DIGEST_COUNT);
	assert_int_equal(digest_by_name(SLICE("MD")), DIGEST_COUNT);
	assert_int_equal(digest_by_name(SLICE("")), DIGEST_COUNT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
