/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * How TLS leaves and comes: send and recv of the program are counted (the linker wraps them), since
 * many records are to leave in one call, and no call is to be made in vain.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <wharf/base/fd.h>

#include "tls_ends.h"

static unsigned sends, recvs;
static int send_flags; /* of the last one */

ssize_t __real_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __real_recv(int fd, void *bytes, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t n, int flags);

ssize_t
__wrap_send(int fd, const void *bytes, size_t n, int flags)
{
	sends++;
	send_flags = flags;
	return __real_send(fd, bytes, n, flags);
}

ssize_t
__wrap_recv(int fd, void *bytes, size_t n, int flags)
{
	recvs++;
	return __real_recv(fd, bytes, n, flags);
}

/* 1 MiB to a reader who takes it all, and then to one who takes nothing at first. */
static void
many_records_leave_in_one_call(void **state)
{
	enum { PIECE = 256 << 10, PIECES = 4 };
	static char out[PIECE], in[PIECE * PIECES];
	struct client c;
	struct line *control, *data;
	size_t got = 0, waited;

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251);
	client_init(&c, TLS1_3_VERSION);
	control = control_line(&c);
	shake(control);
	data = data_line(&c, control);
	shake(data);
	sends = 0;
	for (unsigned i = 0; i < PIECES; i++) {
		assert_int_equal(tls_write(data->t, out, PIECE), 0);
		assert_true(tls_unsent(data->t) > PIECE);
		while (tls_flush(data->t) == TLS_AGAIN || got < (i + 1) * PIECE) {
			int n = SSL_read(data->ssl, in + got, (int)(sizeof(in) - got));
			if (n > 0)
				got += (size_t)n;
		}
	}
	for (unsigned i = 0; i < PIECES; i++)
		assert_memory_equal(in + i * PIECE, out, PIECE);
	/* A flush of nothing makes no call. */
	if (sends > PIECES * 4)
		fail_msg("%u calls of send for %d pieces", sends, PIECES);

	/* The reader stops: what is left waits in a buffer of its own, and the common one is free.
	 */
	while (tls_unsent(data->t) == 0) {
		assert_int_equal(tls_write(data->t, out, PIECE), 0);
		tls_flush(data->t);
	}
	waited = tls_unsent(data->t);
	assert_non_null(world.hosts->spare.data);
	assert_true(waited <= data->t->transport.out.cap);
	assert_true(data->t->transport.out.cap < PIECE + 8192);
	assert_int_equal(tls_flush(data->t), TLS_AGAIN);
	assert_int_equal(tls_unsent(data->t), waited);
	line_free(data);
	line_free(control);
	client_deinit(&c);
}

/* Bytes and close_notify leave in one call, and where FIN follows the kernel may wait for it. */
static void
the_end_leaves_with_what_is_before_it(void **state)
{
	(void)state;
	for (int with_fin = 0; with_fin < 2; with_fin++) {
		struct client c;
		struct line *control, *data;
		char in[8] = "";

		client_init(&c, TLS1_3_VERSION);
		control = control_line(&c);
		shake(control);
		data = data_line(&c, control);
		shake(data);
		exchange(data);
		sends = 0;
		assert_int_equal(tls_write(data->t, "last", 4), 0);
		tls_end(data->t, with_fin);
		assert_int_equal(tls_flush(data->t), 0);
		assert_int_equal(sends, 1);
		assert_int_equal(send_flags & MSG_MORE, with_fin ? MSG_MORE : 0);
		shutdown(data->fd, SHUT_WR);
		assert_int_equal(SSL_read(data->ssl, in, sizeof(in)), 4);
		assert_string_equal(in, "last");
		assert_int_equal(SSL_get_error(data->ssl, SSL_read(data->ssl, in, 1)),
				 SSL_ERROR_ZERO_RETURN);
		assert_int_equal(read(data->client_fd, in, 1), 0);
		line_free(data);
		line_free(control);
		client_deinit(&c);
	}
}

/* Who reads until TLS_AGAIN makes one recv(2) for all that was there. */
static void
no_recv_is_in_vain(void **state)
{
	static char bytes[40000], got[1 << 17];
	struct client c;
	struct line *control, *data;
	size_t sizes[] = {sizeof(got), 1000};

	(void)state;
	client_init(&c, TLS1_3_VERSION);
	control = control_line(&c);
	shake(control);
	data = data_line(&c, control);
	shake(data);
	while (tls_read(data->t, got, 1) != TLS_AGAIN)
		;
	for (unsigned i = 0; i < 2; i++) {
		size_t n = 0;
		ssize_t r;

		assert_int_equal(SSL_write(data->ssl, bytes, sizeof(bytes)), sizeof(bytes));
		usleep(20000);
		recvs = 0;
		while ((r = tls_read(data->t, got, sizes[i])) > 0) {
			n += (size_t)r;
			assert_true(n == sizeof(bytes) || tls_has_more(data->t));
		}
		assert_int_equal(r, TLS_AGAIN);
		assert_int_equal(n, sizeof(bytes));
		assert_int_equal(recvs, 1);
		/* The next event: the socket is asked again. */
		assert_int_equal(tls_read(data->t, got, sizes[i]), TLS_AGAIN);
		assert_int_equal(recvs, 2);
	}
	/* Half a record is nothing to come back for. */
	__real_send(data->client_fd, "\27\3\3\1\0abc", 8, 0);
	usleep(10000);
	assert_int_equal(tls_read(data->t, got, sizeof(got)), TLS_AGAIN);
	assert_false(tls_has_more(data->t));
	line_free(data);
	line_free(control);
	client_deinit(&c);
}

/* A peer that makes us answer, and never reads the answers, can't fill our memory. */
static void
a_flood_of_key_updates_ends(void **state)
{
	struct client c;
	struct line *l;
	char bytes[1000];
	ssize_t r = TLS_AGAIN;

	(void)state;
	client_init(&c, TLS1_3_VERSION);
	l = control_line(&c);
	shake(l);
	exchange(l);
	for (unsigned i = 0; i < 100000 && (r > 0 || r == TLS_AGAIN); i++) {
		SSL_key_update(l->ssl, SSL_KEY_UPDATE_REQUESTED);
		SSL_write(l->ssl, "x", 1);
		r = server_read(l, bytes, sizeof(bytes));
		assert_true(tls_unsent(l->t) < 64 << 10);
	}
	assert_int_equal(r, TLS_BROKEN);
	line_free(l);
	client_deinit(&c);
}

static void
an_idle_connection_is_cheap(void **state)
{
	enum { LINES = 500 };
	static struct line *lines[LINES];
	struct client c;
	size_t before, cost;

	(void)state;
	client_init(&c, TLS1_3_VERSION);
	for (unsigned i = 0; i < LINES; i++) {
		lines[i] = control_line(&c);
		shake(lines[i]);
		exchange(lines[i]);
		fd_close(&lines[i]->client_fd);
		fd_close(&lines[i]->fd);
	}
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < LINES; i++) {
		tls_free(lines[i]->t);
		lines[i]->t = NULL;
	}
	cost = (before - mallinfo2().uordblks) / LINES;
	for (unsigned i = 0; i < LINES; i++)
		line_free(lines[i]);
	client_deinit(&c);
	/* A sanitizer's malloc tells nothing. */
	(void)cost;
#ifndef WHARF_SANITIZED
	print_message("an idle TLS 1.3 connection costs %zu bytes\n", cost);
	assert_in_range(cost, 1000, 15 << 10);
#endif
}

/* This ran the branch that the message names: the kernel of most build machines has no TLS. */
static void
the_kernel_encrypts_where_it_can(void **state)
{
	struct buf why = BUF_INIT;
	struct client c;
	struct line *control, *data;
	bool can = tls_hosts_kernel(world.hosts, &why);

	(void)state;
	print_message("TLS in the kernel: %.*s\n", SLICE_FMT(buf_slice(&why)));
	client_init(&c, TLS1_3_VERSION);
	control = control_line(&c);
	shake(control);
	data = data_line(&c, control);
	shake(data);
	assert_false(tls_is_in_kernel(control->t));
	if (can) {
		assert_true(tls_is_in_kernel(data->t));
	} else {
		assert_false(tls_is_in_kernel(data->t));
		assert_true(why.len > 3);
	}
	exchange(data);
	line_free(data);
	line_free(control);
	buf_deinit(&why);
	client_deinit(&c);
}

/* The ways around the kernel: it is asked to and does not (so we encrypt), and writing through
 * OpenSSL to the socket, where the socket is full and where it is not. */
static void
writing_by_the_kernel_waits_for_room(void **state)
{
	static char out[1 << 20], in[sizeof(out)];
	const char *not_kernel = world.hosts->not_kernel;
	size_t got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 13 + i / 509);
	EACH_VERSION(v)
	{
		struct client c;
		struct line *control, *data;
		int r = TLS_AGAIN, n = 1;

		client_init(&c, *v);
		control = control_line(&c);
		shake(control);
		world.hosts->not_kernel = NULL;
		data = data_line(&c, control);
		shake(data);
		world.hosts->not_kernel = not_kernel;
		assert_int_equal(data->result, 0);
		exchange(data);
		if (!tls_is_in_kernel(data->t)) {
			SSL_set_fd(data->t->ssl, data->fd);
			SSL_set_mode(data->t->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
							   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
			data->t->in_kernel = true;
		}
		exchange(data);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(tls_write(data->t, out, sizeof(out)), 0);
		tls_end(data->t, false);
		assert_int_equal(tls_flush(data->t), TLS_AGAIN);
		got = 0;
		while (n > 0 || r == TLS_AGAIN) {
			n = SSL_read(data->ssl, in, (int)(sizeof(out) - got % sizeof(out)));
			if (n > 0) {
				assert_memory_equal(in, out + got % sizeof(out), n);
				got += (size_t)n;
			}
			if (r == TLS_AGAIN)
				r = tls_flush(data->t);
			if (n <= 0 && SSL_get_error(data->ssl, n) == SSL_ERROR_WANT_READ)
				n = 1;
		}
		assert_int_equal(r, 0);
		assert_int_equal(got, 8 * sizeof(out));
		assert_int_equal(SSL_get_error(data->ssl, n), SSL_ERROR_ZERO_RETURN);
		assert_int_equal(tls_unsent(data->t), 0);
		shutdown(data->client_fd, SHUT_WR);
		usleep(10000);
		assert_int_equal(tls_read(data->t, in, sizeof(in)), TLS_TRUNCATED);
		line_free(data);
		line_free(control);
		client_deinit(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_records_leave_in_one_call),
		cmocka_unit_test(the_end_leaves_with_what_is_before_it),
		cmocka_unit_test(no_recv_is_in_vain),
		cmocka_unit_test(a_flood_of_key_updates_ends),
		cmocka_unit_test(an_idle_connection_is_cheap),
		cmocka_unit_test(the_kernel_encrypts_where_it_can),
		cmocka_unit_test(writing_by_the_kernel_waits_for_room),
	};

	return cmocka_run_group_tests_name("records", tests, ends_set_up, ends_tear_down);
}
