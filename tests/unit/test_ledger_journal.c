/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* From the spool to rows: whole spools and damaged ones, ends in the middle, databases that break.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/buf.h>
#include <wharf/wire/journal.h>
#include <wharf/wire/ledger.h>

#include "journal.h"

static struct {
	char folder[64];
	char path[96];
	struct store store;
	struct journal journal;
	struct buf spool;
} world;

static void
add_record(unsigned number)
{
	char path[300];
	struct message m = {.id = MSG_J_TRANSFER, .fd = -1};

	/* Of many lengths, so that their first bytes take all forms. */
	int n = snprintf(path, sizeof(path), "/%u/", number);
	memset(path + n, 'x', number % 280);
	m.j_transfer = (struct j_transfer){.time = 1700000000000 + number,
					   .session = number,
					   .user = SLICE("alice"),
					   .peer = SLICE("127.0.0.1"),
					   .command = SLICE("STOR"),
					   .path = {path, (size_t)n + number % 280},
					   .upload = 1,
					   .published = 1,
					   .bytes = number,
					   .size = number,
					   .verdict = SLICE("fin"),
					   .digest = SLICE("crc32:9ae0daaf"),
					   .error = SLICE("No space left on device")};
	assert_int_equal(journal_encode(&world.spool, &m), 0);
}

static void
add_change(unsigned number)
{
	struct message m = {.id = MSG_J_CHANGE, .fd = -1};

	m.j_change = (struct j_change){
		1700000000000 + number, number,      SLICE("alice"), SLICE("::1"),
		SLICE("DELE"),          SLICE("/a"), SLICE("")};
	assert_int_equal(journal_encode(&world.spool, &m), 0);
}

/* Appends what was added to the spool on disk. */
static void
spool_out(void)
{
	int fd = open(world.path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, world.spool.data, world.spool.len), world.spool.len);
	close(fd);
	buf_reset(&world.spool);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	strcpy(world.folder, "/tmp/wharf-ledger-XXXXXX");
	if (!mkdtemp(world.folder))
		return -1;
	snprintf(world.path, sizeof(world.path), "%s/%s", world.folder, SPOOL_FILE);
	spool_out();
	return store_open(&world.store, world.folder) < 0 ||
	       journal_open(&world.journal, &world.store, world.folder, true) < 0;
}

static int
tear_down(void **state)
{
	char path[400];
	const struct dirent *e;
	DIR *dir = opendir(world.folder);

	(void)state;
	journal_close(&world.journal);
	store_close(&world.store);
	while ((e = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", world.folder, e->d_name);
		unlink(path);
	}
	closedir(dir);
	buf_deinit(&world.spool);
	return rmdir(world.folder);
}

/* Closes everything as a kill does, and begins again. */
static void
restart(bool alone)
{
	journal_close(&world.journal);
	store_close(&world.store);
	assert_int_equal(store_open(&world.store, world.folder), 0);
	assert_int_equal(journal_open(&world.journal, &world.store, world.folder, alone), 0);
}

/* One transaction; commit: it comes to its end. */
static int
take(uint64_t now, bool final, bool commit)
{
	assert_int_equal(store_begin(&world.store), 0);
	int n = journal_take(&world.journal, &world.store, now, final);
	assert_true(n >= 0);
	if (commit) {
		assert_int_equal(store_commit(&world.store), 0);
		journal_taken(&world.journal);
	} else {
		store_rollback(&world.store);
		journal_again(&world.journal);
	}
	return n;
}

static void
take_all(void)
{
	while (journal_waits(&world.journal))
		take(0, true, true);
}

static long long
query(const char *sql)
{
	sqlite3_stmt *st = NULL;

	assert_int_equal(sqlite3_prepare_v2(world.store.db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	long long n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

#define ROWS     query("SELECT count(*) FROM journal")
#define SESSIONS query("SELECT count(DISTINCT session) FROM journal")

static long long
blocks(void)
{
	struct stat st;

	assert_int_equal(stat(world.path, &st), 0);
	return st.st_blocks;
}

static void
records_become_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2500; i++) {
		add_record(i);
		add_change(10000 + i);
	}
	spool_out();
	const long long before = blocks();
	assert_int_equal(take(0, false, true), JOURNAL_BATCH);
	take_all();
	assert_int_equal(ROWS, 5000);
	assert_int_equal(SESSIONS, 5000);
	assert_int_equal(query("SELECT count(*) FROM journal WHERE kind = 1 AND verdict = 'fin'"),
			 2500);
	assert_int_equal(query("SELECT bytes FROM journal WHERE session = 77"), 77);
	assert_true(blocks() < before / 4);
	assert_false(journal_waits(&world.journal));
}

/* Wherever a kill comes, a record is a row once. */
static void
no_record_is_lost_or_doubled(void **state)
{
	unsigned next = 0;

	(void)state;
	srand(7);
	for (unsigned i = 0; i < 300; i++) {
		for (int n = rand() % 20; n > 0; n--)
			add_record(next++);
		spool_out();
		switch (rand() % 4) {
		case 0:
			take(0, false, false);
			break;
		case 1: /* killed between the commit and the hole */
			assert_int_equal(store_begin(&world.store), 0);
			assert_true(journal_take(&world.journal, &world.store, 0, false) >= 0);
			assert_int_equal(store_commit(&world.store), 0);
			restart(rand() % 2);
			break;
		case 2:
			take(0, false, true);
			restart(rand() % 2);
			break;
		default:
			take(0, false, true);
		}
	}
	take_all();
	assert_int_equal(ROWS, next);
	assert_int_equal(SESSIONS, next);
}

static void
a_spool_that_was_taken_is_cut_where_nobody_writes(void **state)
{
	struct stat st;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add_record(i);
	spool_out();
	take_all();
	restart(false);
	assert_int_equal(stat(world.path, &st), 0);
	assert_true(st.st_size > 0);
	restart(true);
	assert_int_equal(stat(world.path, &st), 0);
	assert_int_equal(st.st_size, 0);
	add_record(100);
	spool_out();
	take_all();
	assert_int_equal(ROWS, 101);
}

/* Killed while it was cut: before, and after with records that came since. */
static void
a_cut_that_was_broken_off(void **state)
{
	(void)state;
	for (unsigned cut = 0; cut < 3; cut++) {
		for (unsigned i = 0; i < 10; i++)
			add_record(cut * 100 + i);
		spool_out();
		take_all();
		assert_int_equal(store_set_spool(&world.store,
						 &(struct spool_mark){world.journal.taken, true}),
				 0);
		if (cut)
			assert_int_equal(truncate(world.path, 0), 0);
		for (unsigned i = 0; i < (cut == 2 ? 40U : 5U); i++)
			add_record(cut * 100 + 50 + i);
		spool_out();
		restart(false);
		take_all();
	}
	assert_int_equal(ROWS, 15 + 15 + 50);
	assert_int_equal(SESSIONS, 15 + 15 + 50);
}

static void
add_bytes(const char *bytes, size_t n)
{
	buf_add(&world.spool, bytes, n);
}

/* Adds the beginning of a record, which a full disk has broken off. */
static void
add_torn(unsigned number, size_t keep)
{
	size_t before = world.spool.len;

	add_record(number);
	assert_true(before + keep < world.spool.len);
	world.spool.len = before + keep;
}

static void
what_is_no_record_is_passed_by(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{"\xff\xff\xff\xff", 4},
		{"\x05\0\0\0hello", 9},
		{"\0\0\0\0", 4},
		{"\0", 1},
		{"garbage garbage garbage", 23},
		{"\x20\0\0\0", 4},
		{"\0\x01\0\0too short", 13},
	};
	unsigned good = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		add_bytes(rows[i].bytes, rows[i].n);
		add_record(good++);
		add_record(good++);
	}
	/* Wherever it is broken off: also in its last text, which the next one would complete. */
	const size_t before = world.spool.len;
	add_record(5000);
	const size_t whole = world.spool.len - before;
	world.spool.len = before;
	for (size_t keep = 1; keep < whole; keep++) {
		add_torn(5000, keep);
		add_record(good++);
	}
	spool_out();
	take_all();
	assert_int_equal(ROWS, good);
	assert_int_equal(SESSIONS, good);
}

/* Much of it, so that the next record is not among the bytes that are read at once. */
static void
much_that_is_no_record(void **state)
{
	char *much = malloc(3000000);

	(void)state;
	assert_non_null(much);
	memset(much, 'z', 3000000);
	add_record(1);
	add_bytes(much, 3000000);
	add_record(2);
	memset(much, 0, 3000000);
	add_bytes(much, 2500001);
	add_record(3);
	spool_out();
	take_all();
	free(much);
	assert_int_equal(ROWS, 3);
}

static void
random_bytes_end(void **state)
{
	(void)state;
	srand(3);
	for (unsigned i = 0; i < 50; i++) {
		for (int n = rand() % 500; n > 0; n--)
			buf_add_byte(&world.spool, (char)(rand() % 4 ? rand() % 3 : rand()));
		add_record(i);
		spool_out();
		take_all();
	}
	/* A record may fall to what stands before it, never more. */
	assert_in_range(SESSIONS, 40, 51);
}

/* What is still being written is waited for; what never comes is given up. */
static void
an_incomplete_record_is_waited_for(void **state)
{
	struct buf rest = BUF_INIT;

	(void)state;
	add_record(1);
	add_record(2);
	buf_add(&rest, world.spool.data + world.spool.len - 7, 7);
	world.spool.len -= 7;
	spool_out();
	assert_int_equal(take(1000, false, true), 1);
	assert_int_equal(take(1500, false, true), 0);
	buf_add_slice(&world.spool, buf_slice(&rest));
	spool_out();
	assert_int_equal(take(5000, false, true), 1);
	add_torn(3, 20);
	spool_out();
	assert_int_equal(take(6000, false, true), 0);
	assert_true(journal_waits(&world.journal));
	assert_int_equal(take(9000, false, true), 1);
	assert_false(journal_waits(&world.journal));
	assert_int_equal(ROWS, 2);
	buf_deinit(&rest);
}

/* The file is written over in its middle or at its beginning. */
static void
a_damaged_database_is_moved_aside(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		add_record(i);
	spool_out();
	take_all();
	for (unsigned i = 50; i < 60; i++)
		add_record(i);
	spool_out();
	journal_close(&world.journal);
	store_close(&world.store);
	char db[160];
	snprintf(db, sizeof(db), "%s/%s", world.folder, LEDGER_FILE);
	int fd = open(db, O_WRONLY);
	assert_int_equal(write(fd, "this is no database at all", 26), 26);
	close(fd);
	assert_int_equal(store_open(&world.store, world.folder), 0);
	assert_int_equal(journal_open(&world.journal, &world.store, world.folder, true), 0);
	take_all();
	/* What had been taken was punched out. */
	assert_int_equal(ROWS, 10);
	assert_int_equal(SESSIONS, 10);
	assert_int_equal(query("PRAGMA user_version"), LEDGER_SCHEMA);
}

static void
another_schema_is_left_alone(void **state)
{
	struct store other;

	(void)state;
	assert_int_equal(sqlite3_exec(world.store.db, "PRAGMA user_version = 99", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(store_open(&other, world.folder), -EPROTONOSUPPORT);
	store_close(&other);
	assert_int_equal(query("PRAGMA user_version"), 99);
}

static void
rows_of_quotas(void **state)
{
	struct quota_row row = {10, 2, 3, 1, 1700000000000, false}, got;

	(void)state;
	assert_int_equal(store_get_quota(&world.store, SLICE("bob"), &got), STORE_NONE);
	assert_int_equal(store_set_quota(&world.store, SLICE("bob"), &row), 0);
	row.bytes = 12;
	assert_int_equal(store_set_quota(&world.store, SLICE("bob"), &row), 0);
	assert_int_equal(store_get_quota(&world.store, SLICE("bob"), &got), 0);
	assert_memory_equal(&row, &got, sizeof(row));
	assert_int_equal(store_distrust_quotas(&world.store), 0);
	assert_int_equal(store_get_quota(&world.store, SLICE("bob"), &got), 0);
	assert_true(got.open && got.bytes == 12 && got.reserved_bytes == 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_become_rows),
		TEST(no_record_is_lost_or_doubled),
		TEST(a_spool_that_was_taken_is_cut_where_nobody_writes),
		TEST(a_cut_that_was_broken_off),
		TEST(what_is_no_record_is_passed_by),
		TEST(much_that_is_no_record),
		TEST(random_bytes_end),
		TEST(an_incomplete_record_is_waited_for),
		TEST(a_damaged_database_is_moved_aside),
		TEST(another_schema_is_left_alone),
		TEST(rows_of_quotas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
