/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Virtual paths: every spelling of a place gives the same path, and none leads above the root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/ftp/path.h>

static const struct {
	const char *cwd, *arg, *out;
} joins[] = {
	{"/", "", "/"},
	{"/a/b", "", "/a/b"},
	{"/", "a", "/a"},
	{"/a", "b", "/a/b"},
	{"/a", "b/", "/a/b"},
	{"/a", "/b", "/b"},
	{"/a", "/", "/"},
	{"/a", "//b//c//", "/b/c"},
	{"/a", ".", "/a"},
	{"/a", "./b/.", "/a/b"},
	{"/a", "..", "/"},
	{"/a/b", "..", "/a"},
	{"/a/b", "../..", "/"},
	{"/a/b", "../../../../etc/passwd", "/etc/passwd"},
	{"/a/b", "../c", "/a/c"},
	{"/", "/../../x", "/x"},
	{"/", "a/../..", "/"},
	{"/", "...", "/..."},
	{"/", "..a", "/..a"},
	{"/", ".../../x", "/x"},
	{"/", " ", "/ "},
	{"/", " a b ", "/ a b "},
	{"/", "-x", "/-x"},
	{"/", "~root", "/~root"},
	{"/", "%2e%2e/x", "/%2e%2e/x"},
	{"/", "..\\x", "/..\\x"},
	{"/",
	 "\xc0\xae\xc0\xae\xc0\xaf"
	 "x",
	 "/\xc0\xae\xc0\xae\xc0\xaf"
	 "x"},
	{"/", "q\"t", "/q\"t"},
	{"", "x", "/x"},
};

static void
test_join(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
		struct slice cwd = slice_of(joins[i].cwd);
		assert_int_equal(path_join(&out, cwd, slice_of(joins[i].arg)), 0);
		if (!slice_equal(buf_slice(&out), slice_of(joins[i].out)))
			fail_msg("%s + %s = %.*s", joins[i].cwd, joins[i].arg,
				 SLICE_FMT(buf_slice(&out)));
	}
	buf_deinit(&out);
}

static void
test_bad_bytes(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;

	assert_int_equal(path_join(&out, SLICE("/"), SLICE("a\0b")), PATH_BAD);
	assert_int_equal(path_join(&out, SLICE("/"), SLICE("a\rb")), PATH_BAD);
	assert_int_equal(path_join(&out, SLICE("/"), SLICE("a\n")), PATH_BAD);
	assert_int_equal(out.len, 0);
	buf_deinit(&out);
}

static void
test_lengths(void **state)
{
	(void)state;
	struct buf out = BUF_INIT, cwd = BUF_INIT;
	char name[PATH_NAME_MAX + 1];

	memset(name, 'n', sizeof(name));
	struct slice longest = {name, PATH_NAME_MAX}, longer = {name, PATH_NAME_MAX + 1};
	assert_int_equal(path_join(&out, SLICE("/"), longest), 0);
	assert_int_equal(out.len, PATH_NAME_MAX + 1);
	assert_int_equal(path_join(&out, SLICE("/"), longer), PATH_TOO_LONG);
	assert_int_equal(out.len, 0);

	/* Fifteen names of 255 and one of 254 make 4095 bytes. */
	for (int i = 0; i < 15; i++) {
		buf_add_byte(&cwd, '/');
		buf_add_slice(&cwd, longest);
	}
	assert_int_equal(path_join(&out, buf_slice(&cwd), slice_head(longest, 254)), 0);
	assert_int_equal(out.len, PATH_LENGTH_MAX);
	assert_int_equal(path_join(&out, buf_slice(&cwd), longest), PATH_TOO_LONG);
	assert_int_equal(path_join(&out, buf_slice(&cwd), SLICE("../../a")), 0);
	buf_deinit(&out);
	buf_deinit(&cwd);
}

/*
 * Random spellings: the result is normal, joining it again changes nothing, and ".." is its parent.
 */
static void
test_results_are_normal(void **state)
{
	(void)state;
	struct buf out = BUF_INIT, again = BUF_INIT;
	uint32_t seed = 7;

	for (int round = 0; round < 100000; round++) {
		char arg[12];
		for (size_t i = 0; i < sizeof(arg); i++) {
			seed = seed * 1664525 + 1013904223;
			arg[i] = "/..a\\"[(seed >> 16) % 5];
		}
		assert_int_equal(path_join(&out, SLICE("/w/x"), (struct slice){arg, sizeof(arg)}),
				 0);
		buf_add_byte(&out, '\0');
		assert_true(out.data[0] == '/');
		assert_null(strstr(out.data, "//"));
		out.data[out.len - 1] = '/';
		buf_add_byte(&out, '\0');
		assert_null(strstr(out.data, "/../"));
		assert_null(strstr(out.data, "/./"));
		out.len -= 2;
		assert_int_equal(path_join(&again, SLICE("/other"), buf_slice(&out)), 0);
		assert_true(slice_equal(buf_slice(&again), buf_slice(&out)));
		assert_int_equal(path_join(&again, buf_slice(&out), SLICE("..")), 0);
		assert_true(slice_equal(buf_slice(&again), path_parent(buf_slice(&out))));
	}
	buf_deinit(&out);
	buf_deinit(&again);
}

static void
test_base_and_parent(void **state)
{
	(void)state;
	assert_true(slice_equal(path_base(SLICE("/a/b")), SLICE("b")));
	assert_true(slice_equal(path_base(SLICE("/a")), SLICE("a")));
	assert_true(slice_equal(path_base(SLICE("/")), SLICE("")));
	assert_true(slice_equal(path_parent(SLICE("/a/b")), SLICE("/a")));
	assert_true(slice_equal(path_parent(SLICE("/a")), SLICE("/")));
	assert_true(slice_equal(path_parent(SLICE("/")), SLICE("/")));
}

static void
test_quote(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;

	path_quote(&out, SLICE("/q\"t"));
	path_quote(&out, SLICE("/"));
	path_quote(&out, SLICE("\"\""));
	assert_true(slice_equal(buf_slice(&out), SLICE("\"/q\"\"t\"\"/\"\"\"\"\"\"\"")));
	buf_deinit(&out);
}

static void
test_hidden(void **state)
{
	(void)state;
	static const char *const patterns[] = {".wharf-*", "*.secret"};

	assert_true(path_hidden(SLICE("/.wharf-1"), patterns, 2));
	assert_true(path_hidden(SLICE("/a/.wharf-1/b"), patterns, 2));
	assert_true(path_hidden(SLICE("/a/b.secret"), patterns, 2));
	assert_false(path_hidden(SLICE("/a/b.secret"), patterns, 1));
	assert_false(path_hidden(SLICE("/a/b.secrets"), patterns, 2));
	assert_false(path_hidden(SLICE("/"), patterns, 2));
	assert_false(path_hidden(SLICE("/.wharf-1"), NULL, 0));
}

static void
test_reserved(void **state)
{
	static const struct {
		const char *path;
		bool reserved, shown;
	} rows[] = {
		{"/", false, false},
		{"/a/.wharfd", false, false},
		{"/a/x.wharfd-1", false, false},
		{"/.wharfd-", true, true},
		{"/.wharfd-~abc", true, true},
		{"/a/.wharfd-x/b", true, true},
		{"/.wharfd-versions", true, false},
		{"/a/.wharfd-versions/b", true, false},
		{"/.wharfd-versions/.wharfd-x", true, true},
		{"/.wharfd-versions2", true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(path_reserved(slice_of(rows[i].path), false), rows[i].reserved);
		assert_int_equal(path_reserved(slice_of(rows[i].path), true), rows[i].shown);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_bad_bytes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_results_are_normal),
		cmocka_unit_test(test_base_and_parent),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
