/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Uploads through a real wharfd-worker: staged, proved and committed or kept, within a quota, and
 * in the journal.  The ledger is played too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/wire/journal.h>

#include "around.h"

#define STAGE ".wharfd-abcdefghijklmnopqrstuvwxyz"

static struct wire ledger;

/* "crc32:cbf43926" of the file. */
static const char *
crc_of(int file)
{
	static char text[32];
	uint32_t crc = 0xffffffff;
	unsigned char byte;

	for (off_t at = 0; pread(file, &byte, 1, at) == 1; at++) {
		crc ^= byte;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	snprintf(text, sizeof(text), "crc32:%08x", ~crc);
	return text;
}

/* Nothing may come for a while. */
static void
assert_silent(struct wire *w)
{
	struct pollfd p = {w->fd, POLLIN, 0};

	assert_int_equal(poll(&p, 1, 200), 0);
}

/* The agent opens a new staging file, or goes on with one. */
static void
answer_staged(int file, struct message m, bool created)
{
	struct stat st;

	assert_true(m.f_open.how & OPEN_STAGE);
	assert_int_equal(fstat(file, &st), 0);
	tell(&world.agent, (struct message){.id = MSG_R_OPENED,
					    .fd = reopen(file, O_RDWR),
					    .r_opened = {.id = m.f_open.id,
							 .size = (uint64_t)st.st_size,
							 .created = created,
							 .made = created,
							 .files = created,
							 .stage = SLICE(STAGE)}});
}

static void
answer_closed(uint32_t id, uint64_t size, int64_t bytes, int64_t files)
{
	tell(&world.agent,
	     (struct message){
		     .id = MSG_R_CLOSED,
		     .fd = -1,
		     .r_closed = {.id = id, .size = size, .bytes = bytes, .files = files}});
}

/* The descriptor that came is the file. */
static void
assert_is_file(int fd, int file)
{
	struct stat want, got;

	assert_int_equal(fstat(file, &want), 0);
	assert_int_equal(fstat(fd, &got), 0);
	assert_int_equal(got.st_ino, want.st_ino);
	close(fd);
}

/* F_COMMIT comes with the whole file and its digest. */
static uint32_t
hear_commit(int file)
{
	struct message m = hear(&world.agent, MSG_F_COMMIT);

	assert_true(slice_equal(m.f_commit.path, SLICE("/f")));
	assert_true(slice_equal(m.f_commit.stage, SLICE(STAGE)));
	assert_true(slice_equal(m.f_commit.digest, slice_of(crc_of(file))));
	assert_is_file(m.fd, file);
	return m.f_commit.id;
}

static uint32_t
hear_keep(int file, bool discard)
{
	struct message m = hear(&world.agent, MSG_F_KEEP);

	assert_true(slice_equal(m.f_keep.path, SLICE("/f")));
	assert_true(slice_equal(m.f_keep.stage, SLICE(STAGE)));
	assert_int_equal(m.f_keep.discard, discard);
	assert_is_file(m.fd, file);
	return m.f_keep.id;
}

/* Begins an upload to /f; the data connection. */
static int
begin(struct client *c, const char *command, int file, bool created)
{
	uint16_t port = passive(c);

	say(c, command);
	int fd = connect_from(INADDR_LOOPBACK, port);
	answer_staged(file, hear(&world.agent, MSG_F_OPEN), created);
	return fd;
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
		int fd = begin(c, "STOR f\r\n", file, true);
		assert_int_equal(reply_code(c), 150);
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
		int fd = begin(c, "STOR f\r\n", file, false);
		assert_int_equal(reply_code(c), 150);
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
		int fd = begin(c, "STOR f\r\n", file, true);
		assert_int_equal(reply_code(c), 150);
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
		int fd = begin(c, "STOR f\r\n", file, true);
		assert_int_equal(reply_code(c), 150);
		write_all(fd, bytes, i & 2 ? 3000000 : 3);
		usleep(50000);
		reset(c->fd);
		uint32_t id = hear_keep(file, false);
		assert_silent(&world.monitor);
		answer_closed(id, 3, 0, 0);
		assert_int_equal(hear(&world.monitor, MSG_M_ENDED).m_ended.session, c->session);
		free(c);
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

	(void)state;
	uint16_t port = passive(c);
	say(c, "STOR f\r\n");
	int fd = connect_from(INADDR_LOOPBACK, port);
	struct message m = hear(&world.agent, MSG_F_OPEN);
	reset(c->fd);
	assert_silent(&world.monitor);
	answer_staged(file, m, true);
	answer_closed(hear_keep(file, true), 0, 0, -1);
	assert_int_equal(hear(&world.monitor, MSG_M_ENDED).m_ended.session, c->session);
	free(c);
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
	int fd = begin(c, "STOR f\r\n", file, true);
	assert_int_equal(reply_code(c), 150);
	write_all(fd, "abc", 3);
	close(fd);
	uint32_t id = hear_commit(file);
	reset(c->fd);
	assert_silent(&world.monitor);
	answer_closed(id, 3, 0, 0);
	assert_int_equal(hear(&world.monitor, MSG_M_ENDED).m_ended.session, c->session);
	free(c);
	close(file);
}

static void
with_a_quota(struct settings *set)
{
	set->quota_bytes = 10000000;
	set->quota_files = 100;
	set->quota_rescan = 77;
	set->agent_timeout = 2;
}

/* A new ledger, which is told what the session that there is has reserved, if there is one. */
static void
connect_ledger(const struct q_open *session)
{
	int channel;

	make_channel(&ledger, WIRE_LEDGER, &channel);
	tell(&world.monitor, (struct message){.id = MSG_W_LEDGER, .fd = channel});
	if (session) {
		struct q_open got = hear(&ledger, MSG_Q_OPEN).q_open;
		assert_true(slice_equal(got.user, SLICE("anonymous")));
		assert_int_equal(got.bytes, session->bytes);
		assert_int_equal(got.files, session->files);
	}
	hear(&ledger, MSG_Q_BEGUN);
}

static struct client *
login_with_quota(void)
{
	world.change = with_a_quota;
	struct client *c = login();
	struct message m = hear(&ledger, MSG_Q_OPEN);
	assert_true(slice_equal(m.q_open.user, SLICE("anonymous")));
	assert_int_equal(m.q_open.rescan, 77);
	return c;
}

static void
disconnect_with_quota(struct client *c)
{
	disconnect(c);
	assert_true(slice_equal(hear(&ledger, MSG_Q_CLOSE).q_close.user, SLICE("anonymous")));
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
	connect_ledger(NULL);
	struct client *c = login_with_quota();
	int file = temporary(true);

	(void)state;
	int fd = begin(c, "STOR f\r\n", file, true);
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
	say(c, "DELE f\r\n");
	struct message m = hear(&world.agent, MSG_F_UNLINK);
	tell(&world.agent,
	     (struct message){.id = MSG_R_DONE, .fd = -1, .r_done = {m.f_unlink.id, 0, -6, -1}});
	assert_int_equal(reply_code(c), 250);
	hear_change(0, 0, -6, -1, false);
	close(file);
	disconnect_with_quota(c);
	wire_deinit(&ledger);
}

/* An upload that ends before anything is reserved: what opening has made is told before it is gone.
 */
static void
what_is_given_up_is_told(void **state)
{
	connect_ledger(NULL);
	struct client *c = login_with_quota();
	int file = temporary(true);

	(void)state;
	uint16_t port = passive(c);
	say(c, "STOR f\r\n");
	int fd = connect_from(INADDR_LOOPBACK, port);
	struct message m = hear(&world.agent, MSG_F_OPEN);
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
	close(file);
	disconnect_with_quota(c);
	wire_deinit(&ledger);
}

/* Bytes that are not reserved are not written; what is refused ends with 552. */
static void
a_quota_is_kept(void **state)
{
	connect_ledger(NULL);
	struct client *c = login_with_quota();
	char *bytes = random_bytes(3000000);
	struct stat st;

	(void)state;
	int file = temporary(true);
	int fd = begin(c, "STOR f\r\n", file, true);
	answer_reserve(1 << 20, 1, 1, 0);
	answer_closed(hear_keep(file, true), 0, 0, -1);
	assert_int_equal(reply_code(c), 552);
	close(fd);
	hear_change(0, 0, 0, 1, false);
	hear_change(0, 0, 0, -1, false);

	fd = begin(c, "STOR f\r\n", file, true);
	answer_reserve(1 << 20, 1, 1, 100000);
	assert_int_equal(reply_code(c), 150);
	write_all(fd, bytes, 3000000);
	answer_reserve(1, 1, 0, 200000);
	answer_reserve(1, 1, 0, 50001);
	answer_reserve(1, 1, 0, 0);
	uint32_t id = hear_keep(file, true);
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, 350001);
	hear_change(350001, 1, 350001, 1, false);
	answer_closed(id, 0, -350001, -1);
	assert_int_equal(reply_code(c), 552);
	hear_change(0, 0, -350001, -1, false);
	close(fd);
	close(file);
	free(bytes);
	disconnect_with_quota(c);
	wire_deinit(&ledger);
}

/* The files are counted by the session's agent; what the worker will tell later is left out. */
static void
a_count_comes_first(void **state)
{
	connect_ledger(NULL);
	struct client *c = login_with_quota();
	int file = temporary(true);

	(void)state;
	int fd = begin(c, "STOR f\r\n", file, true);
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
	close(file);
	disconnect_with_quota(c);
	wire_deinit(&ledger);
}

/* An agent that does not answer, or is lost: nobody knows what it has done. */
static void
what_is_not_known_is_said_so(void **state)
{
	connect_ledger(NULL);
	struct client *c = login_with_quota();
	int file = temporary(true);

	(void)state;
	int fd = begin(c, "STOR f\r\n", file, true);
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
	close(file);
	disconnect_with_quota(c);
	wire_deinit(&ledger);
}

/* What runs goes on within what it has, of which the next ledger is told; what begins is refused.
 */
static void
a_lost_ledger_is_no_end(void **state)
{
	connect_ledger(NULL);
	struct client *c = login_with_quota();
	int file = temporary(true);

	(void)state;
	int fd = begin(c, "STOR f\r\n", file, true);
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
	fd = begin(c, "STOR f\r\n", file, false);
	answer_closed(hear_keep(file, false), 3, 0, 0);
	assert_int_equal(reply_code(c), 451);
	close(fd);
	close(file);
	disconnect(c);
	/* Who has no quota notices nothing. */
	world.change = NULL;
	c = login();
	file = temporary(true);
	fd = begin(c, "STOR f\r\n", file, true);
	assert_int_equal(reply_code(c), 150);
	close(fd);
	answer_closed(hear_commit(file), 0, 0, 0);
	assert_int_equal(reply_code(c), 226);
	close(file);
	disconnect(c);
}

/* The next record of the spool; its slices hold until the next call. */
static struct message
next_record(off_t *at)
{
	static char bytes[8192];
	ssize_t n = pread(world.spool, bytes, sizeof(bytes), *at);
	struct message m;
	size_t skip;

	assert_true(n > 0);
	ssize_t used = journal_decode((struct slice){bytes, (size_t)n}, &m, &skip);
	assert_true(used > 0);
	*at += used;
	return m;
}

static void
transfers_and_changes_are_recorded(void **state)
{
	char path[] = "/tmp/wharf-spool-XXXXXX";
	int file = temporary(true);
	off_t at = 0;

	world.spool = mkstemp(path);
	assert_true(world.spool >= 0);
	unlink(path);
	start_worker(state);
	connect_ledger(NULL);
	struct client *c = login();
	int fd = begin(c, "STOR f\r\n", file, true);
	assert_int_equal(reply_code(c), 150);
	write_all(fd, "123456789", 9);
	close(fd);
	answer_closed(hear_commit(file), 9, 0, 0);
	assert_int_equal(reply_code(c), 226);
	struct message m = next_record(&at);
	assert_int_equal(m.id, MSG_J_TRANSFER);
	assert_true(slice_equal(m.j_transfer.user, SLICE("anonymous")));
	assert_true(slice_equal(m.j_transfer.peer, SLICE("127.0.0.1")));
	assert_true(slice_equal(m.j_transfer.command, SLICE("STOR")));
	assert_true(slice_equal(m.j_transfer.path, SLICE("/f")));
	assert_true(slice_equal(m.j_transfer.verdict, SLICE("fin")));
	assert_true(slice_equal(m.j_transfer.digest, SLICE("crc32:cbf43926")));
	assert_true(m.j_transfer.upload && m.j_transfer.published && !m.j_transfer.tls);
	assert_int_equal(m.j_transfer.bytes, 9);
	assert_int_equal(m.j_transfer.size, 9);
	assert_int_equal(m.j_transfer.session, c->session);
	hear(&ledger, MSG_Q_SPOOLED);

	say(c, "DELE f\r\n");
	m = hear(&world.agent, MSG_F_UNLINK);
	tell(&world.agent,
	     (struct message){.id = MSG_R_DONE, .fd = -1, .r_done = {m.f_unlink.id, 0, 0, 0}});
	assert_int_equal(reply_code(c), 250);
	m = next_record(&at);
	assert_int_equal(m.id, MSG_J_CHANGE);
	assert_true(slice_equal(m.j_change.command, SLICE("DELE")));
	assert_true(slice_equal(m.j_change.path, SLICE("/f")));
	hear(&ledger, MSG_Q_SPOOLED);
	disconnect(c);
	stop_worker(state);
	wire_deinit(&ledger);
	close(world.spool);
	world.spool = -1;
	close(file);
}

/* xferlog(5) with the verdict and the digest behind. */
static void
the_transfer_log_has_verdicts(void **state)
{
	struct client *c = login();
	int file = temporary(true), pipes[2];
	char line[1024];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	tell(&world.monitor, (struct message){.id = MSG_W_XFERLOG, .fd = pipes[1]});
	int fd = begin(c, "STOR f\r\n", file, true);
	assert_int_equal(reply_code(c), 150);
	write_all(fd, "123456789", 9);
	close(fd);
	answer_closed(hear_commit(file), 9, 0, 0);
	assert_int_equal(reply_code(c), 226);
	ssize_t n = read(pipes[0], line, sizeof(line) - 1);
	assert_true(n > 0);
	line[n] = '\0';
	assert_non_null(strstr(line, " 9 /f b _ i a anonymous ftp 0 * c fin crc32:cbf43926\n"));
	close(pipes[0]);
	close(file);
	disconnect(c);
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
		TEST(changes_are_told_to_the_ledger),
		TEST(what_is_given_up_is_told),
		TEST(a_quota_is_kept),
		TEST(a_count_comes_first),
		TEST(what_is_not_known_is_said_so),
		TEST(a_lost_ledger_is_no_end),
		cmocka_unit_test(transfers_and_changes_are_recorded),
		TEST(the_transfer_log_has_verdicts),
	};

	if (!getenv("WHARF_WORKER"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
