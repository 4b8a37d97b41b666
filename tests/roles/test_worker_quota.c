/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Quotas at a real wharfd-worker: the test is the ledger too, which is asked and told. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "staged.h"

static void
with_a_quota(struct settings *set)
{
	set->quota_bytes = 10000000;
	set->quota_files = 100;
	set->versions = 3;
	set->quota_rescan = 77;
	set->agent_timeout = 2;
}

/* Of each test: one who has a quota, and the file that he stores. */
static struct client *c;
static int file;

static int
set_up(void **state)
{
	start_worker(state);
	connect_ledger(NULL);
	world.change = with_a_quota;
	c = login();
	struct message m = hear(&ledger, MSG_Q_OPEN);
	assert_true(slice_equal(m.q_open.user, SLICE("anonymous")));
	assert_int_equal(m.q_open.rescan, 77);
	file = temporary(true);
	return 0;
}

static int
tear_down(void **state)
{
	close(file);
	disconnect(c);
	if (ledger.fd >= 0)
		assert_true(
			slice_equal(hear(&ledger, MSG_Q_CLOSE).q_close.user, SLICE("anonymous")));
	wire_deinit(&ledger);
	return stop_worker(state);
}

/* The ledger is asked for an upload that begins, and answers. */
static void
answer_reserve(uint64_t bytes, uint64_t least, uint64_t files, uint64_t granted)
{
	struct message m = hear(&ledger, MSG_Q_RESERVE);

	assert_int_equal(m.q_reserve.limit_bytes, 10000000);
	assert_int_equal(m.q_reserve.limit_files, 100);
	assert_true(m.q_reserve.bytes >= bytes);
	assert_int_equal(m.q_reserve.least, least);
	assert_int_equal(m.q_reserve.files, files);
	tell(&ledger,
	     (struct message){.id = MSG_Q_RESERVED,
			      .fd = -1,
			      .q_reserved = {m.q_reserve.id, granted ? 0 : EDQUOT, granted}});
}

static void
hear_change(uint64_t release_bytes, uint64_t release_files, int64_t bytes, int64_t files,
	    bool unsure)
{
	struct q_change got = hear(&ledger, MSG_Q_CHANGE).q_change;

	assert_true(slice_equal(got.user, SLICE("anonymous")));
	assert_int_equal(got.release_bytes, release_bytes);
	assert_int_equal(got.release_files, release_files);
	assert_int_equal(got.bytes, bytes);
	assert_int_equal(got.files, files);
	assert_int_equal(got.unsure, unsure);
}

/* Only names have changed. */
static void
hear_move(void)
{
	struct q_change got = hear(&ledger, MSG_Q_CHANGE).q_change;

	assert_true(got.moved && !got.bytes && !got.files && !got.unsure);
}

static void
changes_are_told_to_the_ledger(void **state)
{
	(void)state;
	int fd = begin(c, file, true);
	answer_reserve(1 << 20, 1, 1, 1 << 20);
	assert_int_equal(reply_code(c), 150);
	write_all(fd, "abcdef", 6);
	close(fd);
	uint32_t id = hear_commit(file);
	hear_change(1 << 20, 1, 6, 1, false);
	/* It replaces a file of 100 bytes. */
	answer_closed(id, 6, -100, -1);
	assert_int_equal(reply_code(c), 226);
	hear_change(0, 0, -100, -1, false);
	/* Any other answer may tell of changes too. */
	dele(c, -6, -1);
	hear_change(0, 0, -6, -1, false);
}

/* An upload that ends before anything is reserved: what opening has made is told before it is gone.
 */
static void
what_is_given_up_is_told(void **state)
{
	struct message m;

	(void)state;
	int fd = store(c, &m);
	say(c, "ABOR\r\nNOOP\r\n");
	usleep(50000);
	answer_staged(file, m, true);
	uint32_t id = hear_keep(file, true);
	hear_change(0, 0, 0, 1, false);
	answer_closed(id, 0, 0, -1);
	hear_change(0, 0, 0, -1, false);
	assert_int_equal(reply_code(c), 426);
	assert_int_equal(reply_code(c), 226);
	assert_int_equal(reply_code(c), 200);
	close(fd);
}

static off_t
fd_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

/* Bytes that are not reserved are not written; what is refused ends with 552. */
static void
a_quota_is_kept(void **state)
{
	char *bytes = random_bytes(3000000);

	(void)state;
	int fd = begin(c, file, true);
	answer_reserve(1 << 20, 1, 1, 0);
	answer_closed(hear_keep(file, true), 0, 0, -1);
	assert_int_equal(reply_code(c), 552);
	close(fd);
	hear_change(0, 0, 0, 1, false);
	hear_change(0, 0, 0, -1, false);

	fd = begin(c, file, true);
	answer_reserve(1 << 20, 1, 1, 100000);
	assert_int_equal(reply_code(c), 150);
	write_all(fd, bytes, 3000000);
	answer_reserve(1, 1, 0, 200000);
	answer_reserve(1, 1, 0, 50001);
	answer_reserve(1, 1, 0, 0);
	uint32_t id = hear_keep(file, true);
	assert_int_equal(fd_size(file), 350001);
	hear_change(350001, 1, 350001, 1, false);
	answer_closed(id, 0, -350001, -1);
	assert_int_equal(reply_code(c), 552);
	hear_change(0, 0, -350001, -1, false);
	close(fd);
	free(bytes);
}

static void
tell_in_place(uint32_t id, bool versions, int64_t bytes, int64_t files)
{
	tell(&world.agent, (struct message){.id = MSG_R_OPENED,
					    .fd = reopen(file, O_RDWR),
					    .r_opened = {.id = id,
							 .size = (uint64_t)fd_size(file),
							 .replaces = true,
							 .versions = versions,
							 .bytes = bytes,
							 .files = files}});
}

/* What is written over in place is kept as a copy, when there is room for that. */
static void
a_version_needs_room(void **state)
{
	struct message m;

	(void)state;
	assert_int_equal(ftruncate(file, 1000), 0);
	int fd = store(c, &m);
	tell_in_place(m.f_open.id, true, 0, 0);
	answer_reserve((1 << 20) + 1000, 1001, 1, 0);
	assert_int_equal(reply_code(c), 552);
	close(fd);

	fd = store(c, &m);
	tell_in_place(m.f_open.id, true, 0, 0);
	answer_reserve((1 << 20) + 1000, 1001, 1, 5000);
	m = hear(&world.agent, MSG_F_PREPARE);
	assert_int_equal(fd_size(m.fd), 1000);
	close(m.fd);
	tell_in_place(m.f_prepare.id, false, 1000, 1);
	assert_int_equal(reply_code(c), 150);
	write_all(fd, "abc", 3);
	close(fd);
	m = hear(&world.agent, MSG_F_COMMIT);
	assert_int_equal(fd_size(m.fd), 3);
	close(m.fd);
	hear_change(5000, 1, 3, 1, false);
	answer_closed(m.f_commit.id, 3, 0, 0);
	assert_int_equal(reply_code(c), 226);
	hear_move();

	/* And none where none will be kept. */
	fd = store(c, &m);
	tell_in_place(m.f_open.id, false, 0, 0);
	answer_reserve(1 << 20, 1, 0, 0);
	assert_int_equal(reply_code(c), 552);
	close(fd);
}

/* The files are counted by the session's agent; what the worker will tell later is left out. */
static void
a_count_comes_first(void **state)
{
	(void)state;
	int fd = begin(c, file, true);
	struct message m = hear(&ledger, MSG_Q_RESERVE);
	uint32_t id = m.q_reserve.id;
	tell(&ledger, (struct message){.id = MSG_Q_SCAN, .fd = -1, .q_scan = {id}});
	m = hear(&world.agent, MSG_F_USAGE);
	tell(&world.agent,
	     (struct message){.id = MSG_R_USAGE, .fd = -1, .r_usage = {m.f_usage.id, 0, 5000, 7}});
	m = hear(&ledger, MSG_Q_SCANNED);
	assert_int_equal(m.q_scanned.id, id);
	assert_int_equal(m.q_scanned.error, 0);
	assert_int_equal(m.q_scanned.bytes, 5000);
	assert_int_equal(m.q_scanned.files, 6);
	/* An agent that can't count. */
	tell(&ledger, (struct message){.id = MSG_Q_SCAN, .fd = -1, .q_scan = {id}});
	m = hear(&world.agent, MSG_F_USAGE);
	tell(&world.agent, (struct message){.id = MSG_R_USAGE,
					    .fd = -1,
					    .r_usage = {m.f_usage.id, EACCES, 0, 0}});
	assert_true(hear(&ledger, MSG_Q_SCANNED).q_scanned.error != 0);
	/* One that does not answer. */
	tell(&ledger, (struct message){.id = MSG_Q_SCAN, .fd = -1, .q_scan = {id}});
	hear(&world.agent, MSG_F_USAGE);
	assert_true(hear(&ledger, MSG_Q_SCANNED).q_scanned.error != 0);
	tell(&ledger,
	     (struct message){.id = MSG_Q_RESERVED, .fd = -1, .q_reserved = {id, 0, 1 << 20}});
	assert_int_equal(reply_code(c), 150);
	close(fd);
	answer_closed(hear_commit(file), 0, 0, 0);
	assert_int_equal(reply_code(c), 226);
	hear_change(1 << 20, 1, 0, 1, false);
	hear_move();
}

/* An agent that does not answer, or is lost: nobody knows what it has done. */
static void
what_is_not_known_is_said_so(void **state)
{
	(void)state;
	int fd = begin(c, file, true);
	answer_reserve(1 << 20, 1, 1, 1 << 20);
	assert_int_equal(reply_code(c), 150);
	close(fd);
	hear_commit(file);
	hear_change(1 << 20, 1, 0, 1, false);
	assert_int_equal(reply_code(c), 451);
	hear_change(0, 0, 0, 0, true);
	say(c, "DELE f\r\n");
	hear(&world.agent, MSG_F_UNLINK);
	wire_deinit(&world.agent);
	assert_int_equal(reply_code(c) / 100, 4);
	assert_int_equal(reply_code(c), 421);
	hear_change(0, 0, 0, 0, true);
}

/* What runs goes on within what it has, of which the next ledger is told; what begins is refused.
 */
static void
a_lost_ledger_is_no_end(void **state)
{
	(void)state;
	int fd = begin(c, file, true);
	answer_reserve(1 << 20, 1, 1, 1 << 20);
	assert_int_equal(reply_code(c), 150);
	wire_deinit(&ledger);
	usleep(50000);
	connect_ledger(&(struct q_open){.bytes = 1 << 20, .files = 1});
	write_all(fd, "abc", 3);
	close(fd);
	answer_closed(hear_commit(file), 3, 0, 0);
	assert_int_equal(reply_code(c), 226);
	hear_change(1 << 20, 1, 3, 1, false);
	hear_move();
	wire_deinit(&ledger);
	usleep(50000);
	fd = begin(c, file, false);
	answer_closed(hear_keep(file, false), 3, 0, 0);
	assert_int_equal(reply_code(c), 451);
	close(fd);
	close(file);
	disconnect(c);
	/* Who has no quota notices nothing. */
	world.change = NULL;
	c = login();
	file = temporary(true);
	store_whole(c, file, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(changes_are_told_to_the_ledger),
		TEST(what_is_given_up_is_told),
		TEST(a_quota_is_kept),
		TEST(a_version_needs_room),
		TEST(a_count_comes_first),
		TEST(what_is_not_known_is_said_so),
		TEST(a_lost_ledger_is_no_end),
	};

	if (!getenv("WHARF_WORKER"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
