/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Sweeps: parts of uploads are kept for their time, and no longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "agent_tests.h"
#include "keeping.h"

/* Waits for what the agent tells its monitor. */
static const struct message *
told(void)
{
	static struct message m;
	struct pollfd wait = {.fd = c.monitor.fd, .events = POLLIN};

	assert_int_equal(poll(&wait, 1, 20000), 1);
	assert_int_equal(wire_recv(&c.monitor, &m), 0);
	return &m;
}

static uint64_t
microseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
sweeps_old_parts(void **state)
{
	static const char *const kept[] = {
		".wharfd-abc",
		".wharfd-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		".wharfd-abcdefghijklmnopqrstuvwxy1",
		".wharfd-~short",
		"wharfd-abcdefghijklmnopqrstuvwxyz",
		"deep/file",
		"link",
		"deep/.wharfd-aaaaaaaaaaaaaaaaaaaaaaaaab",
		"deep/.wharfd-aaaaaaaaaaaaaaaaaaaaaaaaac",
	};
	static const char *const gone[] = {PART, ("deep/" PART), ".wharfd-~abcdefghijkl",
					   "deep/er/.wharfd-~abcdefghijkl"};

	(void)state;
	make_folder("deep");
	make_folder("deep/er");
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		make_file(gone[i], "12345");
	for (size_t i = 0; i < 6; i++)
		make_aged(kept[i], "x", OLD);
	make_link(PART, "link");
	make_link("../" PART, kept[7]);
	make_aged(kept[8], "x", OLD);
	int locked = openat(inside, kept[8], O_RDWR | O_CLOEXEC);
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	assert_int_equal(fcntl(locked, F_OFD_SETLK, &range), 0);
	settings.staging_keep = 1;
	who.sweep = true;
	sleep(2);
	make_aged("deep/.wharfd-yyyyyyyyyyyyyyyyyyyyyyyyyy", "young", OLD);
	const uint64_t before = microseconds_now();
	restart();
	const struct message *m = told();
	assert_int_equal(m->id, MSG_R_SWEPT);
	assert_int_equal(m->r_swept.files, 4);
	assert_int_equal(m->r_swept.bytes, 20);
	assert_in_range(m->r_swept.since, before, microseconds_now());
	assert_int_equal(m->r_swept.left, 1);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert_false(is_there(gone[i]));
	assert_true(is_there("deep/.wharfd-yyyyyyyyyyyyyyyyyyyyyyyyyy"));
	/* The young one grows old; the one that is written stays until it is not. */
	uint64_t files = 0;
	while (files == 0) {
		m = told();
		assert_int_equal(m->r_swept.left, 1);
		files += m->r_swept.files;
	}
	assert_false(is_there("deep/.wharfd-yyyyyyyyyyyyyyyyyyyyyyyyyy"));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		assert_true(is_there(kept[i]));
	close(locked);
	while (m->r_swept.left)
		m = told();
	assert_int_equal(m->r_swept.files, 1);
	assert_false(is_there(kept[8]));
}

int
run_sweeps(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST(sweeps_old_parts),
	};

	return cmocka_run_group_tests_name("sweeps", tests, NULL, NULL);
}
