/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The jail: what can be one, and escapes from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_tests.h"
#include "requests.h"

static void
refuses_a_jail_that_is_none(void **state)
{
	static const struct {
		const char *path;
		int error;
	} rows[] = {
		{"missing", ENOENT},   {"file", ENOTDIR},  {"link", ENOTDIR},
		{"link/sub", ENOTDIR}, {"locked", EACCES},
	};
	char path[PATH_MAX + 16];

	(void)state;
	make_file("file", "x");
	make_folder("folder");
	make_folder("folder/sub");
	make_folder("locked");
	assert_int_equal(fchmodat(inside, "locked", 0, 0), 0);
	make_link("folder", "link");
	assert_int_equal(client_stop(&c), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", jail, rows[i].path);
		who.root = path;
		assert_int_equal(client_start(&c, &who, &settings), rows[i].error);
		assert_true(slice_equal(c.answer.r_ready.what, SLICE("root folder")));
		assert_int_not_equal(client_stop(&c), 0);
	}
	who.root = jail;
	assert_int_equal(client_start(&c, &who, &settings), 0);
}

static void
lets_nobody_out(void **state)
{
	static const char *const paths[] = {
		"/../secret",        "/../../../../secret",   "/up/secret",
		"/absolute",         "/folder/../../secret",  "/proc/self/root/etc/passwd",
		"/magic/etc/passwd", "/etc/passwd",           "/deep",
		"../secret",         "/folder/up2/../secret",
	};
	char absolute[PATH_MAX + 16];

	(void)state;
	make_folder("folder");
	make_link("..", "up");
	make_link("../..", "folder/up2");
	make_link("/proc/self/root", "magic");
	make_link("../../../../../../../../etc/passwd", "deep");
	snprintf(absolute, sizeof(absolute), "%s/../secret", jail);
	make_link(absolute, "absolute");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(ask_open(paths[i], OPEN_READ), ENOENT);
		assert_int_equal(ask_open(paths[i], OPEN_WRITE), ENOENT);
	}
	/* Above the root there is the root. */
	assert_int_equal(ask_open("/up/../../x", OPEN_WRITE | OPEN_CREATE), 0);
	assert_true(is_there("x"));
	lists(LIST_NAMES, 0, "/up/../..", "", "absolute\r\ndeep\r\nfolder\r\nmagic\r\nup\r\nx\r\n");
}

/* Attack E02: another process swaps a folder with a link to the outside as fast as it can. */
static void
wins_every_race(void **state)
{
	unsigned inside_reads = 0;

	(void)state;
	make_folder("swap");
	make_file("swap/secret", "inside!");
	assert_int_equal(symlinkat("..", inside, "link"), 0);
	pid_t flipper = fork();
	assert_true(flipper >= 0);
	if (flipper == 0)
		for (;;)
			renameat2(inside, "swap", inside, "link", RENAME_EXCHANGE);
	for (int i = 0; i < 20000; i++) {
		char got[8] = "";
		const uint32_t error = ask_open("/swap/secret", i % 4 ? OPEN_READ : OPEN_WRITE);
		assert_true(error == 0 || error == ENOENT || error == EAGAIN);
		if (error)
			continue;
		struct stat st, good;
		assert_int_equal(fstat(c.answer.fd, &st), 0);
		assert_int_equal(fstatat(outside, "secret", &good, 0), 0);
		assert_int_not_equal(st.st_ino, good.st_ino);
		if (i % 4) {
			assert_int_equal(read(c.answer.fd, got, 7), 7);
			assert_string_equal(got, "inside!");
		}
		inside_reads++;
	}
	kill(flipper, SIGKILL);
	waitpid(flipper, NULL, 0);
	assert_true(inside_reads > 100);
}

int
run_jail(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(refuses_a_jail_that_is_none),
		AGENT_TEST(lets_nobody_out),
		AGENT_TEST(wins_every_race),
	};

	return cmocka_run_group_tests_name("jail", tests, NULL, NULL);
}
