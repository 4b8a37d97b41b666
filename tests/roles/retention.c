/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Files under a retention: from when and where they are held, and that no way leads round it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "agent_tests.h"
#include "keeping.h"
#include "part.h"
#include "requests.h"

static const char *
own_group(void)
{
	static char gid[16];

	snprintf(gid, sizeof(gid), "%u", (unsigned)who.gid);
	return gid;
}

/* Every way to change a file, a folder of it, and what is above; all give the errno `error`. */
static void
tries_all(uint32_t error)
{
	assert_int_equal(ask_chmod("/top/sub/file", 0700), error);
	assert_int_equal(ask_chgrp("/top/sub/file", own_group()), error);
	assert_int_equal(ask_utime("/top/sub/file", 1, 0), error);
	assert_int_equal(ask_rename("/top/sub/file", "/top/sub/other", 1), error);
	if (error == 0)
		assert_int_equal(ask_rename("/top/sub/other", "/top/sub/file", 1), 0);
	assert_int_equal(ask_rename("/old", "/top/sub/file", 1), error);
	assert_int_equal(ask_chmod("/top/sub", 0700), error);
	assert_int_equal(ask_chgrp("/top", own_group()), error);
	assert_int_equal(ask_rename("/top", "/elsewhere", 1), error);
	if (error == 0)
		assert_int_equal(ask_rename("/elsewhere", "/top", 1), 0);
	assert_int_equal(ask_rmdir("/top/sub", 1), error);
	if (error == 0)
		return;
	assert_int_equal(ask_open("/top/sub/file", OPEN_WRITE), error);
	assert_int_equal(ask_open("/top/sub/file", OPEN_WRITE | OPEN_WHOLE), error);
	assert_int_equal(ask_open("/top/sub/file", OPEN_WRITE | OPEN_STAGE), error);
	assert_int_equal(ask_open("/top/sub/file", WHOLE), error);
	assert_int_equal(ask_unlink("/top/sub/file"), error);
	assert_int_equal(ask_rmdir("/top", 1), error);
}

static void
holds_what_is_completed(void **state)
{
	struct stat before, after;

	(void)state;
	make_folder("top");
	make_folder("top/sub");
	make_aged("top/sub/file", "kept", -29 * DAY);
	make_aged("top/expired", "x", OLD);
	make_aged("old", "old", OLD);
	retain("30 days", NULL);
	assert_int_equal(fstatat(inside, "top/sub/file", &before, 0), 0);
	tries_all(EPERM);
	assert_int_equal(fstatat(inside, "top/sub/file", &after, 0), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
	holds("top/sub/file", "kept");
	/* Nothing was removed half-way. */
	assert_true(is_there("top/expired") && is_there("old"));
	/* Its time is over. */
	make_aged("top/sub/file", "kept", OLD);
	tries_all(0);
	assert_false(is_there("top/sub"));
}

static void
counts_from_the_files_time(void **state)
{
	static const struct {
		time_t age;
		bool held;
	} rows[] = {{0, true},
		    {-2 * DAY + 5, true},
		    {-2 * DAY - 5, false},
		    {1000 * DAY, true},
		    {-10000 * DAY, false}};

	(void)state;
	retain("2d", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_aged("file", "x", rows[i].age);
		assert_int_equal(ask_unlink("/file"), rows[i].held ? EPERM : 0);
		if (rows[i].held)
			assert_int_equal(unlinkat(inside, "file", 0), 0);
	}
}

static void
knows_whose_folder_it_is(void **state)
{
	static const struct {
		const char *first, *second, *path;
		uint32_t error;
	} rows[] = {
		{"/held = 30d", NULL, "/held/file", EPERM},
		{"/held = 30d", NULL, "/held/sub/file", EPERM},
		{"/held = 30d", NULL, "/heldnot/file", 0},
		{"/held = 30d", NULL, "/file", 0},
		{"/held/sub = 0", "/held = 30d", "/held/sub/file", 0},
		{"/held/sub = 0", "30d", "/held/file", EPERM},
		{"/none = 30d", NULL, "/held/file", 0},
		{"/held = 30d", NULL, "/link/file", EPERM},
		{"/held = 30d", NULL, "/link/../held/sub/file", EPERM},
		{"/link = 30d", NULL, "/held/sub/file", EPERM},
		{"/around/held = 30d", NULL, "/held/sub/file", EPERM},
		{"/around/link/sub = 30d", NULL, "/held/sub/file", EPERM},
		{"/around/link/sub = 30d", NULL, "/held/file", 0},
		{"/loop/sub = 30d", NULL, "/held/file", 0},
		/* Another name of it is there. */
		{"/held = 30d", NULL, "/twin", EPERM},
	};

	(void)state;
	make_folder("held");
	make_folder("held/sub");
	make_folder("heldnot");
	make_link("held", "link");
	make_link("../../..", "around");
	make_link("loop", "loop");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_file("held/file", "x");
		make_file("held/sub/file", "x");
		make_file("held/double", "x");
		make_file("heldnot/file", "x");
		make_file("file", "x");
		unlinkat(inside, "twin", 0);
		assert_int_equal(linkat(inside, "held/double", inside, "twin", 0), 0);
		retain(rows[i].first, rows[i].second);
		assert_int_equal(ask_chmod(rows[i].path, 0700), rows[i].error);
		assert_int_equal(ask_unlink(rows[i].path), rows[i].error);
	}
}

static void
lets_no_link_lead_round(void **state)
{
	(void)state;
	make_folder("free");
	make_folder("way");
	make_folder("store");
	make_folder("store/data");
	make_link("store", "alias");
	retain("/way/held = 30d", "/alias/data = 30d");
	/* Where the rule's folder is to be, only a folder can be made. */
	assert_int_equal(ask_symlink("/free", "/way/held"), EPERM);
	make_link("../free", "free/ready");
	assert_int_equal(ask_rename("/free/ready", "/way/held", 1), EPERM);
	make_folder("free/folder");
	assert_int_equal(ask_rename("/free/folder", "/way/held", 1), EPERM);
	assert_int_equal(ask_rename("/way", "/gone", 1), EPERM);
	assert_int_equal(ask_mkdir("/way/held", 0755), 0);
	assert_int_equal(ask_rename("/way/held", "/gone", 1), EPERM);
	/* No link in it that an upload could go through, and none is gone through. */
	assert_int_equal(ask_symlink("/free", "/way/held/sub"), EPERM);
	assert_int_equal(ask_rename("/free/ready", "/way/held/sub", 1), EPERM);
	assert_int_equal(ask_symlink("/free", "/free/sub"), 0);
	make_link("../../free", "way/held/through");
	assert_int_equal(ask_open("/way/held/through/new", OPEN_WRITE | OPEN_CREATE), EPERM);
	assert_int_equal(ask_open("/way/held/through/new", WHOLE), EPERM);
	make_link("../../free/new", "way/held/new");
	assert_int_equal(ask_open("/way/held/new", OPEN_WRITE | OPEN_CREATE), EPERM);
	assert_int_equal(ask_open("/way/held/new", WHOLE), EPERM);
	assert_int_equal(ask_open("/way/held/true", OPEN_WRITE | OPEN_CREATE), 0);
	/* The links on a rule's way stay. */
	assert_int_equal(ask_unlink("/alias"), EPERM);
	assert_int_equal(ask_rename("/alias", "/gone", 1), EPERM);
	assert_int_equal(ask_rename("/store", "/gone", 1), EPERM);
	assert_int_equal(ask_rename("/store/data", "/store/gone", 1), EPERM);
	assert_int_equal(ask_rename("/free/folder", "/store/other", 1), 0);
}

/* The time of a file is that of its completion, and the first that is complete stays. */
static void
seals_what_is_completed(void **state)
{
	struct part one, two;

	(void)state;
	make_folder("held");
	make_folder("held/sub");
	make_folder("free");
	retain("/held = 30d", NULL);
	assert_int_equal(part_begin_with(&one, "/held/file", "whole"), 0);
	assert_int_equal(part_begin_with(&two, "/held/file", "whole"), 0);
	assert_string_not_equal(one.name, two.name);
	assert_int_equal(ask_utime("/held/file", 1, 0), EPERM);
	assert_int_equal(ask_unlink("/held/file"), EBUSY);
	assert_int_equal(part_end(&one), 0);
	assert_int_equal(part_end(&two), EPERM);
	holds("held/file", "whole");
	assert_int_equal(ask_unlink("/held/file"), EPERM);
	/* A part that was made old where nothing is held, and comes in when nobody writes it. */
	assert_int_equal(part_begin_with(&one, "/free/file", "whole"), 0);
	assert_int_equal(ask_utime("/free/file", 1, 0), 0);
	assert_int_equal(ask_rename("/free", "/held/moved", 1), EBUSY);
	fd_close(&one.fd);
	assert_int_equal(ask_rename("/free", "/held/moved", 1), 0);
	assert_int_equal(part_begin_with(&one, "/held/moved/file", "whole"), 0);
	assert_int_equal(part_end(&one), 0);
	assert_true(time_of("held/moved/file") > DAY);
	assert_int_equal(ask_unlink("/held/moved/file"), EPERM);
	/* The folder is moved away, and a link would be in its place. */
	assert_int_equal(part_begin_with(&one, "/held/sub/file", "whole"), 0);
	assert_int_equal(ask_rename("/held/sub", "/gone", 1), 0);
	assert_int_equal(ask_symlink("/gone", "/held/sub"), EPERM);
	make_link("../gone", "held/sub");
	assert_int_equal(part_end(&one), EPERM);
	assert_false(is_there("gone/file"));
}

/* What is renamed to where files are held is held from then on, whatever time a client has given
 * it, and with all that is in a folder; what has been held by the same rule keeps its time. */
static void
renews_what_comes_in(void **state)
{
	(void)state;
	make_folder("held");
	make_folder("brief");
	make_folder("free");
	make_folder("free/sub");
	make_aged("free/file", "one", OLD);
	make_aged("free/sub/file", "two", OLD);
	make_aged("brief/file", "three", OLD);
	make_aged("held/expired", "four", OLD);
	retain("/held = 30d", "/brief = 1d");
	assert_int_equal(ask_utime("/free/file", 1, 0), 0);
	assert_int_equal(ask_rename("/free/file", "/free/other", 1), 0);
	assert_int_equal(time_of("free/other"), 1);
	assert_int_equal(ask_rename("/free/other", "/held/file", 1), 0);
	assert_true(time_of("held/file") > DAY);
	assert_int_equal(ask_unlink("/held/file"), EPERM);
	assert_int_equal(ask_utime("/free/sub/file", 1, 0), 0);
	/* What does not come in keeps its time. */
	assert_int_equal(ask_rename("/free/sub/file", "/held/file", 1), EPERM);
	assert_int_equal(time_of("free/sub/file"), 1);
	assert_int_equal(ask_rename("/free", "/held/folder", 1), 0);
	assert_int_equal(ask_unlink("/held/folder/sub/file"), EPERM);
	assert_int_equal(ask_rmdir("/held/folder", 1), EPERM);
	assert_int_equal(ask_rename("/brief/file", "/held/three", 1), 0);
	assert_int_equal(ask_unlink("/held/three"), EPERM);
	const time_t expired = time_of("held/expired");
	assert_int_equal(ask_rename("/held/expired", "/held/again", 1), 0);
	assert_int_equal(time_of("held/again"), expired);
	assert_int_equal(ask_unlink("/held/again"), 0);
}

/* Who writes a file in place has it open, and would go on when it is held. */
static void
admits_nobody_who_writes(void **state)
{
	static const char *const ways[] = {"/free/file", "/link"};

	(void)state;
	make_folder("held");
	make_folder("free");
	make_link("free/file", "link");
	make_aged("free/file", "whole", OLD);
	retain("/held = 30d", NULL);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ask_open(ways[i], OPEN_WRITE), 0);
		int fd = c.answer.fd;
		c.answer.fd = -1;
		assert_int_equal(ask_rename("/free/file", "/held/file", 1), EBUSY);
		assert_int_equal(ask_rename("/free", "/held/free", 1), EBUSY);
		/* Elsewhere it may go. */
		assert_int_equal(ask_rename("/free", "/other", 1), 0);
		assert_int_equal(ask_rename("/other", "/free", 1), 0);
		fd_close(&fd);
	}
	assert_int_equal(ask_rename("/free/file", "/held/file", 1), 0);
	assert_int_equal(ask_open("/link", OPEN_WRITE), ENOENT);
	make_link("../held/file", "free/file");
	assert_int_equal(ask_open("/link", OPEN_WRITE), EPERM);
}

static void
lets_no_folder_of_a_rule_go(void **state)
{
	(void)state;
	make_folder("top");
	make_folder("top/held");
	make_folder("top/held/sub");
	retain("/top/held = 30d", NULL);
	assert_int_equal(ask_rmdir("/top/held/sub", 0), 0);
	assert_int_equal(ask_rmdir("/top/held", 0), EPERM);
	assert_int_equal(ask_rmdir("/top/held", 1), EPERM);
	assert_int_equal(ask_rmdir("/top", 1), EPERM);
	assert_true(is_there("top/held"));
}

int
run_retention(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST(holds_what_is_completed),  KEEPING_TEST(counts_from_the_files_time),
		KEEPING_TEST(knows_whose_folder_it_is), KEEPING_TEST(lets_no_link_lead_round),
		KEEPING_TEST(seals_what_is_completed),  KEEPING_TEST(renews_what_comes_in),
		KEEPING_TEST(admits_nobody_who_writes), KEEPING_TEST(lets_no_folder_of_a_rule_go),
	};

	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
