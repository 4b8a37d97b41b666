/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Uploads by the pump: what came is in the file, however it ends, and no more than a quota or a
 * range allows. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pump_ends.h"

/* The client sends so much, and the pump has read it. */
static void
arrives(struct transfer_seen *seen, const char *bytes, size_t n)
{
	uint64_t until = now_ms() + 20000;

	assert_int_equal(send(seen->client, bytes, n, 0), (ssize_t)n);
	while (pump_moved(seen->pump) < n && now_ms() < until)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(pump_moved(seen->pump), n);
}

static void
files_are_received(void **state)
{
	char *sent = malloc(MOST), *want = malloc(MOST + 9);

	(void)state;
	make_text(sent, MOST);
	for (size_t i = 60; i + 1 < MOST; i += 61)
		sent[i - 1] = '\r';
	sent[MOST - 1] = '\r';
	for (size_t i = 0; i < SIZES * 8; i++) {
		size_t n = sizes[i / 8];
		bool ascii = i & 1;
		struct ascii st = ASCII_INIT;
		struct transfer_seen seen;
		size_t wants = ascii ? ascii_decode(&st, sent, n, want) : n;
		if (ascii)
			wants += ascii_decode_end(&st, want + wants);
		start(&seen, RECEIVE(.fd = file_of_class(classes[i / 2 % 4]), .ascii = ascii));
		feed_and_run(&seen, sent, n);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_int_equal(seen.result.bytes, n);
		assert_file_is(seen.file, ascii ? want : sent, wants);
		close_ends(&seen);
	}
	free(sent);
	free(want);
}

static void
a_cut_comes_first(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct transfer_seen seen;
		int fd = file_of_class(classes[i]);
		assert_int_equal(write(fd, "0123456789", 10), 10);
		start(&seen, RECEIVE(.fd = fd, .offset = 4, .cut = true));
		feed_and_run(&seen, "ab", 2);
		assert_file_is(seen.file, "0123ab", 6);
		close_ends(&seen);
	}
}

/* The pages of a large file in memory are freed by the pool, where it is cut and where it is
 * closed. */
static void
much_memory_is_freed_aside(void **state)
{
	(void)state;
	for (unsigned large = 0; large <= 1; large++) {
		struct transfer_seen seen;
		int fd = file_of_class(FILE_MEMORY);
		assert_int_equal(ftruncate(fd, large ? 64 << 20 : 1 << 20), 0);
		struct file *f = file_new(pool, &pumps.classes, dup(fd), uv_now(&loop), NULL, NULL);
		file_free(&f, NULL, 0, 0);
		assert_int_equal(pool_jobs(pool), large);
		while (pool_jobs(pool) > 0)
			uv_run(&loop, UV_RUN_ONCE);
		start(&seen, RECEIVE(.fd = fd, .cut = true));
		assert_int_equal(pool_jobs(pool), large);
		feed_and_run(&seen, "ab", 2);
		assert_file_is(seen.file, "ab", 2);
		close_ends(&seen);
	}
}

/* A range keeps what is outside of it. */
static void
a_length_is_a_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct transfer_seen seen;
		int fd = file_of_class(classes[i]);
		assert_int_equal(write(fd, "0123456789", 10), 10);
		start(&seen, RECEIVE(.fd = fd, .offset = 4, .length = 3));
		feed_and_run(&seen, "abcdef", 6);
		assert_int_equal(seen.result.end, TRANSFER_FILE_ERROR);
		for (int turn = 0; turn < 20; turn++) {
			uv_run(&loop, UV_RUN_NOWAIT);
			usleep(1000);
		}
		assert_file_is(seen.file, "0123abc789", 10);
		close_ends(&seen);
	}
}

/* What had come before the end stays in the file: the client goes on from there. */
static void
a_stopped_upload_keeps_its_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct transfer_seen seen;
		struct pump *p = start(&seen, RECEIVE(.fd = file_of_class(classes[i])));
		arrives(&seen, "abc", 3);
		pump_stop(p, TRANSFER_ABORTED, 0);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_ABORTED);
		assert_true(seen.has_file);
		assert_int_equal(seen.result.size, 3);
		assert_file_is(seen.file, "abc", 3);
		close_ends(&seen);
	}
}

/* write() fails: the errno is told, and it is not taken for a whole upload. */
static void
a_file_error_is_told(void **state)
{
	static const char path[] = "/proc/self/fd/%d";

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct transfer_seen seen;
		char name[64];
		int fd = file_of_class(classes[i]);
		snprintf(name, sizeof(name), path, fd);
		/* A descriptor that can't be written to. */
		int read_only = open(name, O_RDONLY | O_CLOEXEC);
		assert_true(read_only >= 0);
		close(fd);
		start(&seen, RECEIVE(.fd = read_only));
		feed_and_run(&seen, "abc", 3);
		assert_int_equal(seen.result.end, TRANSFER_FILE_ERROR);
		assert_int_equal(seen.result.error, -EBADF);
		close_ends(&seen);
	}
}

static int sync_errno;

int
fdatasync(int fd)
{
	errno = sync_errno;
	return sync_errno ? -1 : fsync(fd);
}

/* With it is told that nobody knows what of the file is on disk. */
static void
a_sync_that_fails_is_told(void **state)
{
	char *bytes = malloc(2 << 20);

	(void)state;
	memset(bytes, 'x', 2 << 20);
	for (unsigned i = 0; i < 2; i++) {
		struct transfer_seen seen;
		sync_errno = i ? EIO : 0;
		start(&seen, RECEIVE(.fd = file_of_class(FILE_LOCAL), .sync = true));
		feed_and_run(&seen, bytes, 2 << 20);
		assert_int_equal(seen.result.end, i ? TRANSFER_FILE_ERROR : TRANSFER_COMPLETE);
		assert_int_equal(seen.result.error, i ? -EIO : 0);
		assert_int_equal(seen.result.lost, i);
		close_ends(&seen);
	}
	sync_errno = 0;
	free(bytes);
}

/* An upload gets so much of its quota at a time, and no byte more. */
static void
a_quota_is_kept(void **state)
{
	static const struct {
		uint64_t reserved, left, at_a_time;
		int refusal;
		size_t n; /* bytes that are sent */
		enum transfer_end end;
	} cases[] = {
		{1, 0, 1, -EDQUOT, 1, TRANSFER_COMPLETE},
		{1, 0, 1, -EDQUOT, 2, TRANSFER_QUOTA},
		{1000, 2000000, 65536, -EDQUOT, 2001000, TRANSFER_COMPLETE},
		{1000, 2000000, 65536, -EDQUOT, 2001001, TRANSFER_QUOTA},
		{1000, 2000000, 1000000, -EDQUOT, MOST, TRANSFER_QUOTA},
		{1 << 20, 1 << 30, 1 << 20, -EDQUOT, MOST, TRANSFER_COMPLETE},
		/* The ledger is lost: what is reserved may be used up. */
		{1 << 20, 0, 1, -EIO, 1 << 20, TRANSFER_COMPLETE},
		{1 << 20, 0, 1, -EIO, MOST, TRANSFER_FILE_ERROR},
	};
	char *bytes = malloc(MOST);

	(void)state;
	make_text(bytes, MOST);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 4; i++) {
		struct transfer_seen seen;
		size_t c = i / 4;
		uint64_t most = cases[c].reserved + cases[c].left;
		start(&seen,
		      RECEIVE(.fd = file_of_class(classes[i % 4]), .reserved = cases[c].reserved));
		seen.left = cases[c].left;
		seen.at_a_time = cases[c].at_a_time;
		seen.refusal = cases[c].refusal;
		feed_and_run(&seen, bytes, cases[c].n);
		assert_int_equal(seen.result.end, cases[c].end);
		assert_int_equal(seen.result.error, cases[c].end == TRANSFER_FILE_ERROR ? -EIO : 0);
		assert_true(seen.has_file && seen.result.sure);
		assert_file_is(seen.file, bytes, cases[c].n < most ? cases[c].n : most);
		assert_int_equal(seen.result.grown, seen.result.size);
		close_ends(&seen);
	}
	free(bytes);
}

/* The last of a quota comes in a burst, and its digest is the pool's work: the end is told later,
 * and nothing is awaited of the socket meanwhile. */
static void
a_quota_ends_in_the_pool(void **state)
{
	static const char bytes[150 * 1024];
	const uint64_t quota = 100 * 1024;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct transfer_seen seen;
		start(&seen, RECEIVE(.fd = file_of_class(FILE_MEMORY), .reserved = quota,
				     .digest = WORD_digest_sha256));
		seen.at_a_time = 1;
		seen.refusal = i == 0 ? -EDQUOT : -EIO;
		arrives(&seen, bytes, 3);
		answer_more(&seen);
		assert_int_equal(send(seen.client, bytes, sizeof(bytes), 0), sizeof(bytes));
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, i == 0 ? TRANSFER_QUOTA : TRANSFER_FILE_ERROR);
		assert_int_equal(seen.result.size, quota);
		assert_int_equal(lseek(seen.file, 0, SEEK_END), quota);
		close_ends(&seen);
	}
}

/* Bytes that came for a file that was removed meanwhile: how many went with it is not known. */
static void
a_file_that_goes_is_not_sure(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char path[] = "/tmp/wharf-pump-XXXXXX";
		struct transfer_seen seen;
		start(&seen, RECEIVE(.fd = mkstemp(path)));
		arrives(&seen, "abc", 3);
		if (i == 1)
			unlink(path);
		assert_int_equal(send(seen.client, "def", 3, 0), 3);
		shutdown(seen.client, SHUT_WR);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_int_equal(seen.result.grown, 6);
		assert_int_equal(seen.result.sure, i == 0);
		if (i == 0)
			unlink(path);
		close_ends(&seen);
	}
}

static atomic_bool hangs;

static void
hang(struct pool_job *job)
{
	(void)job;
	while (atomic_load(&hangs))
		usleep(1000);
}

static void
hung(struct pool_job *job)
{
	(void)job;
}

/* A write that does not end does not keep the end from being told; when it goes on after all, what
 * came is in the file. */
static void
a_hanging_write_is_not_waited_for(void **state)
{
	static struct pool_job jobs[8];
	struct transfer_seen seen;
	struct stat st = {0};

	(void)state;
	atomic_store(&hangs, true);
	for (size_t i = 0; i < 8; i++) {
		jobs[i] = (struct pool_job){hang, hung, NULL};
		pool_run(pool, &jobs[i]);
	}
	struct pump *p = start(&seen, RECEIVE(.fd = file_of_class(FILE_REMOTE)));
	arrives(&seen, "abc", 3);
	uint64_t began = now_ms();
	pump_stop(p, TRANSFER_ABORTED, 0);
	run(&seen, NULL, 0, NULL);
	assert_in_range(now_ms() - began, 900, 15000);
	assert_int_equal(seen.result.end, TRANSFER_ABORTED);
	assert_false(seen.has_file || seen.result.sure);
	atomic_store(&hangs, false);
	for (int turn = 0; turn < 5000 && st.st_size < 3; turn++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(1000);
		assert_int_equal(fstat(seen.file, &st), 0);
	}
	assert_file_is(seen.file, "abc", 3);
	close_ends(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PUMP_TEST(files_are_received),
		PUMP_TEST(a_cut_comes_first),
		PUMP_TEST(much_memory_is_freed_aside),
		PUMP_TEST(a_length_is_a_limit),
		PUMP_TEST(a_stopped_upload_keeps_its_bytes),
		PUMP_TEST(a_file_error_is_told),
		PUMP_TEST(a_sync_that_fails_is_told),
		PUMP_TEST(a_quota_is_kept),
		PUMP_TEST(a_quota_ends_in_the_pool),
		PUMP_TEST(a_file_that_goes_is_not_sure),
		PUMP_TEST(a_hanging_write_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
