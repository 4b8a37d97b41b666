/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * How a real wharfd-worker and its sessions end, when something around them does; and its log.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "around.h"

/* Pipelined commands and FIN: all of it is answered. */
static void
input_may_end_early(void **state)
{
	struct client *c = login();

	(void)state;
	say(c, "NOOP\r\nPWD\r\nQUIT\r\n");
	shutdown(c->fd, SHUT_WR);
	assert_int_equal(reply_code(c), 200);
	assert_int_equal(reply_code(c), 257);
	assert_int_equal(reply_code(c), 221);
	assert_int_equal(reply_code(c), 0);
	disconnect(c);
}

static void
a_lost_control_ends_a_transfer(void **state)
{
	struct client *c = login();
	int file = temporary(true);
	struct linger reset = {1, 0};
	char byte;

	(void)state;
	int fd = start_upload(c, file, false);
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	disconnect(c);
	wait_for(fd, POLLIN);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	close(file);
}

static void
a_lost_agent_ends_its_sessions(void **state)
{
	struct client *idle = login(), *asks = login(), *busy = login();
	int channel, file = temporary(true);

	(void)state;
	int fd = start_upload(busy, file, false);
	say(asks, "SIZE f\r\n");
	hear(&world.agent, MSG_F_STAT);
	wire_deinit(&world.agent);
	assert_int_equal(reply_code(idle), 421);
	assert_int_equal(reply_code(asks) / 100, 4);
	assert_int_equal(reply_code(busy), 451);
	assert_int_equal(reply_code(busy), 421);
	close(fd);
	close(file);
	make_channel(&world.agent, WIRE_AGENT, &channel);
	tell(&world.monitor, (struct message){.id = MSG_W_AGENT, .fd = channel, .w_agent = {7}});
	close(asks->fd);
	close(idle->fd);
	close(busy->fd);
	for (int i = 0; i < 3; i++)
		hear(&world.monitor, MSG_M_ENDED);
	free(asks);
	free(idle);
	free(busy);
	disconnect(login());
}

/* A transfer that runs may end, an idle session is told at once. */
static void
draining_lets_transfers_end(void **state)
{
	struct client *idle = login(), *busy = login();
	int file = temporary(true), status = -1;

	(void)state;
	int fd = start_upload(busy, file, false);
	tell(&world.monitor, (struct message){.id = MSG_W_DRAIN, .fd = -1, .w_drain = {5}});
	assert_int_equal(reply_code(idle), 421);
	write_all(fd, "abc", 3);
	close(fd);
	answer_commit();
	assert_int_equal(reply_code(busy), 226);
	assert_int_equal(reply_code(busy), 421);
	close(idle->fd);
	close(busy->fd);
	free(idle);
	free(busy);
	close(file);
	assert_int_equal(waitpid(world.pid, &status, 0), world.pid);
	assert_int_equal(status, 0);
	wire_deinit(&world.monitor);
	wire_deinit(&world.agent);
	wire_deinit(&world.users);
}

/* The read end of a log that ends when the worker lets go of it; the other end is *log. */
static int
new_log(int *log)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	*log = ends[1];
	return ends[0];
}

/* What is in a log that must have ended. */
static void
assert_ended_log_has(int log, const char *want)
{
	char text[8192];
	size_t n = 0;
	ssize_t got;

	do {
		wait_for(log, POLLIN);
		got = read(log, text + n, sizeof(text) - 1 - n);
		assert_true(got >= 0);
		n += (size_t)got;
	} while (got > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, want));
	close(log);
}

/* After the log was turned over the worker holds the old one no more, nor the one it began with. */
static void
the_log_is_turned_over(void **state)
{
	int first = new_log(&worker_log), fd;

	start_worker(state);
	close(worker_log);
	worker_log = -1;
	disconnect(login());
	for (int i = 0; i < 2; i++) {
		int next = new_log(&fd);
		tell(&world.monitor, (struct message){.id = MSG_W_LOG, .fd = fd});
		assert_ended_log_has(first, "login accepted");
		first = next;
		disconnect(login());
	}
	stop_worker(state);
	assert_ended_log_has(first, "login accepted");
}

/* Its monitor is gone: so is it, whatever runs. */
static void
it_ends_with_the_monitor(void **state)
{
	struct client *c = login();
	int status = -1;

	(void)state;
	passive(c);
	wire_deinit(&world.monitor);
	assert_int_equal(waitpid(world.pid, &status, 0), world.pid);
	assert_int_equal(status, 0);
	close(c->fd);
	free(c);
	wire_deinit(&world.agent);
	wire_deinit(&world.users);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start_worker, stop_worker)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(input_may_end_early),
		TEST(a_lost_control_ends_a_transfer),
		TEST(a_lost_agent_ends_its_sessions),
		cmocka_unit_test(the_log_is_turned_over),
		cmocka_unit_test_setup(draining_lets_transfers_end, start_worker),
		cmocka_unit_test_setup(it_ends_with_the_monitor, start_worker),
	};

	if (!getenv("WHARF_WORKER"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
