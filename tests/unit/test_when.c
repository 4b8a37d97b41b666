/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Times: what is read and refused (attacks E11), and days of 9,999 years against libc's calendar.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <wharf/ftp/when.h>

static const struct {
	const char *text;
	int result;
	int64_t seconds;
	long nanoseconds;
} parses[] = {
	{"19700101000000", 0, 0, 0},
	{"20260305140200", 0, 1772719320, 0},
	{"20240229235959", 0, 1709251199, 0},
	{"20000229000000", 0, 951782400, 0},
	{"99991231235959", 0, 253402300799, 0},
	{"20161231235960", 0, 1483228799, 0},
	{"19700101000000.5", 0, 0, 500000000},
	{"19700101000000.001", 0, 0, 1000000},
	{"19700101000001.123456789", 0, 1, 123456789},
	{"19700101000001.1234567899", 0, 1, 123456789},
	{"19700101000001.12345678901234567890123456789012", 0, 1, 123456789},
	{"19700101000001.123456789012345678901234567890123", WHEN_BAD, 0, 0},
	{"19700101000000.", WHEN_BAD, 0, 0},
	{"19700101000000.-1", WHEN_BAD, 0, 0},
	{"19700101000000.1x", WHEN_BAD, 0, 0},
	{"19700101000000,1", WHEN_BAD, 0, 0},
	{"19700101000000+9999", WHEN_BAD, 0, 0},
	{"19700101000000Z", WHEN_BAD, 0, 0},
	{"19700101000000 ", WHEN_BAD, 0, 0},
	{" 19700101000000", WHEN_BAD, 0, 0},
	{"", WHEN_BAD, 0, 0},
	{"20260305", WHEN_BAD, 0, 0},
	{"202603051402", WHEN_BAD, 0, 0},
	{"2026030514020", WHEN_BAD, 0, 0},
	{"202603051402000", WHEN_BAD, 0, 0},
	{"99999999999999", WHEN_BAD, 0, 0},
	{"20260230000000", WHEN_BAD, 0, 0},
	{"20250229000000", WHEN_BAD, 0, 0},
	{"21000229000000", WHEN_BAD, 0, 0},
	{"20260431000000", WHEN_BAD, 0, 0},
	{"20261301000000", WHEN_BAD, 0, 0},
	{"20260001000000", WHEN_BAD, 0, 0},
	{"20260100000000", WHEN_BAD, 0, 0},
	{"20260101240000", WHEN_BAD, 0, 0},
	{"20260101006000", WHEN_BAD, 0, 0},
	{"20260101000061", WHEN_BAD, 0, 0},
	{"19691231235959", WHEN_BAD, 0, 0},
	{"00000101000000", WHEN_BAD, 0, 0},
	{"-0010101000000", WHEN_BAD, 0, 0},
	{"2026 305140200", WHEN_BAD, 0, 0},
};

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(parses) / sizeof(parses[0]); i++) {
		struct timespec t = {-7, -7};
		int result = when_parse(slice_of(parses[i].text), &t);
		if (result != parses[i].result)
			fail_msg("%s: %d", parses[i].text, result);
		assert_int_equal(t.tv_sec, result ? -7 : parses[i].seconds);
		assert_int_equal(t.tv_nsec, result ? -7 : parses[i].nanoseconds);
	}
}

static void
test_calendar(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;
	char want[64];

	for (int64_t day = -719162; day <= 2932896; day += day > -60000 && day < 150000 ? 1 : 13) {
		time_t t = day * 86400 + ((uint64_t)day * 7919) % 86400;
		struct tm tm;
		struct timespec again;
		gmtime_r(&t, &tm);
		snprintf(want, sizeof(want), "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		buf_reset(&out);
		when_format(&out, t);
		assert_true(slice_equal(buf_slice(&out), slice_of(want)));
		if (day >= 0) {
			assert_int_equal(when_parse(buf_slice(&out), &again), 0);
			assert_int_equal(again.tv_sec, t);
		}
	}
	buf_deinit(&out);
}

static void
test_list(void **state)
{
	(void)state;
	const time_t now = 1772719320; /* 2026-03-05 14:02:00 */
	static const struct {
		int64_t mtime;
		const char *text;
	} rows[] = {
		{1772719320, "Mar  5 14:02"},
		{1772719320 + 3600, "Mar  5 15:02"},
		{1772719320 + 3601, "Mar  5  2026"},
		{1772719320 - 182 * 86400, "Sep  4 14:02"},
		{1772719320 - 182 * 86400 - 1, "Sep  4  2025"},
		{1709251199, "Feb 29  2024"},
		{0, "Jan  1  1970"},
		{-1, "Dec 31  1969"},
		{INT64_C(1) << 40, "Dec 31  9999"},
		{-(INT64_C(1) << 40), "Jan  1  0001"},
		{INT64_MAX, "Dec 31  9999"},
		{INT64_MIN, "Jan  1  0001"},
	};
	char text[WHEN_LIST_BYTES];
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_ptr_equal(when_put_list(text, rows[i].mtime, now), text + sizeof(text));
		assert_memory_equal(text, rows[i].text, sizeof(text));
	}
	when_put_list(text, INT64_MIN, INT64_MAX);
	assert_memory_equal(text, "Jan  1  0001", sizeof(text));
	when_put_list(text, INT64_MAX, INT64_MIN);
	assert_memory_equal(text, "Dec 31  9999", sizeof(text));
	when_format(&out, INT64_MIN);
	when_format(&out, INT64_MAX);
	assert_true(slice_equal(buf_slice(&out), SLICE("0001010100000099991231235959")));
	buf_deinit(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
