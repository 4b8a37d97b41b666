/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TLS connections against OpenSSL's own client, over TCP on the loopback interface.  send and recv
 * of the program are counted (the linker wraps them): many records are to leave in one call, and no
 * call is to be made in vain.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <wharf/base/fd.h>
#include <wharf/tls/stream.h>

#include "pki.h"

static unsigned sends, recvs;

ssize_t __real_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __real_recv(int fd, void *bytes, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t n, int flags);

ssize_t
__wrap_send(int fd, const void *bytes, size_t n, int flags)
{
	sends++;
	return __real_send(fd, bytes, n, flags);
}

ssize_t
__wrap_recv(int fd, void *bytes, size_t n, int flags)
{
	recvs++;
	return __real_recv(fd, bytes, n, flags);
}

/* What all tests share: a CA, a certificate by it, and one of another name. */
static struct {
	struct pair ca, server, other, client;
	struct settings settings;
	struct tls_hosts *hosts;
} world;

static void
set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	assert_non_null(*field);
}

static void
set_list(struct texts *list, const char *one)
{
	list->item = calloc(1, sizeof(*list->item));
	assert_non_null(list->item);
	list->item[0] = strdup(one);
	list->n = 1;
}

static void
add_file(struct tls_files *files, enum host_file kind, struct buf *text)
{
	int fd = pki_file(text);

	assert_int_equal(tls_files_add(files, kind, 0, fd), 0);
	close(fd);
}

/* Puts a host with that certificate; clients: off, request or require. */
static void
put_host(struct tls_hosts *hosts, uint32_t number, const char *name, const struct pair *p,
	 int clients)
{
	struct tls_files *files = tls_files_new();
	struct settings s;
	struct buf text = BUF_INIT, why = BUF_INIT;
	enum host_file kind = HOST_FILES;

	assert_int_equal(settings_init(&s), 0);
	set_list(&s.tls_certificate, "cert.pem");
	s.tls_client_certificate = clients;
	set_text(&s.tls_client_ca, clients ? "ca.pem" : "");
	pki_certificate(&text, p->certificate);
	pki_key(&text, p->key);
	add_file(files, HOST_CERTIFICATE, &text);
	if (clients) {
		pki_certificate(&text, world.ca.certificate);
		add_file(files, HOST_CLIENT_CA, &text);
	}
	if (tls_hosts_put(hosts, number, slice_of(name), &s, files, &why, &kind) != 0)
		fail_msg("%.*s", SLICE_FMT(buf_slice(&why)));
	buf_deinit(&why);
	settings_deinit(&s);
	tls_files_free(&files);
}

static int
set_up(void **state)
{
	(void)state;
	assert_int_equal(settings_init(&world.settings), 0);
	world.ca = pki_make(&(struct pki_wish){.cn = "CA", .ca = true});
	world.server = pki_make(&(struct pki_wish){
		.cn = "ftp.example.com", .san = "DNS:ftp.example.com", .by = &world.ca});
	world.other = pki_make(&(struct pki_wish){
		.cn = "other.example.com", .san = "DNS:other.example.com", .by = &world.ca});
	world.client = pki_make(
		&(struct pki_wish){.cn = "till", .by = &world.ca, .usage = "clientAuth"});
	world.settings.tls_client_user = WORD_tls_client_user_cn;
	world.hosts = tls_hosts_new(&world.settings);
	assert_non_null(world.hosts);
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	put_host(world.hosts, 1, "other.example.com", &world.other,
		 WORD_tls_client_certificate_off);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	tls_hosts_free(&world.hosts);
	pair_free(&world.ca);
	pair_free(&world.server);
	pair_free(&world.other);
	pair_free(&world.client);
	settings_deinit(&world.settings);
	return 0;
}

/* A client: what its connections share, and what it got. */
struct client {
	SSL_CTX *ctx;
	unsigned tickets;
	SSL_SESSION *session; /* the last */
};

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(c->session);
	c->session = session;
	c->tickets++;
	return 1;
}

static void
client_init(struct client *c, int version)
{
	*c = (struct client){.ctx = SSL_CTX_new(TLS_client_method())};
	assert_non_null(c->ctx);
	SSL_CTX_set_min_proto_version(c->ctx, version);
	SSL_CTX_set_max_proto_version(c->ctx, version);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_session);
	SSL_CTX_set_app_data(c->ctx, c);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(c->ctx), world.ca.certificate);
}

static void
client_deinit(struct client *c)
{
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ctx);
}

/* A connection between the two. */
struct line {
	int fd; /* the server's end */
	int client_fd;
	struct tls *t;
	SSL *ssl;
	bool is_control;
	char in[1 << 17];
	size_t n;
	int result;       /* of the server's handshake */
	int client_error; /* of the client's: the alert's reason, or 0 */
};

static void
tcp_pair(int *a, int *b)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	*b = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(l, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&at, &n), 0);
	assert_int_equal(connect(*b, (struct sockaddr *)&at, sizeof(at)), 0);
	*a = accept(l, NULL, NULL);
	assert_true(*a >= 0);
	close(l);
	fd_set_nonblocking(*a, true);
	fd_set_nonblocking(*b, true);
	setsockopt(*a, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(*b, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static struct line *
line_start(struct client *c)
{
	struct line *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	tcp_pair(&l->fd, &l->client_fd);
	l->ssl = SSL_new(c->ctx);
	assert_non_null(l->ssl);
	SSL_set_fd(l->ssl, l->client_fd);
	SSL_set_connect_state(l->ssl);
	return l;
}

static struct line *
control_line(struct client *c)
{
	struct line *l = line_start(c);

	l->is_control = true;
	l->t = tls_new_control(world.hosts, l->fd, NULL, &world.settings);
	assert_non_null(l->t);
	return l;
}

static struct line *
data_line(struct client *c, const struct line *control)
{
	struct line *l = line_start(c);

	l->t = tls_new_data(control->t, l->fd, &world.settings);
	assert_non_null(l->t);
	return l;
}

static void
line_free(struct line *l)
{
	tls_free(l->t);
	SSL_set_shutdown(l->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(l->ssl);
	fd_close(&l->fd);
	fd_close(&l->client_fd);
	free(l);
}

/* Takes what has come for a control connection, and shows it to TLS. */
static void
feed(struct line *l)
{
	ssize_t n;

	if (!l->is_control)
		return;
	n = __real_recv(l->fd, l->in + l->n, sizeof(l->in) - l->n, 0);
	if (n > 0)
		l->n += (size_t)n;
	tls_feed(l->t, (struct slice){l->in, l->n});
}

static void
eat(struct line *l)
{
	struct slice rest;

	if (!l->is_control)
		return;
	rest = tls_unread(l->t);
	memmove(l->in, rest.p, rest.n);
	l->n = rest.n;
}

static ssize_t
server_read(struct line *l, void *to, size_t n)
{
	ssize_t r;

	feed(l);
	r = tls_read(l->t, to, n);
	eat(l);
	return r;
}

/* Lets the client ask to resume a session.  OpenSSL's client uses each of TLS 1.3 once; so it gets
 * a copy. */
static void
offer(struct line *l, SSL_SESSION *session)
{
	SSL_SESSION *copy = SSL_SESSION_dup(session);

	assert_int_equal(SSL_set_session(l->ssl, copy), 1);
	SSL_SESSION_free(copy);
}

/* Both sides, until both are done or one can't go on. */
static void
shake(struct line *l)
{
	int client = 0;

	l->result = TLS_AGAIN;
	for (unsigned i = 0; i < 200 && (client == 0 || l->result == TLS_AGAIN); i++) {
		if (client == 0) {
			ERR_clear_error();
			int r = SSL_do_handshake(l->ssl);
			int e = SSL_get_error(l->ssl, r);
			if (r == 1)
				client = 1;
			else if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
				client = -1;
				l->client_error = ERR_GET_REASON(ERR_peek_last_error());
				shutdown(l->client_fd, SHUT_WR);
			}
		}
		if (l->result == TLS_AGAIN) {
			feed(l);
			l->result = tls_handshake(l->t);
			eat(l);
			tls_flush(l->t);
			if (l->result != 0 && l->result != TLS_AGAIN)
				shutdown(l->fd, SHUT_WR);
		}
		if (client < 0 && l->is_control)
			break;
	}
	ERR_clear_error();
}

/* A byte each way: what is behind it, tickets for example, has come as well. */
static void
exchange(struct line *l)
{
	char c = 0;
	int r = -1;

	assert_int_equal(tls_write(l->t, "x", 1), 0);
	assert_int_equal(tls_flush(l->t), 0);
	for (unsigned i = 0; i < 100 && r <= 0; i++)
		r = SSL_read(l->ssl, &c, 1);
	assert_int_equal(r, 1);
	assert_int_equal(c, 'x');
	assert_int_equal(SSL_write(l->ssl, "y", 1), 1);
	for (unsigned i = 0; i < 100 && (r = (int)server_read(l, &c, 1)) == TLS_AGAIN; i++)
		usleep(1000);
	assert_int_equal(r, 1);
	assert_int_equal(c, 'y');
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
#define EACH_VERSION(v) \
	for (const int *v = versions; v < versions + sizeof(versions) / sizeof(*versions); v++)

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
		assert_int_equal(tickets, *v == TLS1_3_VERSION ? 2 : 1);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_control_connection_says_what_it_is),
		cmocka_unit_test(sessions_stay_with_their_control_connection),
	};

	return cmocka_run_group_tests_name("stream", tests, set_up, tear_down);
}
