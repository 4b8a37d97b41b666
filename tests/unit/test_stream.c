/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TLS connections against OpenSSL's own client: what they say of themselves, how they end, and what
 * they refuse.
 */
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

static void
a_control_connection_says_what_it_is(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct client c;
		struct line *l;

		client_init(&c, *v);
		SSL_CTX_set_verify(c.ctx, SSL_VERIFY_PEER, NULL);
		l = control_line(&c);
		shake(l);
		assert_int_equal(l->result, 0);
		exchange(l);
		assert_string_equal(tls_version(l->t),
				    *v == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
		assert_string_equal(tls_cipher(l->t), SSL_get_cipher_name(l->ssl));
		assert_false(tls_is_resumed(l->t));
		assert_false(tls_has_certificate(l->t));
		assert_int_equal(tls_sni(l->t).n, 0);
		assert_ptr_equal(tls_host_of(l->t), tls_hosts_named(world.hosts, SLICE_NULL));
		line_free(l);
		client_deinit(&c);
	}
}

static void
alpn_is_ftp_or_nothing(void **state)
{
	static const struct {
		const char *offer;
		bool is_data, good;
		const char *chosen;
	} rows[] = {
		{"\3ftp", false, true, "ftp"},
		{"\2h2\3ftp", false, true, "ftp"},
		{"\17x-filezilla-ftp\3ftp", false, true, "ftp"},
		{"\2h2\10http/1.1", false, false, NULL},
		{"\4ftps", false, false, NULL},
		{"\10ftp-data", false, false, NULL},
		{"\10ftp-data", true, true, "ftp-data"},
		{"\3ftp", true, true, "ftp"},
		{"\2h2", true, false, NULL},
	};

	(void)state;
	EACH_VERSION(v)
	{
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct client c;
			struct line *control, *l;
			const unsigned char *chosen;
			unsigned n;

			client_init(&c, *v);
			control = control_line(&c);
			l = control;
			if (rows[i].is_data) {
				shake(control);
				l = data_line(&c, control);
			}
			SSL_set_alpn_protos(l->ssl, (const unsigned char *)rows[i].offer,
					    (unsigned)strlen(rows[i].offer));
			shake(l);
			assert_int_equal(l->result, rows[i].good ? 0 : TLS_BROKEN);
			if (rows[i].good) {
				SSL_get0_alpn_selected(l->ssl, &chosen, &n);
				assert_int_equal(n, strlen(rows[i].chosen));
				assert_memory_equal(chosen, rows[i].chosen, n);
			} else {
				assert_int_equal(l->client_error,
						 SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
			}
			if (l != control)
				line_free(l);
			line_free(control);
			client_deinit(&c);
		}
	}
}

enum ending { BY_CLOSE_NOTIFY, BY_FIN, BY_RST, IN_A_RECORD };

/* Bytes, and then the end: 0 only for close_notify. */
static void
ends_are_told_apart(void **state)
{
	static const int verdicts[] = {
		[BY_CLOSE_NOTIFY] = 0,
		[BY_FIN] = TLS_TRUNCATED,
		[BY_RST] = TLS_RESET,
		[IN_A_RECORD] = TLS_TRUNCATED,
	};
	static char piece[50000], got[60000];

	(void)state;
	EACH_VERSION(v)
	{
		for (int how = BY_CLOSE_NOTIFY; how <= IN_A_RECORD; how++) {
			struct client c;
			struct line *control, *data;
			struct linger hard = {1, 0};
			size_t n = 0;
			ssize_t r = TLS_AGAIN;

			client_init(&c, *v);
			control = control_line(&c);
			shake(control);
			data = data_line(&c, control);
			shake(data);
			assert_int_equal(SSL_write(data->ssl, piece, sizeof(piece)), sizeof(piece));
			if (how == BY_CLOSE_NOTIFY)
				SSL_shutdown(data->ssl);
			if (how == IN_A_RECORD)
				send(data->client_fd, "\27\3\3\1\0abc", 8, 0);
			if (how == BY_RST)
				setsockopt(data->client_fd, SOL_SOCKET, SO_LINGER, &hard,
					   sizeof(hard));
			if (how != BY_RST)
				shutdown(data->client_fd, SHUT_WR);
			for (unsigned i = 0; i < 100; i++) {
				r = tls_read(data->t, got, sizeof(got));
				if (r > 0)
					n += (size_t)r;
				else if (r != TLS_AGAIN)
					break;
				if (n == sizeof(piece) && how == BY_RST)
					fd_close(&data->client_fd);
			}
			assert_int_equal(n, sizeof(piece));
			assert_int_equal(r, verdicts[how]);
			/* It stays said. */
			assert_int_equal(tls_read(data->t, got, sizeof(got)), verdicts[how]);
			line_free(data);
			line_free(control);
			client_deinit(&c);
		}
	}
}

/* What is behind close_notify on a control connection is left for who reads it in clear (CCC). */
static void
bytes_behind_the_end_are_left(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct client c;
		struct line *l;
		char bytes[64];

		client_init(&c, *v);
		l = control_line(&c);
		shake(l);
		exchange(l);
		SSL_write(l->ssl, "CCC\r\n", 5);
		SSL_shutdown(l->ssl);
		send(l->client_fd, "NOOP\r\n", 6, 0);
		usleep(10000);
		feed(l);
		assert_int_equal(tls_read(l->t, bytes, sizeof(bytes)), 5);
		assert_true(tls_has_more(l->t));
		assert_int_equal(tls_read(l->t, bytes, sizeof(bytes)), 0);
		assert_true(slice_equal(tls_unread(l->t), SLICE("NOOP\r\n")));
		line_free(l);
		client_deinit(&c);
	}
}

static void
renegotiation_is_refused_and_nothing_else(void **state)
{
	struct client c;
	struct line *l;
	char byte;

	(void)state;
	client_init(&c, TLS1_2_VERSION);
	l = control_line(&c);
	shake(l);
	exchange(l);
	SSL_renegotiate(l->ssl);
	SSL_do_handshake(l->ssl);
	usleep(10000);
	assert_int_equal(server_read(l, &byte, 1), TLS_AGAIN);
	assert_true(tls_unsent(l->t) > 0);
	assert_int_equal(tls_write(l->t, "z", 1), 0);
	assert_int_equal(tls_flush(l->t), 0);
	/* OpenSSL's client gives up at the warning; what is told is no_renegotiation. */
	assert_int_equal(SSL_do_handshake(l->ssl), -1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
	line_free(l);
	client_deinit(&c);
}

static void
what_is_not_tls_is_broken(void **state)
{
	static const struct {
		struct slice bytes;
		int result;
	} rows[] = {
		{{"FEAT\r\nFEAT\r\n", 12}, TLS_BROKEN},
		{{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27}, TLS_BROKEN},
		{{"\26\3\1\0\5\1\0\0\1\0", 10}, TLS_BROKEN},
		{{"\25\3\1\0\2\2\50", 7}, TLS_BROKEN},
		{{"\26\3\1\100\0\1\0\77\374", 9}, TLS_AGAIN},
		{{"\26\3\1", 3}, TLS_AGAIN},
		{{"", 0}, TLS_AGAIN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct tls *t = tls_new_control(world.hosts, -1, NULL, &world.settings);

		tls_feed(t, rows[i].bytes);
		assert_int_equal(tls_handshake(t), rows[i].result);
		assert_int_equal(tls_has_more(t), rows[i].result == TLS_BROKEN);
		if (rows[i].result == TLS_BROKEN) {
			assert_int_not_equal(strlen(tls_why(t)), 0);
			assert_int_equal(tls_handshake(t), TLS_BROKEN);
		}
		tls_free(t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_control_connection_says_what_it_is),
		cmocka_unit_test(alpn_is_ftp_or_nothing),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(bytes_behind_the_end_are_left),
		cmocka_unit_test(renegotiation_is_refused_and_nothing_else),
		cmocka_unit_test(what_is_not_tls_is_broken),
	};

	return cmocka_run_group_tests_name("stream", tests, ends_set_up, ends_tear_down);
}
