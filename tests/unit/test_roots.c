/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The list of roots as lines of JSON and back, and the monitor's own files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/fd.h>
#include <wharf/wire/wire.h>

#include "roots.h"
#include "state_file.h"

static void
test_lines(void **state)
{
	static const struct {
		struct root_owner owner;
		const char *line; /* without groups: [3000, 0, 4294967294] is put in for "@" */
	} rows[] = {
		{{SLICE("alice"), {NULL, 0}, {NULL, 0}, SLICE("/srv/alice"), 2001, 2002},
		 "{\"user\":\"alice\",\"uid\":2001,\"gid\":2002,\"groups\":[],\"group_names\":[],"
		 "\"root\":\"/srv/alice\"}\n"},
		{{SLICE("b \"\\\n"),
		  {NULL, 1},
		  SLICE("staff\0\xff\0"),
		  SLICE("/\xc3\xa9"),
		  0,
		  UINT32_MAX - 1},
		 "{\"user\":\"b \\\"\\\\\\n\",\"uid\":0,\"gid\":4294967294,\"groups\":[3000,0,"
		 "4294967294],\"group_names\":[\"staff\",[255]],\"root\":\"/\xc3\xa9\"}\n"},
		{{SLICE("\xe9"), {NULL, 0}, SLICE("\0"), SLICE("/\xe9/\x01"), 1, 1},
		 "{\"user\":[233],\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[\"\"],"
		 "\"root\":[47,233,47,1]}\n"},
	};
	struct buf ids = BUF_INIT, out = BUF_INIT, all = BUF_INIT;
	struct roots roots = {0}, again = {0};
	size_t bad;

	(void)state;
	wire_ids_add(&ids, 3000);
	wire_ids_add(&ids, 0);
	wire_ids_add(&ids, UINT32_MAX - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct root_owner owner = rows[i].owner;
		owner.groups = owner.groups.n ? buf_slice(&ids) : SLICE_NULL;
		buf_reset(&out);
		root_format(&owner, &out);
		buf_add_slice(&all, buf_slice(&out));
		buf_add_byte(&out, '\0');
		assert_string_equal(out.data, rows[i].line);
		struct root *added = roots_add(&roots, &owner);
		assert_non_null(added);
		assert_true(root_owner_same(&added->owner, &owner));
		assert_ptr_equal(roots_add(&roots, &owner), added);
		assert_ptr_equal(roots_find(&roots, &owner), added);
	}
	buf_reset(&out);
	roots_format(&roots, &out);
	assert_true(slice_equal(buf_slice(&out), buf_slice(&all)));
	/* Twice the same is one. */
	assert_int_equal(roots_read(&again, buf_slice(&out), &bad), 0);
	assert_int_equal(roots_read(&again, buf_slice(&out), &bad), 0);
	assert_int_equal(bad, 0);
	assert_int_equal(HASH_COUNT(again.all), 3);
	buf_reset(&out);
	roots_format(&again, &out);
	assert_true(slice_equal(buf_slice(&out), buf_slice(&all)));

	struct root_owner first = rows[0].owner;
	struct root *found = roots_find(&again, &first);
	roots_drop(&again, &found);
	assert_null(found);
	assert_null(roots_find(&again, &first));
	roots_drop(&again, &found);
	assert_int_equal(HASH_COUNT(again.all), 2);
	roots_deinit(&roots);
	roots_deinit(&again);
	assert_null(again.all);
	buf_deinit(&ids);
	buf_deinit(&out);
	buf_deinit(&all);
}

/* Any difference makes another root, and no part of one owner is taken for a part of another. */
static void
test_owners(void **state)
{
	const struct root_owner rows[] = {
		{SLICE("a"), {NULL, 0}, {NULL, 0}, SLICE("/b"), 1, 2},
		{SLICE("a"), {NULL, 0}, {NULL, 0}, SLICE("/b"), 2, 1},
		{SLICE("a"), {NULL, 0}, {NULL, 0}, SLICE("/bb"), 1, 2},
		{SLICE("a/"), {NULL, 0}, {NULL, 0}, SLICE("b"), 1, 2},
		{SLICE("a"), SLICE("/b"), {NULL, 0}, {NULL, 0}, 1, 2},
		{SLICE("a"), {NULL, 0}, SLICE("/b"), {NULL, 0}, 1, 2},
	};
	struct roots roots = {0};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_null(roots_find(&roots, &rows[i]));
		assert_non_null(roots_add(&roots, &rows[i]));
		for (size_t k = 0; k < 6; k++)
			assert_int_equal(root_owner_same(&rows[i], &rows[k]), i == k);
	}
	roots_deinit(&roots);
}

#define GOOD "\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[],\"root\":\"/\""

static void
test_bad_lines(void **state)
{
	static const char *const rows[] = {
		"",
		"x",
		"{}",
		"[]",
		"null",
		"{" GOOD,
		"{" GOOD "} {}",
		"{" GOOD ",\"uid\":1}",
		"{\"user\":\"\",\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[],\"root\":\"/"
		"\"}",
		"{\"user\":\"a\",\"uid\":1.0,\"gid\":1,\"groups\":[],\"group_names\":[],\"root\":"
		"\"/\"}",
		"{\"user\":\"a\",\"uid\":4294967295,\"gid\":1,\"groups\":[],\"group_names\":[],"
		"\"root\":\"/\"}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":-1,\"groups\":[],\"group_names\":[],\"root\":\"/"
		"\"}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":{},\"group_names\":[],\"root\":\"/"
		"\"}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[4294967295],\"group_names\":[],"
		"\"root\":\"/\"}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[1],\"root\":\"/"
		"\"}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[],\"root\":"
		"\"srv\"}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[],\"root\":[47,"
		"0]}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[],\"root\":[47,"
		"256]}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[],"
		"\"root\":\"/\\u0000\"}",
		"{\"user\":\"a\",\"uid\":1,\"gid\":1,\"groups\":[],\"group_names\":[],\"root\":\"/"
		"\xff\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct roots roots = {0};
		struct buf text = BUF_INIT;
		size_t bad = 99;

		print_message("%s\n", rows[i]);
		buf_printf(&text, "%s\n{" GOOD "}\n%s", rows[i], rows[i]);
		assert_int_equal(roots_read(&roots, buf_slice(&text), &bad), 0);
		assert_int_equal(bad, rows[i][0] ? 2 : 1);
		assert_int_equal(HASH_COUNT(roots.all), 1);
		roots_deinit(&roots);
		buf_deinit(&text);
	}
}

static void
assert_file(int folder, const char *name, size_t max, int result, const char *text)
{
	struct buf got = BUF_INIT;

	assert_int_equal(state_file_read(folder, name, max, &got), result);
	if (result == 0)
		assert_true(slice_equal(buf_slice(&got), slice_of(text)));
	buf_deinit(&got);
}

static void
test_files(void **state)
{
	char path[] = "/tmp/wharf-state-XXXXXX";
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(path));
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(folder >= 0);
	assert_file(folder, "f", 100, -ENOENT, NULL);
	mode_t mask = umask(0);
	assert_int_equal(state_file_write(folder, "f", SLICE("one")), 0);
	assert_file(folder, "f", 3, 0, "one");
	assert_file(folder, "f", 2, -EFBIG, NULL);
	assert_int_equal(state_file_append(folder, "f", SLICE("two")), 0);
	assert_int_equal(state_file_append(folder, "g", SLICE("new")), 0);
	umask(mask);
	assert_file(folder, "f", 100, 0, "onetwo");
	assert_file(folder, "g", 100, 0, "new");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fstatat(folder, i ? "f" : "g", &st, 0), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
	}

	/* What may be another's is not read, nor added to, but replaced. */
	assert_int_equal(fchmodat(folder, "f", 0640, 0), 0);
	assert_file(folder, "f", 100, -EPERM, NULL);
	assert_int_equal(state_file_append(folder, "f", SLICE("x")), -EPERM);
	assert_int_equal(symlinkat("g", folder, "link"), 0);
	assert_file(folder, "link", 100, -ELOOP, NULL);
	assert_int_equal(state_file_append(folder, "link", SLICE("x")), -ELOOP);
	assert_int_equal(mkfifoat(folder, "fifo", 0600), 0);
	assert_file(folder, "fifo", 100, -EINVAL, NULL);
	/* The name that the new one has for a while may be taken. */
	assert_int_equal(symlinkat("g", folder, "link.new"), 0);
	assert_int_equal(state_file_write(folder, "link", SLICE("mine")), 0);
	assert_file(folder, "link", 100, 0, "mine");
	assert_file(folder, "g", 100, 0, "new");
	assert_int_equal(faccessat(folder, "link.new", F_OK, AT_SYMLINK_NOFOLLOW), -1);

	/* One that can't be written leaves the old one. */
	assert_int_equal(mkdirat(folder, "g.new", 0700), 0);
	assert_true(state_file_write(folder, "g", SLICE("x")) < 0);
	assert_file(folder, "g", 100, 0, "new");
	assert_int_equal(unlinkat(folder, "g.new", AT_REMOVEDIR), 0);

	static const char *const names[] = {"f", "g", "link", "fifo"};
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(unlinkat(folder, names[i], 0), 0);
	fd_close(&folder);
	assert_int_equal(rmdir(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
