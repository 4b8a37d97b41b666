/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The pump between a TCP connection and files, on every kind of file system that it tells apart. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/fd.h>

#include "pump.h"

#define STALL_MS 60000

static uv_loop_t loop;
static struct watcher watcher;
static struct pool *pool;
static struct turns turns;
static struct digests digests;
static struct pumps pumps;

/* What the owner of a pump was told, and the client's end. */
struct transfer_seen {
	int client;
	int told;
	struct pump_result result; /* its descriptor is closed already */
	char digest[HASH_TEXT];
	bool has_file; /* there was one */
	bool aside;    /* the pool read, at last */
	struct pump *pump;
	/* How much is left of the quota, how much of it is granted at a time, and what is said when
	 * it is spent. */
	uint64_t left, at_a_time;
	int refusal;
	bool asked; /* and not answered */
};

static int
begin(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_non_null(pool = pool_new(&loop, 8));
	assert_int_equal(turns_init(&turns, &loop, 8, &watcher.told), 0);
	assert_int_equal(digests_init(&digests), 0);
	assert_int_equal(watcher_init(&watcher, &loop), 0);
	return pumps_init(&pumps, &loop, &watcher, pool, &turns, &digests);
}

/* Nothing may be left: no handle, no descriptor, no byte. */
static int
end(void **state)
{
	(void)state;
	pumps_close(&pumps);
	turns_close(&turns);
	watcher_close(&watcher);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(pumps.running, 0);
	assert_int_equal(pool_free(pool, 2000), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	pumps_deinit(&pumps);
	digests_deinit(&digests);
	return 0;
}

static void
answer_more(struct transfer_seen *seen)
{
	uint64_t n = seen->left < seen->at_a_time ? seen->left : seen->at_a_time;

	if (!seen->asked || seen->told)
		return;
	seen->asked = false;
	seen->left -= n;
	pump_granted(seen->pump, n ? 0 : seen->refusal, n);
}

static void
on_ended(void *owner, const struct pump_result *result, const char *digest)
{
	struct transfer_seen *seen = owner;

	int fd = result->fd;

	seen->told++;
	seen->result = *result;
	snprintf(seen->digest, sizeof(seen->digest), "%s", digest);
	seen->has_file = fd >= 0;
	seen->aside = seen->pump->reads_aside;
	/* Nothing is at work on it: who gets it may do with it what he likes. */
	fd_close(&fd);
}

/* Every other answer comes from within the question. */
static void
on_more(void *owner, uint64_t bytes)
{
	struct transfer_seen *seen = owner;

	assert_false(seen->asked);
	assert_true(bytes > 0);
	seen->asked = true;
	if (seen->left / seen->at_a_time % 2)
		answer_more(seen);
}

static const struct pump_calls calls = {.ended = on_ended, .more = on_more};

static void
tcp_pair(int pair[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&at, &len), 0);
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(pair[0], (struct sockaddr *)&at, len), 0);
	pair[1] = accept(l, NULL, NULL);
	assert_true(pair[1] >= 0);
	assert_int_equal(fd_set_nonblocking(pair[0], true), 0);
	assert_int_equal(fd_set_nonblocking(pair[1], true), 0);
	close(l);
}

/* A file in memory that is taken for one of that class. */
static int file_of_class(enum file_class class)
{
	int fd = memfd_create("pump", MFD_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	memset(&pumps.classes, 0, sizeof(pumps.classes));
	if (class != FILE_UNKNOWN) {
		pumps.classes.row[0].device = st.st_dev;
		pumps.classes.row[0].seen = uv_now(&loop);
		pumps.classes.row[0].class = class;
	}
	return fd;
}

static struct pump *
start(struct transfer_seen *seen, struct transfer_plan plan, uint64_t stall)
{
	int pair[2];

	tcp_pair(pair);
	*seen = (struct transfer_seen){.client = pair[0]};
	uv_update_time(&loop);
	const struct pump_terms terms = {.stall_ms = stall};
	if (plan.reserved == 0)
		plan.reserved = UINT64_MAX;
	struct pump *p = pump_new(&pumps, pair[1], NULL, &plan, &terms, &calls, seen);
	assert_non_null(p);
	seen->pump = p;
	pump_begin(p);
	return p;
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Runs the loop until the owner is told; the client reads into `got` meanwhile.  Returns what it
 * read. */
static size_t
run(struct transfer_seen *seen, char *got, size_t room, bool *fin)
{
	uint64_t until = now_ms() + 20000;
	size_t n = 0;
	ssize_t r = -1;

	while ((!seen->told || (fin && r != 0)) && now_ms() < until) {
		uv_run(&loop, UV_RUN_NOWAIT);
		answer_more(seen);
		r = got ? recv(seen->client, got + n, room - n, MSG_DONTWAIT) : -1;
		n += r > 0 ? (size_t)r : 0;
		if (r < 0 && got && errno != EAGAIN)
			break;
	}
	if (fin)
		*fin = r == 0;
	assert_int_equal(seen->told, 1);
	return n;
}

static const size_t sizes[] = {0,      1,      65535,  65536,  65537,  131072, 262143,
			       262144, 262145, 524287, 524288, 524289, 3000001};
static const enum file_class classes[] = {FILE_UNKNOWN, FILE_MEMORY, FILE_LOCAL, FILE_REMOTE};

/* Lines of all lengths, with CRs that must stay. */
static void
make_text(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = i % 61 == 60 ? '\n' : i % 127 == 5 ? '\r' : (char)('a' + i % 25);
}

/* A file of that class with those bytes goes out whole, translated or not. */
static void
assert_is_sent(struct transfer_seen *seen, enum file_class class, const char *bytes, size_t n,
	       bool ascii)
{
	char *wire = malloc(2 * n + 1), *got = malloc(2 * n + 8);
	struct ascii st = ASCII_INIT;
	int fd = file_of_class(class);
	bool fin;

	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	size_t wires = ascii ? ascii_encode(&st, bytes, n, wire) : n;
	start(seen,
	      (struct transfer_plan){
		      .kind = TRANSFER_SEND_FILE, .fd = fd, .ascii = ascii, .length = UINT64_MAX},
	      STALL_MS);
	assert_int_equal(run(seen, got, 2 * n + 8, &fin), wires);
	assert_true(fin);
	assert_memory_equal(got, ascii ? wire : bytes, wires);
	assert_int_equal(seen->result.end, TRANSFER_COMPLETE);
	assert_int_equal(seen->result.bytes, wires);
	close(seen->client);
	free(wire);
	free(got);
}

static void
files_are_sent(void **state)
{
	char *bytes = malloc(3000001);

	(void)state;
	make_text(bytes, 3000001);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 8; i++) {
		struct transfer_seen seen;
		assert_is_sent(&seen, classes[i / 2 % 4], bytes, sizes[i / 8], i & 1);
	}
	free(bytes);
}

/* From here on the page cache has nothing of any file. */
static off_t cold_from = INT64_MAX;

ssize_t
preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	assert_int_equal(flags, RWF_NOWAIT);
	if (offset >= cold_from) {
		errno = EAGAIN;
		return -1;
	}
	return preadv(fd, iov, n, offset);
}

/* A file of a disk goes from memory as far as it is there, and the rest is read by the pool. */
static void
the_pool_reads_what_is_cold(void **state)
{
	static const off_t colds[] = {0, 1000000, 2097152, 2800000, INT64_MAX};
	char *bytes = malloc(3000001);

	(void)state;
	make_text(bytes, 3000001);
	for (size_t i = 0; i < sizeof(colds) / sizeof(colds[0]) * 4; i++) {
		struct transfer_seen seen;
		/* Where many are at work blocks are smaller. */
		unsigned others = i & 2 ? 1000 : 0;
		cold_from = colds[i / 4];
		pumps.running += others;
		assert_is_sent(&seen, FILE_LOCAL, bytes, 3000001, i & 1);
		pumps.running -= others;
		assert_int_equal(seen.aside, cold_from < INT64_MAX);
	}
	cold_from = INT64_MAX;
	free(bytes);
}

/* Feeds the pump in pieces of odd sizes; then FIN. */
static void
feed(struct transfer_seen *seen, const char *p, size_t n)
{
	for (size_t at = 0, piece = 1; at < n && !seen->told; piece = piece * 3 % 300007 + 1) {
		ssize_t r = send(seen->client, p + at, piece < n - at ? piece : n - at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		at += r > 0 ? (size_t)r : 0;
		uv_run(&loop, UV_RUN_NOWAIT);
		answer_more(seen);
	}
	shutdown(seen->client, SHUT_WR);
}

static void
assert_file_is(int fd, const char *want, size_t n)
{
	struct stat st;
	char *got = malloc(n + 1);

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, n);
	assert_int_equal(pread(fd, got, n, 0), (ssize_t)n);
	assert_memory_equal(got, want, n);
	free(got);
}

static void
files_are_received(void **state)
{
	char *sent = malloc(3000001), *want = malloc(3000010);

	(void)state;
	make_text(sent, 3000001);
	for (size_t i = 60; i + 1 < 3000001; i += 61)
		sent[i - 1] = '\r';
	sent[3000000] = '\r';
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 8; i++) {
		size_t n = sizes[i / 8];
		bool ascii = i & 1;
		struct ascii st = ASCII_INIT;
		struct transfer_seen seen;
		int fd = file_of_class(classes[i / 2 % 4]), mine = dup(fd);
		size_t wants = ascii ? ascii_decode(&st, sent, n, want) : n;
		if (ascii)
			wants += ascii_decode_end(&st, want + wants);
		start(&seen,
		      (struct transfer_plan){.kind = TRANSFER_RECEIVE,
					     .fd = fd,
					     .ascii = ascii,
					     .length = UINT64_MAX},
		      STALL_MS);
		feed(&seen, sent, n);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_int_equal(seen.result.bytes, n);
		assert_file_is(mine, ascii ? want : sent, wants);
		close(seen.client);
		close(mine);
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
		int fd = file_of_class(classes[i]), mine = dup(fd);
		assert_int_equal(write(fd, "0123456789", 10), 10);
		start(&seen,
		      (struct transfer_plan){.kind = TRANSFER_RECEIVE,
					     .fd = fd,
					     .offset = 4,
					     .cut = true,
					     .length = UINT64_MAX},
		      STALL_MS);
		feed(&seen, "ab", 2);
		run(&seen, NULL, 0, NULL);
		assert_file_is(mine, "0123ab", 6);
		close(seen.client);
		close(mine);
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
		int fd = file_of_class(FILE_MEMORY), mine = dup(fd);
		assert_int_equal(ftruncate(fd, large ? 64 << 20 : 1 << 20), 0);
		struct file *f = file_new(pool, &pumps.classes, dup(fd), uv_now(&loop), NULL, NULL);
		file_free(&f, NULL, 0, 0);
		assert_int_equal(pool_jobs(pool), large);
		while (pool_jobs(pool) > 0)
			uv_run(&loop, UV_RUN_ONCE);
		start(&seen,
		      (struct transfer_plan){.kind = TRANSFER_RECEIVE,
					     .fd = fd,
					     .cut = true,
					     .length = UINT64_MAX},
		      STALL_MS);
		assert_int_equal(pool_jobs(pool), large);
		feed(&seen, "ab", 2);
		run(&seen, NULL, 0, NULL);
		assert_file_is(mine, "ab", 2);
		close(seen.client);
		close(mine);
	}
}

/* A range keeps what is outside of it. */
static void
a_length_is_a_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct transfer_seen seen;
		int fd = file_of_class(classes[i]), mine = dup(fd);
		assert_int_equal(write(fd, "0123456789", 10), 10);
		start(&seen,
		      (struct transfer_plan){
			      .kind = TRANSFER_RECEIVE, .fd = fd, .offset = 4, .length = 3},
		      STALL_MS);
		feed(&seen, "abcdef", 6);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_FILE_ERROR);
		for (int turn = 0; turn < 20; turn++) {
			uv_run(&loop, UV_RUN_NOWAIT);
			usleep(1000);
		}
		assert_file_is(mine, "0123abc789", 10);
		close(seen.client);
		close(mine);
	}
}

static void
a_file_that_shrinks_is_told(void **state)
{
	char *got = malloc(9 << 20);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct transfer_seen seen;
		bool fin;
		int fd = file_of_class(classes[i]), mine = dup(fd);
		assert_int_equal(ftruncate(fd, 8 << 20), 0);
		start(&seen,
		      (struct transfer_plan){
			      .kind = TRANSFER_SEND_FILE, .fd = fd, .length = UINT64_MAX},
		      STALL_MS);
		assert_int_equal(ftruncate(mine, 1000), 0);
		assert_true(run(&seen, got, 9 << 20, &fin) < 8 << 20);
		assert_int_equal(seen.result.end, TRANSFER_FILE_SHRANK);
		/* FIN would say that the file ends here. */
		assert_false(fin);
		close(seen.client);
		close(mine);
	}
	free(got);
}

static void
a_rate_is_kept(void **state)
{
	char *got = malloc(400000);

	(void)state;
	for (int upload = 0; upload <= 1; upload++) {
		struct transfer_seen seen;
		int fd = file_of_class(FILE_MEMORY), mine = dup(fd);
		memset(got, 'x', 300000);
		if (!upload)
			assert_int_equal(write(fd, got, 300000), 300000);
		uint64_t began = now_ms();
		start(&seen,
		      (struct transfer_plan){.kind = upload ? TRANSFER_RECEIVE : TRANSFER_SEND_FILE,
					     .fd = fd,
					     .length = UINT64_MAX,
					     .rate = 200000},
		      STALL_MS);
		if (upload)
			feed(&seen, got, 300000);
		run(&seen, upload ? NULL : got, 400000, NULL);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_int_equal(seen.result.bytes, 300000);
		assert_in_range(now_ms() - began, 1300, 2200);
		close(seen.client);
		close(mine);
	}
	free(got);
}

static void
a_stall_is_ended(void **state)
{
	(void)state;
	for (int upload = 0; upload <= 1; upload++) {
		struct transfer_seen seen;
		int fd = file_of_class(FILE_MEMORY);
		assert_int_equal(ftruncate(fd, 64 << 20), 0);
		uint64_t began = now_ms();
		start(&seen,
		      (struct transfer_plan){.kind = upload ? TRANSFER_RECEIVE : TRANSFER_SEND_FILE,
					     .fd = fd,
					     .length = UINT64_MAX},
		      1000);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_STALLED);
		assert_in_range(now_ms() - began, 950, 3500);
		close(seen.client);
	}
}

static void
a_reset_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct transfer_seen seen;
		struct linger reset = {1, 0};
		int fd = file_of_class(classes[i / 2]);
		assert_int_equal(ftruncate(fd, 64 << 20), 0);
		start(&seen,
		      (struct transfer_plan){.kind = i & 1 ? TRANSFER_RECEIVE : TRANSFER_SEND_FILE,
					     .fd = fd,
					     .length = UINT64_MAX},
		      STALL_MS);
		setsockopt(seen.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(seen.client);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_RESET);
	}
}

/* What had come before the end stays in the file: the client goes on from there. */
static void
a_stopped_upload_keeps_its_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct transfer_seen seen;
		int fd = file_of_class(classes[i]), mine = dup(fd);
		struct pump *p = start(&seen,
				       (struct transfer_plan){.kind = TRANSFER_RECEIVE,
							      .fd = fd,
							      .length = UINT64_MAX},
				       STALL_MS);
		assert_int_equal(send(seen.client, "abc", 3, 0), 3);
		for (int turn = 0; turn < 100 && pump_moved(p) < 3; turn++) {
			uv_run(&loop, UV_RUN_NOWAIT);
			usleep(1000);
		}
		pump_stop(p, TRANSFER_ABORTED, 0);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_ABORTED);
		assert_true(seen.has_file);
		assert_int_equal(seen.result.size, 3);
		assert_file_is(mine, "abc", 3);
		close(seen.client);
		close(mine);
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
		start(&seen,
		      (struct transfer_plan){
			      .kind = TRANSFER_RECEIVE, .fd = read_only, .length = UINT64_MAX},
		      STALL_MS);
		feed(&seen, "abc", 3);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_FILE_ERROR);
		assert_int_equal(seen.result.error, -EBADF);
		close(seen.client);
	}
}

static const enum word_digest algorithms[] = {WORD_digest_crc32, WORD_digest_sha256,
					      WORD_digest_sha512, WORD_digest_blake2b};

static void
assert_digest_is(const struct transfer_seen *seen, enum word_digest which, const char *bytes,
		 size_t n)
{
	struct hash h;
	char want[HASH_TEXT];

	assert_int_equal(hash_begin_named(&h, &digests, which), 0);
	hash_add(&h, bytes, n);
	assert_true(hash_end_named(&h, which, want) > 0);
	assert_string_equal(seen->digest, want);
}

/* A digest is of the file's bytes, also in TYPE A, and in the order of the file, whoever reads or
 * writes them. */
static void
what_passes_is_hashed(void **state)
{
	char *bytes = malloc(3000001), *got = malloc(6000010), *want = malloc(3000010);

	(void)state;
	make_text(bytes, 3000001);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 16; i++) {
		size_t n = sizes[i / 16];
		bool ascii = i / 4 & 1, fin;
		struct transfer_seen seen;
		struct ascii st = ASCII_INIT;
		struct transfer_plan plan = {.fd = file_of_class(classes[i % 4]),
					     .ascii = ascii,
					     .digest = algorithms[i / 4 % 4],
					     .sync = i & 1,
					     .length = UINT64_MAX,
					     .kind = TRANSFER_RECEIVE};
		int mine = dup(plan.fd);
		size_t wants = ascii ? ascii_decode(&st, bytes, n, want) : n;
		if (ascii)
			wants += ascii_decode_end(&st, want + wants);
		start(&seen, plan, STALL_MS);
		feed(&seen, bytes, n);
		run(&seen, NULL, 0, NULL);
		close(seen.client);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_int_equal(seen.result.size, wants);
		assert_int_equal(seen.result.grown, wants);
		assert_digest_is(&seen, plan.digest, ascii ? want : bytes, wants);

		plan.kind = TRANSFER_SEND_FILE;
		plan.fd = mine;
		start(&seen, plan, STALL_MS);
		run(&seen, got, 6000010, &fin);
		close(seen.client);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_digest_is(&seen, plan.digest, ascii ? want : bytes, wants);
	}
	free(bytes);
	free(got);
	free(want);
}

/* An upload that begins at an offset, or ends before the file does: the digest is of all of the
 * file. */
static void
what_was_there_is_hashed_too(void **state)
{
	static const struct {
		uint64_t offset, length;
		bool cut;
		const char *want;
	} cases[] = {
		{4, UINT64_MAX, true, "0123ab"},      {4, UINT64_MAX, false, "0123ab6789"},
		{0, UINT64_MAX, false, "ab23456789"}, {10, UINT64_MAX, false, "0123456789ab"},
		{0, 2, false, "ab23456789"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 8; i++) {
		struct transfer_seen seen;
		size_t c = i / 8, n = strlen(cases[c].want);
		int fd = file_of_class(classes[i % 4]), mine = dup(fd);
		assert_int_equal(write(fd, "0123456789", 10), 10);
		/* Where the file can't be read there is no digest. */
		if (i / 4 & 1) {
			char name[64];
			snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
			fd = open(name, O_WRONLY | O_CLOEXEC);
			assert_true(fd >= 0);
		}
		start(&seen,
		      (struct transfer_plan){.kind = TRANSFER_RECEIVE,
					     .fd = fd,
					     .offset = cases[c].offset,
					     .length = cases[c].length,
					     .cut = cases[c].cut,
					     .digest = WORD_digest_sha256},
		      STALL_MS);
		feed(&seen, "ab", 2);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
		assert_file_is(mine, cases[c].want, n);
		assert_int_equal(seen.result.grown, (int64_t)n - 10);
		if (i / 4 & 1)
			assert_string_equal(seen.digest, "");
		else
			assert_digest_is(&seen, WORD_digest_sha256, cases[c].want, n);
		close(seen.client);
		close(mine);
	}
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
		{1000, 2000000, 1000000, -EDQUOT, 3000001, TRANSFER_QUOTA},
		{1 << 20, 1 << 30, 1 << 20, -EDQUOT, 3000001, TRANSFER_COMPLETE},
		/* The ledger is lost: what is reserved may be used up. */
		{1 << 20, 0, 1, -EIO, 1 << 20, TRANSFER_COMPLETE},
		{1 << 20, 0, 1, -EIO, 3000001, TRANSFER_FILE_ERROR},
	};
	char *bytes = malloc(3000001);

	(void)state;
	make_text(bytes, 3000001);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 4; i++) {
		struct transfer_seen seen;
		size_t c = i / 4;
		uint64_t most = cases[c].reserved + cases[c].left;
		int fd = file_of_class(classes[i % 4]), mine = dup(fd);
		struct transfer_plan plan = {.kind = TRANSFER_RECEIVE,
					     .fd = fd,
					     .length = UINT64_MAX,
					     .reserved = cases[c].reserved};
		start(&seen, plan, STALL_MS);
		seen.left = cases[c].left;
		seen.at_a_time = cases[c].at_a_time;
		seen.refusal = cases[c].refusal;
		feed(&seen, bytes, cases[c].n);
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, cases[c].end);
		assert_int_equal(seen.result.error, cases[c].end == TRANSFER_FILE_ERROR ? -EIO : 0);
		assert_true(seen.has_file && seen.result.sure);
		assert_file_is(mine, bytes, cases[c].n < most ? cases[c].n : most);
		assert_int_equal(seen.result.grown, seen.result.size);
		close(seen.client);
		close(mine);
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
		int fd = file_of_class(FILE_MEMORY), mine = dup(fd);
		struct pump *p = start(&seen,
				       (struct transfer_plan){.kind = TRANSFER_RECEIVE,
							      .fd = fd,
							      .length = UINT64_MAX,
							      .reserved = quota,
							      .digest = WORD_digest_sha256},
				       STALL_MS);
		seen.at_a_time = 1;
		seen.refusal = i == 0 ? -EDQUOT : -EIO;
		assert_int_equal(send(seen.client, bytes, 3, 0), 3);
		while (pump_moved(p) < 3)
			uv_run(&loop, UV_RUN_NOWAIT);
		answer_more(&seen);
		assert_int_equal(send(seen.client, bytes, sizeof(bytes), 0), sizeof(bytes));
		run(&seen, NULL, 0, NULL);
		assert_int_equal(seen.result.end, i == 0 ? TRANSFER_QUOTA : TRANSFER_FILE_ERROR);
		assert_int_equal(seen.result.size, quota);
		assert_int_equal(lseek(mine, 0, SEEK_END), quota);
		close(seen.client);
		close(mine);
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

/* Bytes that came for a file that was removed meanwhile: how many went with it is not known. */
static void
a_file_that_goes_is_not_sure(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char path[] = "/tmp/wharf-pump-XXXXXX";
		struct transfer_seen seen;
		int fd = mkstemp(path);
		struct pump *p = start(&seen,
				       (struct transfer_plan){.kind = TRANSFER_RECEIVE,
							      .fd = fd,
							      .length = UINT64_MAX},
				       STALL_MS);
		assert_int_equal(send(seen.client, "abc", 3, 0), 3);
		while (pump_moved(p) < 3)
			uv_run(&loop, UV_RUN_NOWAIT);
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
		close(seen.client);
	}
}

/* A write that does not end does not keep the end from being told; when it goes on after all, what
 * came is in the file. */
static void
a_hanging_write_is_not_waited_for(void **state)
{
	static struct pool_job jobs[8];
	struct transfer_seen seen;
	struct stat st = {0};
	int fd = file_of_class(FILE_REMOTE), mine = dup(fd);

	(void)state;
	atomic_store(&hangs, true);
	for (size_t i = 0; i < 8; i++) {
		jobs[i] = (struct pool_job){hang, hung, NULL};
		pool_run(pool, &jobs[i]);
	}
	struct pump *p = start(
		&seen,
		(struct transfer_plan){.kind = TRANSFER_RECEIVE, .fd = fd, .length = UINT64_MAX},
		STALL_MS);
	assert_int_equal(send(seen.client, "abc", 3, 0), 3);
	while (pump_moved(p) < 3)
		uv_run(&loop, UV_RUN_NOWAIT);
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
		assert_int_equal(fstat(mine, &st), 0);
	}
	assert_file_is(mine, "abc", 3);
	close(seen.client);
	close(mine);
}

/* Many at once share the loop. */
static void
nobody_starves(void **state)
{
	enum { MANY = 8 };
	struct transfer_seen seen[MANY];
	char *got = malloc(1 << 20);
	size_t most = 0, least = SIZE_MAX;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		int fd = file_of_class(FILE_MEMORY);
		assert_int_equal(ftruncate(fd, 64 << 20), 0);
		start(&seen[i],
		      (struct transfer_plan){
			      .kind = TRANSFER_SEND_FILE, .fd = fd, .length = UINT64_MAX},
		      STALL_MS);
	}
	size_t read[MANY] = {0};
	for (int turn = 0; turn < 200; turn++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		for (int i = 0; i < MANY; i++) {
			ssize_t n = recv(seen[i].client, got, 1 << 20, MSG_DONTWAIT);
			read[i] += n > 0 ? (size_t)n : 0;
		}
	}
	for (int i = 0; i < MANY; i++) {
		most = read[i] > most ? read[i] : most;
		least = read[i] < least ? read[i] : least;
		close(seen[i].client);
	}
	assert_true(least > 0 && most < 4 * least);
	free(got);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_are_sent),
		TEST(the_pool_reads_what_is_cold),
		TEST(files_are_received),
		TEST(a_cut_comes_first),
		TEST(much_memory_is_freed_aside),
		TEST(a_length_is_a_limit),
		TEST(a_file_that_shrinks_is_told),
		TEST(a_rate_is_kept),
		TEST(a_stall_is_ended),
		TEST(a_reset_is_told),
		TEST(a_stopped_upload_keeps_its_bytes),
		TEST(a_file_error_is_told),
		TEST(nobody_starves),
		TEST(what_passes_is_hashed),
		TEST(what_was_there_is_hashed_too),
		TEST(a_quota_is_kept),
		TEST(a_quota_ends_in_the_pool),
		TEST(a_file_that_goes_is_not_sure),
		TEST(a_hanging_write_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
