/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What matches, what does not, against a plain recursive matcher too, and that hostile patterns are
 * quick (E08).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <wharf/ftp/glob.h>

static const struct {
	const char *pattern, *name;
	bool match, magic;
} rows[] = {
	{"", "", true, false},
	{"", "a", false, false},
	{"a", "", false, false},
	{"abc", "abc", true, false},
	{"abc", "abcd", false, false},
	{"abcd", "abc", false, false},
	{"*", "", true, true},
	{"*", ".hidden", true, true},
	{"**", "a/b", true, true},
	{"*.txt", "a.txt", true, true},
	{"*.txt", "a.txt.txt", true, true},
	{"*.txt", "a.txtx", false, true},
	{"a*b*c", "a1b2b3c", true, true},
	{"a*b*c", "a1b2b3cd", false, true},
	{"*ab", "aab", true, true},
	{"?", "", false, true},
	{"?", "a", true, true},
	{"?", "ab", false, true},
	{"??", "\303\251", true, true},
	{"[abc]", "b", true, true},
	{"[abc]", "d", false, true},
	{"[!abc]", "d", true, true},
	{"[!abc]", "a", false, true},
	{"[!abc]", "", false, true},
	{"[a-c]x", "bx", true, true},
	{"[a-c]x", "-x", false, true},
	{"[c-a]", "b", false, true},
	{"[a-]", "-", true, true},
	{"[-a]", "-", true, true},
	{"[]]", "]", true, true},
	{"[!]]", "]", false, true},
	{"[!]]", "a", true, true},
	{"[]", "[]", true, false},
	{"[!]", "[!]", true, false},
	{"[[]", "[", true, true},
	{"[\\]]", "]", true, true},
	{"[\\]", "[\\]", false, true},
	{"[\\]", "[]", true, true},
	{"[a\\-z]", "-", true, true},
	{"[a\\-z]", "m", false, true},
	{"[\200-\377]", "\351", true, true},
	{"[\200-\377]", "a", false, true},
	{"[abc", "[abc", true, false},
	{"[abc", "a", false, false},
	{"a[", "a[", true, false},
	{"\\*", "*", true, true},
	{"\\*", "a", false, true},
	{"\\[a]", "[a]", true, true},
	{"a\\", "a\\", true, false},
	{"{a,b}", "a", false, false},
	{"{a,b}", "{a,b}", true, false},
	{"~root", "~root", true, false},
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice pattern = slice_of(rows[i].pattern);
		if (glob_match(pattern, slice_of(rows[i].name)) != rows[i].match ||
		    glob_has_magic(pattern) != rows[i].magic)
			fail_msg("row %zu: %s on %s", i, rows[i].pattern, rows[i].name);
	}
}

/* The oracle: stars and question marks by recursion. */
static bool
naive(const char *p, const char *n)
{
	if (*p == '*')
		return naive(p + 1, n) || (*n && naive(p, n + 1));
	if (!*p || !*n)
		return *p == *n;
	return (*p == '?' || *p == *n) && naive(p + 1, n + 1);
}

static void
test_against_recursion(void **state)
{
	(void)state;
	uint32_t seed = 1;

	for (int round = 0; round < 200000; round++) {
		char pattern[8] = "", name[8] = "";
		for (int i = 0; i < 7; i++) {
			seed = seed * 1664525 + 1013904223;
			pattern[i] = "ab*?*\0"[(seed >> 16) % 6];
			name[i] = "aab\0"[(seed >> 24) % 4];
		}
		bool match = glob_match(slice_of(pattern), slice_of(name));
		assert_int_equal(match, naive(pattern, name));
	}
}

/* Every pattern is a part again and again up to 4 KiB; each name is 255 bytes that nearly match. */
static void
test_hostile_patterns_are_quick(void **state)
{
	(void)state;
	static const char *const parts[] = {"*a",    "{{*},", "{a,b}", "[",     "*[", "*[a", "[a]",
					    "*[!b]", "*/../", "~{",    "[a\\]", "*?", "\\"};
	static const char fills[] = "a[/";
	char pattern[4096 + 8], name[255];
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (size_t f = 0; f < sizeof(fills) - 1; f++) {
			size_t n = 0;
			pattern[n++] = '*';
			while (n < 4096) {
				strcpy(pattern + n, parts[i]);
				n += strlen(parts[i]);
			}
			memset(name, fills[f], sizeof(name));
			name[254] = 'z';
			glob_match((struct slice){pattern, n}, (struct slice){name, sizeof(name)});
		}
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
	/* 39 matches: with a sanitizer and on a slow machine still far below a second. */
	assert_true(seconds < 1.0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_against_recursion),
		cmocka_unit_test(test_hostile_patterns_are_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
