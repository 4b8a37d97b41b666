/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Downloads by the pump: all that is there, in memory or not, and nothing that is not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "pump_ends.h"

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
	start(seen, SEND(.fd = fd, .ascii = ascii));
	assert_int_equal(run(seen, got, 2 * n + 8, &fin), wires);
	assert_true(fin);
	assert_memory_equal(got, ascii ? wire : bytes, wires);
	assert_int_equal(seen->result.end, TRANSFER_COMPLETE);
	assert_int_equal(seen->result.bytes, wires);
	close_ends(seen);
	free(wire);
	free(got);
}

static void
files_are_sent(void **state)
{
	char *bytes = malloc(MOST);

	(void)state;
	make_text(bytes, MOST);
	for (size_t i = 0; i < SIZES * 8; i++) {
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
	char *bytes = malloc(MOST);

	(void)state;
	make_text(bytes, MOST);
	for (size_t i = 0; i < sizeof(colds) / sizeof(colds[0]) * 4; i++) {
		struct transfer_seen seen;
		/* Where many are at work blocks are smaller. */
		unsigned others = i & 2 ? 1000 : 0;
		cold_from = colds[i / 4];
		pumps.running += others;
		assert_is_sent(&seen, FILE_LOCAL, bytes, MOST, i & 1);
		pumps.running -= others;
		assert_int_equal(seen.aside, cold_from < INT64_MAX);
	}
	cold_from = INT64_MAX;
	free(bytes);
}

/* While the client's FIN is awaited there is no use for the pipe of a listing any more. */
static void
who_lingers_keeps_the_socket_alone(void **state)
{
	struct transfer_seen seen;
	char got[8];
	int pipes[2];
	bool fin;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "abc", 3), 3);
	close(pipes[1]);
	start(&seen, (struct transfer_plan){.kind = TRANSFER_SEND_PIPE, .fd = pipes[0]});
	assert_int_equal(run(&seen, got, sizeof(got), &fin), 3);
	assert_int_equal(seen.result.end, TRANSFER_COMPLETE);
	assert_true(fin);
	assert_false(LIST_EMPTY(&pumps.all));
	assert_int_equal(fcntl(pipes[0], F_GETFD), -1);
	close_ends(&seen);
}

static void
a_file_that_shrinks_is_told(void **state)
{
	char *got = malloc(9 << 20);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct transfer_seen seen;
		bool fin;
		int fd = file_of_class(classes[i]);
		assert_int_equal(ftruncate(fd, 8 << 20), 0);
		start(&seen, SEND(.fd = fd));
		assert_int_equal(ftruncate(seen.file, 1000), 0);
		assert_true(run(&seen, got, 9 << 20, &fin) < 8 << 20);
		assert_int_equal(seen.result.end, TRANSFER_FILE_SHRANK);
		/* FIN would say that the file ends here. */
		assert_false(fin);
		close_ends(&seen);
	}
	free(got);
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
		start(&seen[i], SEND(.fd = fd));
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
		close_ends(&seen[i]);
	}
	assert_true(least > 0 && most < 4 * least);
	free(got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PUMP_TEST(files_are_sent),
		PUMP_TEST(the_pool_reads_what_is_cold),
		PUMP_TEST(who_lingers_keeps_the_socket_alone),
		PUMP_TEST(a_file_that_shrinks_is_told),
		PUMP_TEST(nobody_starves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
