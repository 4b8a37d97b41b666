/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The exact bytes of LIST's lines, at the limits too (attacks C09, E09), and the options that
 * clients send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <wharf/ftp/listing.h>

#define NOW 1772719320 /* 2026-03-05 14:02:00 */

static void
expect(const struct entry *e, const char *line)
{
	struct buf out = BUF_INIT;

	listing_format(&out, e, NOW);
	if (!slice_equal(buf_slice(&out), slice_of(line)))
		fail_msg("%.*s is not %s", SLICE_FMT(buf_slice(&out)), line);
	buf_deinit(&out);
}

static void
test_lines(void **state)
{
	(void)state;
	struct entry e = {
		.name = SLICE("name"),
		.owner = SLICE("owner"),
		.group = SLICE("group"),
		.mode = S_IFREG | 0644,
		.nlink = 1,
		.size = 1234,
		.mtime = NOW,
	};

	expect(&e, "-rw-r--r--   1 owner    group        1234 Mar  5 14:02 name\r\n");
	e.name = SLICE(" a b;c\377 ");
	e.mtime = 0;
	expect(&e, "-rw-r--r--   1 owner    group        1234 Jan  1  1970  a b;c\377 \r\n");
	e.name = SLICE("x");
	e.owner = e.group = SLICE_NULL;
	e.uid = UINT32_MAX;
	e.gid = 0;
	e.nlink = 1000;
	e.size = 123456789;
	e.mode = S_IFDIR | 01777;
	expect(&e, "drwxrwxrwt 1000 4294967295 0        123456789 Jan  1  1970 x\r\n");
	e.owner = SLICE("Domain Users");
	e.mode = S_IFLNK | 0777;
	e.target = SLICE("../t");
	e.size = 0;
	expect(&e, "lrwxrwxrwx 1000 Domain_Users 0               0 Jan  1  1970 x -> ../t\r\n");
	e.mode = S_IFREG | 0777;
	e.owner = SLICE("o");
	expect(&e, "-rwxrwxrwx 1000 o        0               0 Jan  1  1970 x\r\n");
}

static void
test_modes(void **state)
{
	(void)state;
	static const struct {
		mode_t mode;
		const char *text;
	} rows[] = {
		{S_IFREG, "----------"},
		{S_IFREG | 0421, "-r---w---x"},
		{S_IFREG | 07777, "-rwsrwsrwt"},
		{S_IFREG | 07000, "---S--S--T"},
		{S_IFIFO | 0600, "prw-------"},
		{S_IFSOCK | 0755, "srwxr-xr-x"},
		{S_IFCHR | 0666, "crw-rw-rw-"},
		{S_IFBLK | 0660, "brw-rw----"},
		{0644, "?rw-r--r--"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct entry e = {.name = SLICE("x"), .mode = rows[i].mode};
		struct buf out = BUF_INIT;
		listing_format(&out, &e, NOW);
		assert_true(slice_starts(buf_slice(&out), slice_of(rows[i].text)));
		buf_deinit(&out);
	}
}

/* Names of every byte, long targets and the largest numbers still make one line. */
static void
test_limits(void **state)
{
	(void)state;
	static char name[255], target[4095];
	struct entry e = {
		.name = {name, sizeof(name)},
		.target = {target, sizeof(target)},
		.owner = SLICE("a\r\nb c\x7f"),
		.group = SLICE("\0"),
		.mode = S_IFLNK | 0777,
		.nlink = UINT64_MAX,
		.size = UINT64_MAX,
		.mtime = -1,
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = (char)(i + 1);
	memset(target, '\n', sizeof(target));
	listing_format(&out, &e, NOW);
	assert_true(slice_starts(buf_slice(&out),
				 SLICE("lrwxrwxrwx 18446744073709551615 a__b_c_  _        "
				       "18446744073709551615 Dec 31  1969 ?????")));
	for (size_t i = 0; i + 2 < out.len; i++)
		assert_true((unsigned char)out.data[i] >= ' ' && out.data[i] != 0x7f);
	assert_true(out.len > 255 + 4095);
	assert_memory_equal(out.data + out.len - 5, "???\r\n", 5);
	buf_deinit(&out);
}

static void
test_options(void **state)
{
	(void)state;
	static const struct {
		const char *arg;
		bool any;
		const char *letters; /* of a (all), R, 1 (names), t, r, d */
		const char *rest;
	} rows[] = {
		{"", false, "", ""},
		{"dir", false, "", "dir"},
		{" dir", false, "", " dir"},
		{"-a", true, "a", ""},
		{"-al", true, "a", ""},
		{"-la dir", true, "a", "dir"},
		{"-A -F -L dir name ", true, "a", "dir name "},
		{"-a  dir", true, "a", "dir"},
		{"-l   -a  dir name", true, "a", "dir name"},
		{"-a --  dir", true, "a", " dir"},
		{"-a  ", true, "a", ""},
		{"-ld", true, "d", ""},
		{"-ald  x", true, "ad", "x"},
		{"-a ", true, "a", ""},
		{"-laRtSBC /x", true, "aRt", "/x"},
		{"-1", true, "1", ""},
		{"-1a", true, "1a", ""},
		{"-1 -l x", true, "", "x"},
		{"-l1 x", true, "", "x"},
		{"-tr *.txt", true, "tr", "*.txt"},
		{"-- -a", true, "", "-a"},
		{"-a -- -l", true, "a", "-l"},
		{"--", true, "", ""},
		{"--all", false, "", "--all"},
		{"-", false, "", "-"},
		{"- a", false, "", "- a"},
		{"-2026", false, "", "-2026"},
		{"-a.txt", false, "", "-a.txt"},
		{"-a -b.txt", true, "a", "-b.txt"},
		{"dir -a", false, "", "dir -a"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct list_options o;
		struct slice rest;
		if (listing_parse_options(slice_of(rows[i].arg), &o, &rest) != rows[i].any ||
		    !slice_equal(rest, slice_of(rows[i].rest)))
			fail_msg("%s: %.*s", rows[i].arg, SLICE_FMT(rest));
		assert_int_equal(o.all, strchr(rows[i].letters, 'a') != NULL);
		assert_int_equal(o.recursive, strchr(rows[i].letters, 'R') != NULL);
		assert_int_equal(o.names, strchr(rows[i].letters, '1') != NULL);
		assert_int_equal(o.by_time, strchr(rows[i].letters, 't') != NULL);
		assert_int_equal(o.reverse, strchr(rows[i].letters, 'r') != NULL);
		assert_int_equal(o.itself, strchr(rows[i].letters, 'd') != NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
