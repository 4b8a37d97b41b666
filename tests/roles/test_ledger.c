/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A real wharfd-ledger, in the world of around_ledger.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "around_ledger.h"

static void
add_records(unsigned n)
{
	char path[300];

	for (unsigned i = 0; i < n; i++, world.records++) {
		struct message m = {.id = MSG_J_TRANSFER, .fd = -1};
		int length = snprintf(path, sizeof(path), "/%u%*s", world.records,
				      (int)(world.records % 200), "x");
		m.j_transfer = (struct j_transfer){.time = world.records,
						   .session = world.records,
						   .user = SLICE("alice"),
						   .path = {path, (size_t)length}};
		add_message(&m);
	}
}

#define ROWS     query("SELECT count(*) FROM journal")
#define SESSIONS query("SELECT count(DISTINCT session) FROM journal")

static void
wait_for_rows(long long n, unsigned ms)
{
	for (unsigned i = 0; i < ms / 10 && ROWS < n; i++)
		pause_ms(10);
	assert_int_equal(ROWS, n);
}

/* Whether it says anything within so many milliseconds. */
static bool
says_something(unsigned i, int ms)
{
	struct pollfd wait = {.fd = world.worker[i].fd, .events = POLLIN};

	return poll(&wait, 1, ms) != 0;
}

static bool
log_has(const char *text)
{
	struct buf all = BUF_INIT;
	FILE *f = fopen(world.log, "r");
	size_t n;

	assert_non_null(f);
	do {
		assert_int_equal(buf_reserve(&all, 65536), 0);
		n = fread(all.data + all.len, 1, 65536, f);
		all.len += n;
	} while (n);
	fclose(f);
	bool has = all.len && memmem(all.data, all.len, text, strlen(text));
	buf_deinit(&all);
	return has;
}

static void
records_are_rows_soon(void **state)
{
	(void)state;
	start_ledger(true);
	connect_worker(0);
	add_records(3);
	SAY(0, Q_SPOOLED, q_spooled, );
	wait_for_rows(3, 600);
	/* Also where nobody says so. */
	add_records(3000);
	wait_for_rows(3003, 3000);
	assert_int_equal(stop_ledger(), 0);
	assert_int_equal(SESSIONS, 3003);
	assert_false(log_has(" error "));
	assert_false(log_has(" warning "));
}

static void
the_end_leaves_nothing_behind(void **state)
{
	char path[160];

	(void)state;
	start_ledger(true);
	add_records(2500);
	assert_int_equal(stop_ledger(), 0);
	snprintf(path, sizeof(path), "%s-wal", world.database);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(ROWS, 2500);
	start_ledger(true);
	struct stat st;
	assert_int_equal(fstat(world.spool, &st), 0);
	assert_int_equal(st.st_size, 0);
	add_records(1);
	assert_int_equal(stop_ledger(), 0);
	assert_int_equal(ROWS, 2501);
}

/* In the middle of batches, and also of its start. */
static void
killed_it_loses_and_doubles_nothing(void **state)
{
	(void)state;
	srand(11);
	start_ledger(true);
	for (unsigned i = 0; i < 40; i++) {
		connect_worker(0);
		for (int n = rand() % 4; n >= 0; n--) {
			add_records((unsigned)rand() % 700);
			SAY(0, Q_SPOOLED, q_spooled, );
			pause_ms(rand() % 120);
		}
		kill_ledger();
		add_records(5);
		/* The first of a daemon may cut the spool, to which nobody writes then. */
		start_ledger(rand() % 3 == 0);
	}
	assert_int_equal(stop_ledger(), 0);
	assert_int_equal(ROWS, world.records);
	assert_int_equal(SESSIONS, world.records);
	assert_false(log_has(" warning "));
	assert_false(log_has(" error "));
}

static void
a_quota_is_kept(void **state)
{
	const struct slice user = SLICE("alice");
	const uint64_t none = UINT64_MAX;

	(void)state;
	start_ledger(true);
	connect_worker(0);
	connect_worker(1);
	SAY(0, Q_OPEN, q_open, user, 86400, 0, 0);
	SAY(0, Q_RESERVE, q_reserve, 5, user, 1000, none, 700, 1, 1, 0);
	assert_int_equal(hear(0)->id, MSG_Q_SCAN);
	/* On the disk before anything is granted. */
	assert_int_equal(query("SELECT open FROM quota WHERE user = 'alice'"), 1);
	SAY(0, Q_SCANNED, q_scanned, 5, user, 0, 100, 1, 1);
	const struct message *m = hear(0);
	assert_int_equal(m->id, MSG_Q_RESERVED);
	assert_int_equal(m->q_reserved.error, 0);
	assert_int_equal(m->q_reserved.bytes, 700);
	SAY(1, Q_OPEN, q_open, user, 86400, 0, 0);
	SAY(1, Q_RESERVE, q_reserve, 9, user, 1000, none, 700, 300, 1, 0);
	assert_int_equal(hear(1)->q_reserved.error, EDQUOT);
	SAY(0, Q_CHANGE, q_change, user, 700, 1, 650, 1, UINT64_MAX, 0, 0);
	SAY(0, Q_ASK, q_ask, 6, user);
	m = hear(0);
	assert_int_equal(m->id, MSG_Q_TOLD);
	assert_int_equal(m->q_told.bytes, 750);
	assert_int_equal(m->q_told.files, 2);
	SAY(0, Q_CLOSE, q_close, user);
	SAY(1, Q_CLOSE, q_close, user);
	assert_int_equal(stop_ledger(), 0);
	assert_int_equal(query("SELECT bytes FROM quota WHERE open = 0"), 750);
}

/* Of a tally that was open when it was killed, and of one that was not. */
static void
killed_it_has_the_files_counted_anew(void **state)
{
	const struct slice user = SLICE("alice");

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		start_ledger(i != 2);
		connect_worker(0);
		SAY(0, Q_OPEN, q_open, user, 86400, 0, 0);
		SAY(0, Q_ASK, q_ask, 1, user);
		assert_int_equal(hear(0)->id, MSG_Q_SCAN);
		SAY(0, Q_SCANNED, q_scanned, 1, user, 0, 100 + i, 1, 1);
		assert_int_equal(hear(0)->q_told.bytes, 100 + i);
		if (i == 1) {
			SAY(0, Q_CLOSE, q_close, user);
			assert_int_equal(stop_ledger(), 0);
			assert_int_equal(query("SELECT open FROM quota"), 0);
		} else {
			kill_ledger();
			assert_int_equal(query("SELECT open FROM quota"), 1);
		}
	}
	start_ledger(true);
	connect_worker(0);
	SAY(0, Q_OPEN, q_open, user, 86400, 0, 0);
	SAY(0, Q_CLOSE, q_close, user);
	assert_int_equal(stop_ledger(), 0);
	assert_int_equal(query("SELECT open FROM quota"), 1);
}

/* After another one was killed it answers when all workers have told what they have, or had their
 * time. */
static void
it_begins_when_all_have_told(void **state)
{
	const struct slice user = SLICE("alice");
	const struct message begun = {.id = MSG_Q_BEGUN, .fd = -1};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bool all_tell = i == 0;
		assert_int_equal(start_ledger_with(false, 0), 0);
		connect_worker(0);
		connect_worker(1);
		SAY(0, Q_OPEN, q_open, user, 86400, 0, 0);
		say(0, begun);
		SAY(0, Q_ASK, q_ask, 1, user);
		assert_false(says_something(0, 100));
		run_ledger();
		assert_false(says_something(0, 100));
		SAY(1, Q_OPEN, q_open, user, 86400, 500, 1);
		assert_false(says_something(0, 100));
		if (all_tell)
			say(1, begun);
		assert_int_equal(hear(0)->id, MSG_Q_SCAN);
		SAY(0, Q_SCANNED, q_scanned, 1, user, 0, 100, 1, 1);
		const struct message *m = hear(0);
		assert_int_equal(m->q_told.bytes, 100);
		assert_int_equal(m->q_told.reserved_bytes, 500);
		assert_int_equal(m->q_told.reserved_files, 1);
		assert_int_equal(stop_ledger(), 0);
	}
}

static void
a_worker_that_lies_is_cut_off_alone(void **state)
{
	struct message m;

	(void)state;
	start_ledger(true);
	connect_worker(0);
	connect_worker(1);
	assert_int_equal(send(world.worker[0].fd, "nonsense", 8, 0), 8);
	assert_int_equal(await(&world.worker[0], &m), WIRE_CLOSED);
	SAY(1, Q_CLOSE, q_close, SLICE("alice"));
	assert_int_equal(await(&world.worker[1], &m), WIRE_CLOSED);
	connect_worker(2);
	SAY(2, Q_OPEN, q_open, SLICE("alice"), 0, 0, 0);
	SAY(2, Q_ASK, q_ask, 4, SLICE("alice"));
	assert_int_equal(hear(2)->id, MSG_Q_SCAN);
	assert_int_equal(stop_ledger(), 0);
	assert_true(log_has("a worker's channel is closed"));
}

/* Who asks much and reads nothing costs memory up to a bound. */
static void
a_worker_that_does_not_read_is_cut_off(void **state)
{
	int r = 0;

	(void)state;
	start_ledger(true);
	connect_worker(0);
	SAY(0, Q_OPEN, q_open, SLICE("alice"), 86400, 0, 0);
	SAY(0, Q_ASK, q_ask, 1, SLICE("alice"));
	assert_int_equal(hear(0)->id, MSG_Q_SCAN);
	SAY(0, Q_SCANNED, q_scanned, 1, SLICE("alice"), 0, 1, 1, 1);
	for (unsigned i = 0; i < 400000 && r == 0; i++)
		r = wire_send(
			&world.worker[0],
			&(struct message){.id = MSG_Q_ASK, .fd = -1, .q_ask = {i, SLICE("alice")}});
	assert_int_equal(r, -EPIPE);
	assert_int_equal(stop_ledger(), 0);
	assert_true(log_has("it does not read"));
}

static void
a_full_disk_keeps_records_in_the_spool(void **state)
{
	(void)state;
	assert_int_equal(start_ledger_with(true, 200000), 0);
	run_ledger();
	connect_worker(0);
	for (unsigned i = 0; i < 20; i++) {
		add_records(300);
		SAY(0, Q_SPOOLED, q_spooled, );
		pause_ms(30);
	}
	pause_ms(1500);
	assert_true(log_has("the ledger's database fails"));
	assert_true(ROWS < world.records);
	/* It goes on serving, and ends as it should. */
	SAY(0, Q_OPEN, q_open, SLICE("alice"), 86400, 0, 0);
	SAY(0, Q_ASK, q_ask, 1, SLICE("alice"));
	assert_int_equal(hear(0)->id, MSG_Q_SCAN);
	assert_int_equal(stop_ledger(), 0);
	assert_true(log_has("the spool keeps the records"));
	start_ledger(true);
	wait_for_rows(world.records, 20000);
	assert_int_equal(stop_ledger(), 0);
	assert_int_equal(SESSIONS, world.records);
}

static void
a_damaged_database_is_replaced(void **state)
{
	(void)state;
	start_ledger(true);
	add_records(20);
	assert_int_equal(stop_ledger(), 0);
	int fd = open(world.database, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "no database, surely", 19), 19);
	close(fd);
	start_ledger(true);
	add_records(7);
	assert_int_equal(stop_ledger(), 0);
	assert_int_equal(ROWS, 7);
	assert_true(log_has("is damaged: a new one is begun"));
}

/* What is wrong with the folder is told, and is no crash. */
static void
without_a_folder_it_says_so(void **state)
{
	(void)state;
	world.state = "/nonexistent";
	assert_int_not_equal(start_ledger_with(true, 0), 0);
	assert_int_not_equal(stop_ledger(), 0);
}

static void
the_log_is_turned_over(void **state)
{
	char path[120];

	(void)state;
	start_ledger(true);
	snprintf(path, sizeof(path), "%s/log2", world.folder);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	const struct message m = {.id = MSG_K_LOG, .fd = fd};
	assert_int_equal(wire_send(&world.monitor, &m), 0);
	close(fd);
	connect_worker(0);
	assert_int_equal(send(world.worker[0].fd, "nonsense", 8, 0), 8);
	assert_int_equal(stop_ledger(), 0);
	assert_false(log_has("a worker's channel"));
	strcpy(world.log, path);
	assert_true(log_has("a worker's channel"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LEDGER_TEST(records_are_rows_soon),
		LEDGER_TEST(the_end_leaves_nothing_behind),
		LEDGER_TEST(killed_it_loses_and_doubles_nothing),
		LEDGER_TEST(a_quota_is_kept),
		LEDGER_TEST(killed_it_has_the_files_counted_anew),
		LEDGER_TEST(it_begins_when_all_have_told),
		LEDGER_TEST(a_worker_that_lies_is_cut_off_alone),
		LEDGER_TEST(a_worker_that_does_not_read_is_cut_off),
		LEDGER_TEST(a_full_disk_keeps_records_in_the_spool),
		LEDGER_TEST(a_damaged_database_is_replaced),
		LEDGER_TEST(without_a_folder_it_says_so),
		LEDGER_TEST(the_log_is_turned_over),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
