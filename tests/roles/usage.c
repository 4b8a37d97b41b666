/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What a user has: an agent counts what it changes as it counts what there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent_tests.h"
#include "keeping.h"
#include "requests.h"

static void
counts_as_find_does(void **state)
{
	char path[2048] = "";

	(void)state;
	assert_int_equal(usage().files, 0);
	make_file("one", "1");
	make_file(".hidden", "22");
	make_link("one", "link");
	make_link("/etc", "out");
	assert_int_equal(mkfifoat(inside, "fifo", 0600), 0);
	hand_over(inside, "fifo");
	make_folder("folder");
	make_file("folder/double", "333");
	assert_int_equal(linkat(inside, "folder/double", inside, "twin", 0), 0);
	make_file("folder/" PART, "4444");
	for (size_t i = 0; i < 300; i++) {
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "%sdeep", i ? "/" : "");
		make_folder(path);
	}
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "/end");
	make_file(path, "55555");
	assert_int_equal(usage().bytes, 15);
	assert_int_equal(usage().files, 5);
	/* What he hides from himself is not gone. */
	assert_int_equal(fchmodat(inside, "folder", 0, 0), 0);
	assert_int_equal(ASK(&c, F_USAGE, f_usage)->r_usage.error, EACCES);
	assert_int_equal(fchmodat(inside, "folder", 0755, 0), 0);
}

static void
counts_many_links(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		make_file(name, "xy");
		for (int k = 0; k < 3; k++) {
			char other[32];
			snprintf(other, sizeof(other), "b%d.%d", i, k);
			assert_int_equal(linkat(inside, name, inside, other, 0), 0);
		}
	}
	assert_int_equal(usage().bytes, 1000);
	assert_int_equal(usage().files, 500);
}

static void
tells_what_it_changes(void **state)
{
	(void)state;
	settings.versions = 2;
	restart();
	make_file("a", "1");
	make_file("b", "22");
	make_file("c", "333");
	make_file("d", "4444");
	make_file("e", "55555");
	assert_int_equal(linkat(inside, "a", inside, "twin", 0), 0);
	make_link("a", "link");
	static const struct {
		const char *from, *to;
	} renames[] = {{"/a", "/twin"}, {"/b", "/a"}, {"/c", "/a"},
		       {"/d", "/a"},    {"/e", "/a"}, {"/link", "/a"}};
	for (size_t i = 0; i < sizeof(renames) / sizeof(renames[0]); i++) {
		const struct r_usage before = usage();
		assert_int_equal(ask_rename(renames[i].from, renames[i].to, 1), 0);
		told_since(&before);
	}
	make_folder("tree");
	make_folder("tree/sub");
	make_file("tree/sub/x", "1");
	make_file("tree/y", "22");
	assert_int_equal(linkat(inside, "tree/y", inside, "tree/z", 0), 0);
	assert_int_equal(linkat(inside, "tree/y", inside, "w", 0), 0);
	struct r_usage before = usage();
	assert_int_equal(ask_rmdir("/tree", 1), 0);
	told_since(&before);
	before = usage();
	assert_int_equal(ask_unlink("/w"), 0);
	assert_int_equal(c.answer.r_done.files, -1);
	told_since(&before);
	/* Half of it: a folder that can't be emptied. */
	make_folder("tree");
	make_folder("tree/closed");
	make_file("tree/closed/x", "1");
	make_file("tree/y", "22");
	assert_int_equal(fchmodat(inside, "tree/closed", 0555, 0), 0);
	before = usage();
	assert_int_equal(ask_rmdir("/tree", 1), EACCES);
	told_since(&before);
}

int
run_usage(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST(counts_as_find_does),
		KEEPING_TEST(counts_many_links),
		KEEPING_TEST(tells_what_it_changes),
	};

	return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
