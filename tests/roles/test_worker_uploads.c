/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Uploads through a real wharfd-worker: staged, proved and committed or kept. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "staged.h"

/* Nothing may come for a while. */
static void
assert_silent(struct wire *w)
{
	struct pollfd p = {w->fd, POLLIN, 0};

	assert_int_equal(poll(&p, 1, 200), 0);
}

static void
reset(int fd)
{
	struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static const size_t sizes[] = {0, 1, 65536, 262145, 1048577, 5000011};

static void
what_is_whole_is_committed(void **state)
{
	struct client *c = login();

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 2; i++) {
		char *bytes = random_bytes(sizes[i / 2]);
		int file = temporary(i & 1);
		int fd = begun(c, file, true);
		write_all(fd, bytes, sizes[i / 2]);
		close(fd);
		uint32_t id = hear_commit(file);
		assert_file_is(file, bytes, sizes[i / 2]);
		/* No 226 before the agent has said that it is there. */
		struct pollfd reply = {c->fd, POLLIN, 0};
		assert_int_equal(poll(&reply, 1, 20), 0);
		answer_closed(id, sizes[i / 2], 0, 0);
		assert_int_equal(reply_code(c), 226);
		close(file);
		free(bytes);
	}
	disconnect(c);
}

/* The digest of a part that is gone on with is of all of it. */
static void
a_resumed_part_is_hashed_whole(void **state)
{
	struct client *c = login();
	char *bytes = random_bytes(2000000);

	(void)state;
	for (int memory = 0; memory <= 1; memory++) {
		int file = temporary(memory);
		assert_int_equal(pwrite(file, bytes, 1500000, 0), 1500000);
		SAYS(c, "REST 1000000", 350);
		int fd = begun(c, file, false);
		write_all(fd, bytes + 1000000, 1000000);
		close(fd);
		uint32_t id = hear_commit(file);
		assert_file_is(file, bytes, 2000000);
		answer_closed(id, 2000000, 0, 0);
		assert_int_equal(reply_code(c), 226);
		close(file);
	}
	free(bytes);
	disconnect(c);
}

static void
what_is_broken_is_kept(void **state)
{
	struct client *c = login();

	(void)state;
	for (int i = 0; i < 4; i++) {
		int file = temporary(i & 1);
		int fd = begun(c, file, true);
		write_all(fd, "abc", 3);
		if (i < 2) {
			/* What came before the reset may be lost with it. */
			usleep(100000);
			reset(fd);
		} else {
			usleep(100000);
			say(c, "ABOR\r\n");
		}
		uint32_t id = hear_keep(file, false);
		assert_file_is(file, "abc", 3);
		answer_closed(id, 3, 0, 0);
		assert_int_equal(reply_code(c), 426);
		if (i >= 2) {
			assert_int_equal(reply_code(c), 226);
			close(fd);
		}
		close(file);
	}
	disconnect(c);
}

/* The control connection is lost: the part is kept all the same, and the monitor hears of the
 * session's end when that is done. */
static void
a_lost_session_keeps_its_part(void **state)
{
	char *bytes = random_bytes(3000000);

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct client *c = login();
		int file = temporary(i & 1);
		int fd = begun(c, file, true);
		write_all(fd, bytes, i & 2 ? 3000000 : 3);
		usleep(50000);
		reset(c->fd);
		uint32_t id = hear_keep(file, false);
		assert_silent(&world.monitor);
		answer_closed(id, 3, 0, 0);
		hear_ended(c);
		close(fd);
		close(file);
	}
	free(bytes);
}

/* It is lost while the agent opens the file: what comes is given back. */
static void
what_nobody_waits_for_is_given_back(void **state)
{
	struct client *c = login();
	int file = temporary(true);
	struct message m;

	(void)state;
	int fd = store(c, &m);
	reset(c->fd);
	assert_silent(&world.monitor);
	answer_staged(file, m, true);
	answer_closed(hear_keep(file, true), 0, 0, -1);
	hear_ended(c);
	close(fd);
	close(file);
}

/* It is lost while the agent commits. */
static void
a_commit_is_waited_for(void **state)
{
	struct client *c = login();
	int file = temporary(true);

	(void)state;
	int fd = begun(c, file, true);
	write_all(fd, "abc", 3);
	close(fd);
	uint32_t id = hear_commit(file);
	reset(c->fd);
	assert_silent(&world.monitor);
	answer_closed(id, 3, 0, 0);
	hear_ended(c);
	close(file);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start_worker, stop_worker)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_whole_is_committed),
		TEST(a_resumed_part_is_hashed_whole),
		TEST(what_is_broken_is_kept),
		TEST(a_lost_session_keeps_its_part),
		TEST(what_nobody_waits_for_is_given_back),
		TEST(a_commit_is_waited_for),
	};

	if (!getenv("WHARF_WORKER"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
