/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Which texts are numbers, and at which limit they stop being one (attacks E12). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <wharf/ftp/number.h>

static const struct {
	const char *text;
	uint64_t max;
	int result;
	uint64_t n;
} numbers[] =
	{
		{"0", 0, 0, 0},
		{"0", UINT64_MAX, 0, 0},
		{"00000000000000000000000007", 7, 0, 7},
		{"255", 255, 0, 255},
		{"256", 255, NUMBER_BAD, 0},
		{"1", 0, NUMBER_BAD, 0},
		{"9223372036854775807", INT64_MAX, 0, INT64_MAX},
		{"9223372036854775808", INT64_MAX, NUMBER_BAD, 0},
		{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, NUMBER_BAD, 0},
		{"100000000000000000000000", UINT64_MAX, NUMBER_BAD, 0},
		{"", UINT64_MAX, NUMBER_BAD, 0},
		{"-1", UINT64_MAX, NUMBER_BAD, 0},
		{"+1", UINT64_MAX, NUMBER_BAD, 0},
		{" 5", UINT64_MAX, NUMBER_BAD, 0},
		{"5 ", UINT64_MAX, NUMBER_BAD, 0},
		{"1x", UINT64_MAX, NUMBER_BAD, 0},
		{"0x10", UINT64_MAX, NUMBER_BAD, 0},
		{"1e3", UINT64_MAX, NUMBER_BAD, 0},
		{"1/", UINT64_MAX, NUMBER_BAD, 0},
		{"1:", UINT64_MAX, NUMBER_BAD, 0},
		{"\xd9\xa1", UINT64_MAX, NUMBER_BAD, 0},
},
  modes[] = {
	  {"0", 0, 0, 0},         {"644", 0, 0, 0644},         {"0644", 0, 0, 0644},
	  {"7777", 0, 0, 07777},  {"07777", 0, NUMBER_BAD, 0}, {"648", 0, NUMBER_BAD, 0},
	  {"", 0, NUMBER_BAD, 0}, {"-1", 0, NUMBER_BAD, 0},    {"u+x", 0, NUMBER_BAD, 0},
};

static void
test_u64(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t n = 42;
		int result = number_parse_u64(slice_of(numbers[i].text), numbers[i].max, &n);
		assert_int_equal(result, numbers[i].result);
		assert_int_equal(n, result ? 42 : numbers[i].n);
	}
}

static void
test_nul_is_no_digit(void **state)
{
	(void)state;
	uint64_t n;

	assert_int_equal(number_parse_u64(SLICE("1\0"), UINT64_MAX, &n), NUMBER_BAD);
}

static void
test_mode(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		unsigned n = 42;
		int result = number_parse_mode(slice_of(modes[i].text), &n);
		assert_int_equal(result, modes[i].result);
		assert_int_equal(n, result ? 42 : modes[i].n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_nul_is_no_digit),
		cmocka_unit_test(test_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
