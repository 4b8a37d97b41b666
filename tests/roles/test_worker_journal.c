/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The records of a real wharfd-worker: the spool of the journal, and xferlog(5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/wire/journal.h>

#include "staged.h"

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
	store_whole(c, file, "123456789");
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

	dele(c, 0, 0);
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
	store_whole(c, file, "123456789");
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
		cmocka_unit_test(transfers_and_changes_are_recorded),
		TEST(the_transfer_log_has_verdicts),
	};

	if (!getenv("WHARF_WORKER"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
