/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The items of the option retain: good ones, with what they say, and bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <wharf/conf/retain.h>

static void
test_good(void **state)
{
	static const struct {
		const char *item, *folder;
		uint64_t seconds;
	} rows[] = {
		{"30d", "", 30 * 86400},
		{"30 days", "", 30 * 86400},
		{"1 day", "", 86400},
		{"12 hours", "", 12 * 3600},
		{"90 seconds", "", 90},
		{"90", "", 90},
		{"0", "", 0},
		{"\t 5minutes ", "", 300},
		{"3155760000", "", RETAIN_MAX},
		{"/backup = 30d", "/backup", 30 * 86400},
		{"/backup=30 days", "/backup", 30 * 86400},
		{"/backup/ = 30d", "/backup", 30 * 86400},
		{"/backup/of till 7 = 1h", "/backup/of till 7", 3600},
		{"/a folder/with = signs... = 12h", "/a folder/with = signs...", 12 * 3600},
		{"/= = 1s", "/=", 1},
		{"/.hidden/..x = 1s", "/.hidden/..x", 1},
		{"/ = 7d", "", 7 * 86400},
		{"/tmp = 0", "/tmp", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice folder = SLICE("unset");
		uint64_t seconds = 12345;
		print_message("%s\n", rows[i].item);
		assert_int_equal(retain_parse(slice_of(rows[i].item), &folder, &seconds), 0);
		assert_true(slice_equal(folder, slice_of(rows[i].folder)));
		assert_int_equal(seconds, rows[i].seconds);
	}
}

static void
test_bad(void **state)
{
	static const char *const rows[] = {
		"",
		"=",
		"d",
		"days",
		"-1d",
		"1.5h",
		"30 d ays",
		"30 dayss",
		"30 weeks",
		"3155760001",
		"36526 days",
		"99999999999999999999",
		"213503982334602d",
		"213503982334602 days",
		" = 30d",
		"/backup",
		"/backup =",
		"/backup = soon",
		"30d = /backup",
		"backup = 30d",
		"/backup// = 30d",
		"// = 30d",
		"/a//b = 30d",
		"/a/./b = 30d",
		"/a/.. = 30d",
		"/.. = 30d",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice folder;
		uint64_t seconds;
		print_message("%s\n", rows[i]);
		assert_int_equal(retain_parse(slice_of(rows[i]), &folder, &seconds), RETAIN_BAD);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
