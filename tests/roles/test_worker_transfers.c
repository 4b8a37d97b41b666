/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What goes through a worker's data connections, and what it reads and copies itself: exact, whole
 * or told. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "around.h"

static const size_t sizes[] = {0,      1,      4096,   65535,  65536,   65537,   262143,
			       262144, 262145, 524288, 524289, 1048576, 1048579, 5000011};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void
download(struct client *c, int file, bool active, const char *want, size_t n)
{
	struct opening o = open_data(c, active);
	size_t got;

	say(c, "RETR f\r\n");
	answer_open(file, O_RDONLY);
	int fd = take_data(&o);
	char *bytes = read_all(fd, &got);
	assert_int_equal(got, n);
	assert_memory_equal(bytes, want, n);
	free(bytes);
	close(fd);
	assert_int_equal(reply_code(c), 150);
	assert_int_equal(reply_code(c), 226);
}

static void
downloads_are_exact(void **state)
{
	struct client *c = login();

	(void)state;
	for (unsigned i = 0; i < N_SIZES * 4; i++) {
		char *want = random_bytes(sizes[i / 4]);
		int file = temporary(i & 1);
		assert_int_equal(pwrite(file, want, sizes[i / 4], 0), (ssize_t)sizes[i / 4]);
		download(c, file, i & 2, want, sizes[i / 4]);
		close(file);
		free(want);
	}
	disconnect(c);
}

static void
uploads_are_exact(void **state)
{
	struct client *c = login();

	(void)state;
	for (unsigned i = 0; i < N_SIZES * 4; i++) {
		char *want = random_bytes(sizes[i / 4]);
		int file = temporary(i & 1);
		upload(c, file, i & 2, want, sizes[i / 4], 226);
		assert_file_is(file, want, sizes[i / 4]);
		close(file);
		free(want);
	}
	disconnect(c);
}

static void
text_is_translated(void **state)
{
	struct client *c = login();
	size_t n = 300000, wires = 0;
	char *lf = malloc(n), *crlf = malloc(2 * n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		lf[i] = i % 7 == 6 ? '\n' : (char)('a' + i % 26);
		if (lf[i] == '\n')
			crlf[wires++] = '\r';
		crlf[wires++] = lf[i];
	}
	SAYS(c, "TYPE A", 200);
	for (int memory = 0; memory <= 1; memory++) {
		int file = temporary(memory);
		upload(c, file, false, crlf, wires, 226);
		assert_file_is(file, lf, n);
		download(c, file, false, crlf, wires);
		close(file);
	}
	free(lf);
	free(crlf);
	disconnect(c);
}

/* The monitor binds the port that needs a privilege; where it can't, any port does. */
static void
the_monitor_binds_port_20(void **state)
{
	int file = temporary(true);
	size_t got;

	(void)state;
	assert_int_equal(pwrite(file, "abc", 3, 0), 3);
	world.active_port = 20;
	struct client *c = login();
	for (int able = 0; able <= 1; able++) {
		struct opening o = open_data(c, true);
		say(c, "RETR f\r\n");
		answer_open(file, O_RDONLY);
		assert_int_equal(hear(&world.monitor, MSG_M_ACTIVE).m_active.session, c->session);
		int bound = able ? bound_socket(INADDR_LOOPBACK) : -1;
		uint16_t port = able ? port_of(bound) : 0;
		tell(&world.monitor, (struct message){.id = MSG_W_ACTIVE,
						      .fd = bound,
						      .w_active = {c->session, able ? 0 : EACCES}});
		int fd = take_data(&o);
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		assert_int_equal(getpeername(fd, (struct sockaddr *)&from, &len), 0);
		if (able)
			assert_int_equal(ntohs(from.sin_port), port);
		free(read_all(fd, &got));
		assert_int_equal(got, 3);
		close(fd);
		assert_int_equal(reply_code(c), 150);
		assert_int_equal(reply_code(c), 226);
	}
	/* An answer that comes when nobody waits for it any more is closed, and the session goes
	 * on. */
	struct opening o = open_data(c, true);
	say(c, "RETR f\r\n");
	answer_open(file, O_RDONLY);
	hear(&world.monitor, MSG_M_ACTIVE);
	assert_int_equal(reply_code(c), 425);
	tell(&world.monitor, (struct message){.id = MSG_W_ACTIVE,
					      .fd = bound_socket(INADDR_LOOPBACK),
					      .w_active = {c->session, 0}});
	SAYS(c, "NOOP", 200);
	close(o.listener);
	close(file);
	disconnect(c);
}

static void
segments_and_resumes(void **state)
{
	struct client *c = login();
	char *want = random_bytes(1000000);
	int file = temporary(false);

	(void)state;
	assert_int_equal(pwrite(file, want, 1000000, 0), 1000000);
	SAYS(c, "REST 999000", 350);
	download(c, file, false, want + 999000, 1000);
	SAYS(c, "RANG 10 19", 350);
	download(c, file, false, want + 10, 10);
	SAYS(c, "REST 500000", 350);
	upload(c, file, false, want + 100, 5, 226);
	memcpy(want + 500000, want + 100, 5);
	assert_file_is(file, want, 500005);
	close(file);
	free(want);
	disconnect(c);
}

static void
a_stranger_gets_nothing(void **state)
{
	struct client *c = login();
	int file = temporary(true);
	size_t got;

	(void)state;
	assert_int_equal(pwrite(file, "secret", 6, 0), 6);
	uint16_t port = passive(c);
	int thief = connect_from(INADDR_LOOPBACK + 1, port);
	say(c, "RETR f\r\n");
	answer_open(file, O_RDONLY);
	free(read_all(thief, &got));
	assert_int_equal(got, 0);
	int fd = connect_from(INADDR_LOOPBACK, port);
	free(read_all(fd, &got));
	assert_int_equal(got, 6);
	assert_int_equal(reply_code(c), 150);
	assert_int_equal(reply_code(c), 226);
	close(fd);
	close(thief);
	close(file);
	disconnect(c);
}

static void
nobody_comes(void **state)
{
	struct client *c = login();

	(void)state;
	passive(c);
	SAYS(c, "STOR f", 425);
	SAYS(c, "STOR f", 425);
	disconnect(c);
}

static void
only_files_are_files(void **state)
{
	struct client *c = login();
	int pipes[2];

	(void)state;
	passive(c);
	say(c, "RETR f\r\n");
	struct message m = hear(&world.agent, MSG_F_OPEN);
	assert_int_equal(pipe(pipes), 0);
	tell(&world.agent, (struct message){.id = MSG_R_OPENED,
					    .fd = pipes[0],
					    .r_opened = {.id = m.f_open.id, .size = 10}});
	close(pipes[1]);
	assert_in_range(reply_code(c), 450, 559);
	SAYS(c, "NOOP", 200);
	disconnect(c);
}

/* The agent's end of a listing. */
static int
answer_list(void)
{
	struct message m = hear(&world.agent, MSG_F_LIST);
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	tell(&world.agent, (struct message){.id = MSG_R_LISTING,
					    .fd = pipes[0],
					    .r_listing = {m.f_list.id, 0, 0}});
	return pipes[1];
}

static void
listings_come_through_pipes(void **state)
{
	struct client *c = login();
	char *want = random_bytes(400000);
	size_t got;

	(void)state;
	uint16_t port = passive(c);
	say(c, "LIST\r\n");
	int pipe_end = answer_list();
	int fd = connect_from(INADDR_LOOPBACK, port);
	if (fork() == 0) {
		for (size_t at = 0; at < 400000; at += 40000)
			if (write(pipe_end, want + at, 40000) != 40000)
				_exit(1);
		_exit(0);
	}
	close(pipe_end);
	char *bytes = read_all(fd, &got);
	assert_int_equal(got, 400000);
	assert_memory_equal(bytes, want, got);
	wait(NULL);
	free(bytes);
	free(want);
	close(fd);
	assert_int_equal(reply_code(c), 150);
	assert_int_equal(reply_code(c), 226);
	disconnect(c);
}

static void
abor_ends_a_download(void **state)
{
	struct client *c = login();
	int file = temporary(true);
	size_t got;

	(void)state;
	assert_int_equal(ftruncate(file, 1 << 30), 0);
	uint16_t port = passive(c);
	say(c, "RETR f\r\n");
	answer_open(file, O_RDONLY);
	int fd = connect_from(INADDR_LOOPBACK, port);
	assert_int_equal(reply_code(c), 150);
	wait_for(fd, POLLIN);
	/* As clients do it: Telnet's IP and Synch, a part of it urgent (RFC 959 §4.1.3). */
	assert_int_equal(send(c->fd, "\xff\xf4\xff", 3, MSG_OOB), 3);
	say(c, "\xf2"
	       "ABOR\r\n");
	assert_int_equal(reply_code(c), 426);
	assert_int_equal(reply_code(c), 226);
	free(read_all(fd, &got));
	close(fd);
	close(file);
	SAYS(c, "NOOP", 200);
	disconnect(c);
}

static void
a_broken_upload_is_told(void **state)
{
	struct client *c = login();
	int file = temporary(false);
	struct linger reset = {1, 0};

	(void)state;
	int fd = start_upload(c, file, false);
	write_all(fd, "abc", 3);
	usleep(100000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	assert_int_equal(reply_code(c), 426);
	close(file);
	disconnect(c);
}

static void
a_stalled_upload_is_ended(void **state)
{
	struct client *c = login();
	int file = temporary(false);
	struct stat st;

	(void)state;
	int fd = start_upload(c, file, false);
	write_all(fd, "abc", 3);
	assert_int_equal(reply_code(c), 426);
	/* What had come stays, so that the client can go on from there. */
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, 3);
	close(fd);
	close(file);
	disconnect(c);
}

static void
a_full_disk_is_told(void **state)
{
	struct client *c = login();
	char *bytes = random_bytes(FILE_LIMIT + 1);

	(void)state;
	for (int memory = 0; memory <= 1; memory++) {
		int file = temporary(memory);
		upload(c, file, false, bytes, FILE_LIMIT, 226);
		close(file);
		file = temporary(memory);
		upload(c, file, false, bytes, FILE_LIMIT + 1, 552);
		close(file);
	}
	free(bytes);
	disconnect(c);
}

static void
digests_are_right(void **state)
{
	struct client *c = login();
	int file = temporary(false);

	(void)state;
	assert_int_equal(pwrite(file, "123456789", 9, 0), 9);
	SAYS(c, "OPTS HASH CRC32", 200);
	say(c, "HASH f\r\n");
	answer_open(file, O_RDONLY);
	assert_int_equal(reply_code(c), 213);
	assert_non_null(strcasestr(reply_text(c), "cbf43926"));
	SAYS(c, "OPTS HASH MD5", 200);
	say(c, "HASH f\r\n");
	answer_open(file, O_RDONLY);
	assert_int_equal(reply_code(c), 213);
	assert_non_null(strcasestr(reply_text(c), "25f9e794323b453885f5181f1b624d0b"));
	close(file);
	disconnect(c);
}

static void
copy(struct client *c, int from, int to, int code)
{
	say(c, "SITE COPY f g\r\n");
	answer_open(from, O_RDONLY);
	answer_open(to, O_RDWR);
	if (code == 250)
		answer_commit();
	assert_int_equal(reply_code(c), code);
}

/* The agent does not truncate the target: it may be the source by another name. */
static void
copies_are_exact(void **state)
{
	struct client *c = login();
	char *want = random_bytes(1000001);

	(void)state;
	for (int kinds = 0; kinds < 4; kinds++) {
		int from = temporary(kinds & 1), to = temporary(kinds & 2);
		assert_int_equal(pwrite(from, want, 1000001, 0), 1000001);
		assert_int_equal(ftruncate(to, 2000000), 0);
		copy(c, from, to, 250);
		assert_file_is(to, want, 1000001);
		copy(c, from, from, 553);
		assert_file_is(from, want, 1000001);
		/* Larger than the worker may write. */
		assert_int_equal(ftruncate(from, FILE_LIMIT + 1), 0);
		copy(c, from, to, 552);
		close(from);
		close(to);
	}
	free(want);
	disconnect(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start_worker, stop_worker)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(downloads_are_exact),
		TEST(uploads_are_exact),
		TEST(text_is_translated),
		TEST(the_monitor_binds_port_20),
		TEST(segments_and_resumes),
		TEST(a_stranger_gets_nothing),
		TEST(nobody_comes),
		TEST(only_files_are_files),
		TEST(listings_come_through_pipes),
		TEST(abor_ends_a_download),
		TEST(a_broken_upload_is_told),
		TEST(a_stalled_upload_is_ended),
		TEST(a_full_disk_is_told),
		TEST(digests_are_right),
		TEST(copies_are_exact),
	};

	if (!getenv("WHARF_WORKER"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
