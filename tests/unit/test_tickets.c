/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Which TLS sessions are resumed, and where.
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

/* One ticket resumes again and again within its control connection, and never elsewhere; data
 * connections give none. */
static void
sessions_stay_with_their_control_connection(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct client c;
		struct line *control, *stranger, *data;
		SSL_SESSION *session;
		unsigned tickets;

		client_init(&c, *v);
		control = control_line(&c);
		shake(control);
		exchange(control);
		session = SSL_get1_session(control->ssl);
		if (*v == TLS1_3_VERSION) {
			SSL_SESSION_free(session);
			session = c.session;
			SSL_SESSION_up_ref(session);
		}
		tickets = c.tickets;
		assert_int_equal(tickets, 1);
		for (unsigned i = 0; i < 3; i++) {
			data = data_line(&c, control);
			offer(data, session);
			shake(data);
			assert_int_equal(data->result, 0);
			exchange(data);
			assert_true(tls_is_resumed(data->t));
			assert_int_equal(SSL_session_reused(data->ssl), 1);
			assert_true(tls_is_same_peer(data->t, control->t));
			line_free(data);
			assert_int_equal(c.tickets, tickets);
		}
		stranger = control_line(&c);
		offer(stranger, session);
		shake(stranger);
		assert_int_equal(stranger->result, 0);
		assert_false(tls_is_resumed(stranger->t));
		data = data_line(&c, stranger);
		offer(data, session);
		shake(data);
		assert_int_equal(data->result, 0);
		exchange(data);
		assert_false(tls_is_resumed(data->t));
		line_free(data);
		line_free(stranger);
		line_free(control);
		SSL_SESSION_free(session);
		client_deinit(&c);
	}
}

/* A data connection in full leaves nothing that another one could resume. */
static void
a_full_data_handshake_leaves_nothing(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct client c;
		struct line *control, *data;
		SSL_SESSION *session;

		client_init(&c, *v);
		control = control_line(&c);
		shake(control);
		exchange(control);
		data = data_line(&c, control);
		shake(data);
		exchange(data);
		assert_false(tls_is_resumed(data->t));
		session = SSL_get1_session(data->ssl);
		line_free(data);
		data = data_line(&c, control);
		offer(data, session);
		shake(data);
		assert_int_equal(data->result, 0);
		assert_false(tls_is_resumed(data->t));
		line_free(data);
		SSL_SESSION_free(session);
		line_free(control);
		client_deinit(&c);
	}
}

/* TLS 1.2 without tickets: the session is kept here, as long as its control connection lives, and
 * also when a data connection is cut short. */
static void
sessions_without_tickets_are_kept(void **state)
{
	struct client c;
	struct line *control, *data;
	SSL_SESSION *session;

	(void)state;
	client_init(&c, TLS1_2_VERSION);
	SSL_CTX_set_options(c.ctx, SSL_OP_NO_TICKET);
	control = control_line(&c);
	shake(control);
	exchange(control);
	session = SSL_get1_session(control->ssl);
	assert_int_equal(SSL_CTX_sess_number(world.hosts->front), 1);
	for (unsigned i = 0; i < 3; i++) {
		data = data_line(&c, control);
		offer(data, session);
		shake(data);
		exchange(data);
		assert_true(tls_is_resumed(data->t));
		line_free(data);
	}
	data = data_line(&c, control);
	shake(data);
	assert_false(tls_is_resumed(data->t));
	line_free(data);
	assert_int_equal(SSL_CTX_sess_number(world.hosts->front), 1);
	line_free(control);
	assert_int_equal(SSL_CTX_sess_number(world.hosts->front), 0);
	SSL_SESSION_free(session);
	client_deinit(&c);
}

static void
nothing_is_resumed_where_reuse_is_off(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct client c;
		struct line *control, *data;
		SSL_SESSION *session;

		client_init(&c, *v);
		control = control_line(&c);
		shake(control);
		exchange(control);
		session = *v == TLS1_3_VERSION ? SSL_SESSION_dup(c.session)
					       : SSL_get1_session(control->ssl);
		world.settings.tls_reuse = WORD_tls_reuse_off;
		data = data_line(&c, control);
		offer(data, session);
		shake(data);
		assert_int_equal(data->result, 0);
		assert_false(tls_is_resumed(data->t));
		line_free(data);
		line_free(control);
		c.tickets = 0;
		control = control_line(&c);
		shake(control);
		tls_ticket(control->t);
		exchange(control);
		assert_false(SSL_SESSION_has_ticket(SSL_get_session(control->ssl)));
		assert_int_equal(SSL_CTX_sess_number(world.hosts->front), 0);
		if (*v == TLS1_3_VERSION)
			assert_int_equal(c.tickets, 0);
		world.settings.tls_reuse = WORD_tls_reuse_auto;
		line_free(control);
		SSL_SESSION_free(session);
		client_deinit(&c);
	}
}

static void
tickets_are_pushed(void **state)
{
	struct client c;
	struct line *control, *data;

	(void)state;
	client_init(&c, TLS1_3_VERSION);
	control = control_line(&c);
	shake(control);
	exchange(control);
	for (unsigned i = 0; i < 5; i++) {
		unsigned before = c.tickets;
		tls_ticket(control->t);
		exchange(control);
		assert_int_equal(c.tickets, before + 1);
		data = data_line(&c, control);
		offer(data, c.session);
		shake(data);
		exchange(data);
		assert_true(tls_is_resumed(data->t));
		line_free(data);
	}
	/* One that nothing is written behind does not stand in the way of the end. */
	tls_ticket(control->t);
	tls_end(control->t, false);
	assert_int_equal(tls_flush(control->t), 0);
	char byte;
	assert_int_equal(SSL_read(control->ssl, &byte, 1), 0);
	assert_int_equal(SSL_get_error(control->ssl, 0), SSL_ERROR_ZERO_RETURN);
	line_free(control);
	client_deinit(&c);

	client_init(&c, TLS1_2_VERSION);
	control = control_line(&c);
	shake(control);
	tls_ticket(control->t);
	exchange(control);
	assert_int_equal(c.tickets, 1);
	line_free(control);
	client_deinit(&c);
}

/* A ticket whose bytes are not ours, or not all there: a handshake in full. */
static void
broken_tickets_are_passed_over(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct client c;
		struct line *control, *data;
		const unsigned char *ticket;
		size_t n;

		client_init(&c, *v);
		control = control_line(&c);
		shake(control);
		exchange(control);
		SSL_SESSION_get0_ticket(c.session, &ticket, &n);
		assert_true(n > 64);
		for (size_t at = 0; at < n; at += 7) {
			SSL_SESSION *bent = SSL_SESSION_dup(c.session);
			const unsigned char *copy;
			SSL_SESSION_get0_ticket(bent, &copy, &n);
			((unsigned char *)copy)[at] ^= 0x40;
			data = data_line(&c, control);
			SSL_set_session(data->ssl, bent);
			shake(data);
			assert_int_equal(data->result, 0);
			exchange(data);
			assert_false(tls_is_resumed(data->t));
			line_free(data);
			SSL_SESSION_free(bent);
		}
		for (size_t cut = 1; cut < n && *v == TLS1_2_VERSION; cut += 13) {
			data = data_line(&c, control);
			SSL_set_session_ticket_ext(data->ssl, (void *)ticket, (int)(n - cut));
			shake(data);
			assert_int_equal(data->result, 0);
			assert_false(tls_is_resumed(data->t));
			line_free(data);
		}
		line_free(control);
		client_deinit(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_stay_with_their_control_connection),
		cmocka_unit_test(a_full_data_handshake_leaves_nothing),
		cmocka_unit_test(sessions_without_tickets_are_kept),
		cmocka_unit_test(nothing_is_resumed_where_reuse_is_off),
		cmocka_unit_test(tickets_are_pushed),
		cmocka_unit_test(broken_tickets_are_passed_over),
	};

	return cmocka_run_group_tests_name("tickets", tests, ends_set_up, ends_tear_down);
}
