/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The two ends of a pump; see pump_ends.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/fd.h>

#include "pump_ends.h"

uv_loop_t loop;
struct pool *pool;
struct digests digests;
struct pumps pumps;
static struct watcher watcher;
static struct turns turns;

const size_t sizes[SIZES] = {0,      1,      65535,  65536,  65537,  131072, 262143,
			     262144, 262145, 524287, 524288, 524289, MOST};
const enum file_class classes[CLASSES] = {FILE_UNKNOWN, FILE_MEMORY, FILE_LOCAL, FILE_REMOTE};

int
pump_set_up(void **state)
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

int
pump_tear_down(void **state)
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

void
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

int file_of_class(enum file_class class)
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

struct pump *
start_within(struct transfer_seen *seen, struct transfer_plan plan, uint64_t stall)
{
	int pair[2];

	tcp_pair(pair);
	*seen = (struct transfer_seen){.client = pair[0], .file = dup(plan.fd)};
	uv_update_time(&loop);
	const struct pump_terms terms = {.stall_ms = stall};
	if (plan.reserved == 0)
		plan.reserved = UINT64_MAX;
	if (plan.length == 0)
		plan.length = UINT64_MAX;
	struct pump *p = pump_new(&pumps, pair[1], NULL, &plan, &terms, &calls, seen);
	assert_non_null(p);
	seen->pump = p;
	pump_begin(p);
	return p;
}

struct pump *
start(struct transfer_seen *seen, struct transfer_plan plan)
{
	return start_within(seen, plan, STALL_MS);
}

void
close_ends(struct transfer_seen *seen)
{
	fd_close(&seen->client);
	fd_close(&seen->file);
}

uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

size_t
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

void
make_text(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = i % 61 == 60 ? '\n' : i % 127 == 5 ? '\r' : (char)('a' + i % 25);
}

void
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

void
feed_and_run(struct transfer_seen *seen, const char *p, size_t n)
{
	feed(seen, p, n);
	run(seen, NULL, 0, NULL);
}

void
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
