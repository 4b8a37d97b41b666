/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* An agent as a process: what the kernel lets it do, how much at a time, and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "agent_tests.h"
#include "requests.h"

/* What the kernel says of the process; /proc/PID/status is there for all to read. */
static void
is_confined(void **state)
{
	static const char *const facts[] = {"NoNewPrivs:\t1\n",
					    "Seccomp:\t2\n",
					    "CapPrm:\t0000000000000000\n",
					    "CapEff:\t0000000000000000\n",
					    "CapInh:\t0000000000000000\n",
					    "CapAmb:\t0000000000000000\n",
					    "Umask:\t0000\n"};
	char path[64], text[8192];

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)c.pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		assert_non_null(strstr(text, facts[i]));
}

/* More requests wait than there are threads at first: for a lock, as for a disk. */
static void
answers_beside_those_that_wait(void **state)
{
	enum { COUNT = 20 };
	char name[16], path[17];

	(void)state;
	settings.quota_files = 1000;
	assert_int_equal(client_stop(&c), 0);
	assert_int_equal(client_start(&c, &who, &settings), 0);
	int lock = openat(inside, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		snprintf(path, sizeof(path), "/%s", name);
		make_file(name, "x");
		const struct message remove = {
			.id = MSG_F_UNLINK, .fd = -1, .f_unlink = {100 + i, slice_of(path)}};
		assert_int_equal(wire_send(&c.worker, &remove), 0);
	}
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/"), 0)->r_stat.id, 7);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		assert_true(is_there(name));
	}
	close(lock);
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_int_equal(wire_recv(&c.worker, &c.answer), 0);
		assert_int_equal(c.answer.id, MSG_R_DONE);
		assert_int_equal(c.answer.r_done.error, 0);
	}
	assert_false(is_there("file0"));
}

static void
survives_a_worker_and_not_the_monitor(void **state)
{
	(void)state;
	make_file("file", "x");
	/* The worker goes; another one is served. */
	int channel[2];
	assert_int_equal(fd_seqpacket_pair(channel), 0);
	const struct message give = {.id = MSG_G_CHANNEL, .fd = channel[1], .g_channel = {1}};
	fd_close(&c.worker.fd);
	assert_int_equal(wire_send(&c.monitor, &give), 0);
	close(channel[1]);
	c.worker.fd = channel[0];
	assert_int_equal(ask_open("/file", OPEN_READ), 0);
	/* What nobody may send ends the agent at once. */
	int status;
	assert_int_equal(send(c.worker.fd, "\xff", 1, 0), 1);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
	wire_deinit(&c.monitor);
	wire_deinit(&c.worker);
	assert_int_equal(client_start(&c, &who, &settings), 0);
	/* And so does a message of the right shape from the wrong side. */
	assert_int_equal(send(c.monitor.fd, "\x30", 1, 0), 1);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
	wire_deinit(&c.monitor);
	wire_deinit(&c.worker);
	assert_int_equal(client_start(&c, &who, &settings), 0);
	/* client_stop() of the teardown closes the monitor's end first. */
}

int
run_process(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(is_confined),
		AGENT_TEST(answers_beside_those_that_wait),
		AGENT_TEST(survives_a_worker_and_not_the_monitor),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
