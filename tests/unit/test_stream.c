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

#include "connection.h"
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
	tls_end(control->t);
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

struct naming {
	const char *host, *sni, *fallback;
	bool strict;
	int number; /* -1: refused by unrecognized_name */
};

static void
expect_host(const struct naming *row, int version)
{
	const struct tls_host *host = row->host ? tls_hosts_find(world.hosts, slice_of(row->host))
						: NULL;
	const struct pair *p = row->number ? &world.other : &world.server;
	struct client c;
	struct line *l;

	client_init(&c, version);
	world.settings.tls_strict_sni = row->strict;
	set_text(&world.settings.default_host, row->fallback);
	l = line_start(&c);
	l->is_control = true;
	l->t = tls_new_control(world.hosts, l->fd, host, &world.settings);
	if (row->sni)
		SSL_set_tlsext_host_name(l->ssl, row->sni);
	shake(l);
	if (row->number < 0) {
		assert_int_equal(l->result, TLS_BROKEN);
		assert_int_equal(l->client_error, SSL_R_TLSV1_UNRECOGNIZED_NAME);
		assert_non_null(strstr(tls_why(l->t), "SNI"));
	} else {
		assert_int_equal(l->result, 0);
		assert_int_equal(X509_cmp(SSL_get0_peer_certificate(l->ssl), p->certificate), 0);
		assert_int_equal(tls_host_of(l->t)->number, row->number);
	}
	assert_true(slice_equal(tls_sni(l->t), slice_of(row->sni)));
	line_free(l);
	client_deinit(&c);
}

static void
names_choose_the_host(void **state)
{
	static const struct naming rows[] = {
		{NULL, NULL, "", false, 0},
		{NULL, NULL, "", true, 0},
		{NULL, NULL, "other.example.com", true, 1},
		{NULL, "ftp.example.com", "", true, 0},
		{NULL, "OTHER.example.COM", "", true, 1},
		{NULL, "unknown.example.com", "", false, 0},
		{NULL, "unknown.example.com", "other.example.com", false, 1},
		{NULL, "unknown.example.com", "", true, -1},
		{"other.example.com", NULL, "", true, 1},
		{"other.example.com", "other.example.com", "", true, 1},
		{"other.example.com", "ftp.example.com", "", false, -1},
		{"other.example.com", "unknown.example.com", "", false, -1},
	};

	(void)state;
	EACH_VERSION(v)
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect_host(&rows[i], *v);
	world.settings.tls_strict_sni = false;
	set_text(&world.settings.default_host, "");
}

/* A control connection goes on, and so do its data connections, with the certificate that it began
 * with. */
static void
a_host_is_replaced_under_a_connection(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct client c;
		struct line *old, *data, *fresh;
		struct pair renewed = pki_make(&(struct pki_wish){
			.cn = "ftp.example.com", .san = "DNS:ftp.example.com", .by = &world.ca});

		client_init(&c, *v);
		old = control_line(&c);
		shake(old);
		put_host(world.hosts, 0, "", &renewed, WORD_tls_client_certificate_off);
		exchange(old);
		data = data_line(&c, old);
		offer(data, c.session);
		shake(data);
		exchange(data);
		assert_true(tls_is_resumed(data->t));
		line_free(data);
		data = data_line(&c, old);
		shake(data);
		assert_int_equal(
			X509_cmp(SSL_get0_peer_certificate(data->ssl), world.server.certificate),
			0);
		fresh = control_line(&c);
		shake(fresh);
		assert_int_equal(
			X509_cmp(SSL_get0_peer_certificate(fresh->ssl), renewed.certificate), 0);
		put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
		exchange(data);
		line_free(data);
		line_free(fresh);
		line_free(old);
		pair_free(&renewed);
		client_deinit(&c);
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
				__real_send(data->client_fd, "\27\3\3\1\0abc", 8, 0);
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
		__real_send(l->client_fd, "NOOP\r\n", 6, 0);
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

struct stapled {
	unsigned char bytes[4096];
	size_t n;
};

static int
on_staple(SSL *ssl, void *arg)
{
	struct stapled *got = arg;
	const unsigned char *p;
	long n = SSL_get_tlsext_status_ocsp_resp(ssl, &p);

	got->n = n > 0 ? (size_t)n : 0;
	assert_true(got->n < sizeof(got->bytes));
	if (got->n)
		memcpy(got->bytes, p, got->n);
	return 1;
}

/* The default host with both certificates, and a response for each: the second one is past its
 * time. */
static void
put_both(const struct pair *p, struct buf *ocsp)
{
	struct tls_files *files = tls_files_new();
	struct settings s;
	struct buf why = BUF_INIT;
	enum host_file kind;

	assert_int_equal(settings_init(&s), 0);
	s.tls_certificate.item = calloc(2, sizeof(char *));
	s.tls_ocsp.item = calloc(2, sizeof(char *));
	s.tls_certificate.n = s.tls_ocsp.n = 2;
	for (unsigned i = 0; i < 2; i++) {
		struct buf text = BUF_INIT;
		int fd;

		s.tls_certificate.item[i] = strdup("cert.pem");
		s.tls_ocsp.item[i] = strdup("response.der");
		pki_certificate(&text, p[i].certificate);
		pki_key(&text, p[i].key);
		fd = pki_file(&text);
		assert_int_equal(tls_files_add(files, HOST_CERTIFICATE, i, fd), 0);
		close(fd);
		pki_ocsp(&ocsp[i], p[i].certificate, &world.ca, i ? -1 : 5);
		buf_add_slice(&text, buf_slice(&ocsp[i]));
		fd = pki_file(&text);
		assert_int_equal(tls_files_add(files, HOST_OCSP, i, fd), 0);
		close(fd);
	}
	if (tls_hosts_put(world.hosts, 0, SLICE_NULL, &s, files, &why, &kind) != 0)
		fail_msg("%.*s", SLICE_FMT(buf_slice(&why)));
	settings_deinit(&s);
	tls_files_free(&files);
}

/* An ECDSA and an RSA certificate side by side: the client's algorithms choose, and each comes with
 * its own response; one that is past its time is not sent. */
static void
the_certificate_suits_the_client(void **state)
{
	static const char *const algorithms[] = {"ECDSA+SHA256:RSA-PSS+SHA256",
						 "RSA-PSS+SHA256:RSA+SHA256"};
	const struct pki_wish rsa = {.cn = "ftp.example.com", .by = &world.ca, .rsa = true};
	struct pair p[] = {world.server, pki_make(&rsa)};
	struct buf ocsp[2] = {BUF_INIT, BUF_INIT};

	(void)state;
	put_both(p, ocsp);
	EACH_VERSION(v)
	{
		for (unsigned i = 0; i < 2; i++) {
			struct client c;
			struct line *l;
			struct stapled got = {.n = 0};

			client_init(&c, *v);
			SSL_CTX_set1_sigalgs_list(c.ctx, algorithms[i]);
			SSL_CTX_set_tlsext_status_type(c.ctx, TLSEXT_STATUSTYPE_ocsp);
			SSL_CTX_set_tlsext_status_cb(c.ctx, on_staple);
			SSL_CTX_set_tlsext_status_arg(c.ctx, &got);
			l = control_line(&c);
			shake(l);
			assert_int_equal(l->result, 0);
			assert_int_equal(
				X509_cmp(SSL_get0_peer_certificate(l->ssl), p[i].certificate), 0);
			assert_int_equal(got.n, i ? 0 : ocsp[i].len);
			assert_memory_equal(got.bytes, ocsp[i].data, got.n);
			line_free(l);
			client_deinit(&c);
		}
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	buf_deinit(&ocsp[0]);
	buf_deinit(&ocsp[1]);
	pair_free(&p[1]);
}

/* A host of number 0 with these revocation lists, whose clients need a certificate. */
static void
put_strict_host(struct buf *crl)
{
	struct tls_files *files = tls_files_new();
	struct settings s;
	struct buf text = BUF_INIT, why = BUF_INIT;
	enum host_file kind;

	assert_int_equal(settings_init(&s), 0);
	set_list(&s.tls_certificate, "cert.pem");
	set_text(&s.tls_client_ca, "ca.pem");
	s.tls_client_certificate = WORD_tls_client_certificate_require;
	pki_certificate(&text, world.server.certificate);
	pki_key(&text, world.server.key);
	add_file(files, HOST_CERTIFICATE, &text);
	pki_certificate(&text, world.ca.certificate);
	add_file(files, HOST_CLIENT_CA, &text);
	if (crl->len)
		add_file(files, HOST_CLIENT_CRL, crl);
	assert_int_equal(tls_hosts_put(world.hosts, 0, SLICE_NULL, &s, files, &why, &kind), 0);
	settings_deinit(&s);
	tls_files_free(&files);
}

/* Shakes hands with that certificate, and again for a data connection that resumes; with the user
 * whom it names, "" for nobody, NULL where it is refused. */
static void
expect_client(const struct pair *p, const X509 *middle, int version, const char *user)
{
	struct client c;
	struct line *l;
	struct buf name = BUF_INIT;

	client_init(&c, version);
	if (p) {
		assert_int_equal(SSL_CTX_use_certificate(c.ctx, p->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(c.ctx, p->key), 1);
		if (middle)
			SSL_CTX_add1_chain_cert(c.ctx, (X509 *)middle);
	}
	l = control_line(&c);
	shake(l);
	assert_int_equal(l->result, user ? 0 : TLS_BROKEN);
	if (user) {
		struct line *data;
		exchange(l);
		assert_int_equal(tls_has_certificate(l->t), p != NULL);
		assert_int_equal(tls_client_user(l->t, &name), user[0] != '\0');
		assert_true(slice_equal(buf_slice(&name), slice_of(user)));
		data = data_line(&c, l);
		offer(data, c.session);
		shake(data);
		assert_int_equal(data->result, 0);
		assert_true(tls_is_resumed(data->t));
		assert_int_equal(tls_has_certificate(data->t), p != NULL);
		line_free(data);
		data = data_line(&c, l);
		shake(data);
		assert_int_equal(data->result, 0);
		assert_true(tls_is_same_peer(data->t, l->t));
		line_free(data);
	}
	buf_deinit(&name);
	line_free(l);
	client_deinit(&c);
}

static void
certificates_of_clients_are_judged(void **state)
{
	struct pair stranger_ca = pki_make(&(struct pki_wish){.cn = "CA", .ca = true});
	struct pair sub = pki_make(&(struct pki_wish){.cn = "Sub", .ca = true, .by = &world.ca});
	const struct {
		struct pki_wish wish;
		const char *user;
		bool by_sub;
	} rows[] = {
		{{.cn = "till", .by = &world.ca, .usage = "clientAuth"}, "till", false},
		{{.cn = "till", .by = &world.ca}, "till", false},
		{{.cn = "till", .by = &sub}, "till", true},
		{{.cn = "till", .by = &world.ca, .rsa = true}, "till", false},
		{{.cn = "till\0root", .cn_length = 9, .by = &world.ca}, "", false},
		{{.cn = "till\nroot", .by = &world.ca}, "", false},
		{{.cn = "till", .by = &world.ca, .usage = "serverAuth"}, NULL, false},
		{{.cn = "till", .by = &world.ca, .from = -10, .days = 5}, NULL, false},
		{{.cn = "till", .by = &world.ca, .from = 5, .days = 5}, NULL, false},
		{{.cn = "till", .by = &stranger_ca}, NULL, false},
		{{.cn = "till"}, NULL, false},
		{{.cn = "till", .by = &world.ca, .names = 1000}, "till", false},
		{{.cn = "till", .by = &world.ca, .names = 5000}, NULL, false},
	};
	struct buf none = BUF_INIT;

	(void)state;
	put_strict_host(&none);
	EACH_VERSION(v)
	{
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct pair p = pki_make(&rows[i].wish);
			expect_client(&p, rows[i].by_sub ? sub.certificate : NULL, *v,
				      rows[i].user);
			pair_free(&p);
		}
		expect_client(NULL, NULL, *v, NULL);
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_request);
	EACH_VERSION(v)
	{
		expect_client(&world.client, NULL, *v, "till");
		expect_client(NULL, NULL, *v, "");
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	pair_free(&sub);
	pair_free(&stranger_ca);
}

/* The lists that a host has, and whether the client gets in. */
static void
what_is_revoked_stays_out(void **state)
{
	struct pair sub = pki_make(&(struct pki_wish){.cn = "Sub", .ca = true, .by = &world.ca});
	struct pair leaf = pki_make(&(struct pki_wish){.cn = "till", .by = &sub});
	struct pair stranger = pki_make(&(struct pki_wish){.cn = "CA", .ca = true});
	const X509 *none = NULL, *by_ca = world.client.certificate;
	const struct {
		struct {
			const struct pair *ca;
			const X509 *revoked;
			int from, to;
		} crl[3];
		bool direct, below;
	} rows[] = {
		{{{&world.ca, none, -1, 5}}, true, false},
		{{{&world.ca, none, -1, 5}, {&sub, none, -1, 5}}, true, true},
		{{{&world.ca, by_ca, -1, 5}, {&sub, none, -1, 5}}, false, true},
		{{{&world.ca, none, -1, 5}, {&sub, leaf.certificate, -1, 5}}, true, false},
		{{{&world.ca, sub.certificate, -1, 5}, {&sub, none, -1, 5}}, true, false},
		/* Past its time, and not yet. */
		{{{&world.ca, none, -5, -1}}, false, false},
		{{{&world.ca, none, 2, 5}}, false, false},
		/* Two of one CA: the old one does no harm. */
		{{{&world.ca, none, -5, -1}, {&world.ca, none, -1, 5}}, true, false},
		{{{&world.ca, none, -1, 5}, {&world.ca, none, -1, 5}}, true, false},
		/* The same name, another key. */
		{{{&stranger, none, -1, 5}}, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf crl = BUF_INIT;
		for (size_t k = 0; k < 3 && rows[i].crl[k].ca; k++)
			pki_crl(&crl, rows[i].crl[k].ca, rows[i].crl[k].revoked,
				rows[i].crl[k].from, rows[i].crl[k].to);
		put_strict_host(&crl);
		EACH_VERSION(v)
		{
			expect_client(&world.client, NULL, *v, rows[i].direct ? "till" : NULL);
			expect_client(&leaf, sub.certificate, *v, rows[i].below ? "till" : NULL);
		}
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	pair_free(&leaf);
	pair_free(&sub);
	pair_free(&stranger);
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
		tls_end(data->t);
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

/* Where data is not resumed, it must bear what control bore. */
static void
another_certificate_is_another_peer(void **state)
{
	struct pair twin = pki_make(
		&(struct pki_wish){.cn = "till", .by = &world.ca, .usage = "clientAuth"});
	const struct pair *bearers[] = {NULL, &world.client, &twin};

	(void)state;
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_request);
	EACH_VERSION(v)
	{
		for (unsigned i = 0; i < 9; i++) {
			const struct pair *on[] = {bearers[i / 3], bearers[i % 3]};
			struct line *l[2];
			struct client c[2];

			for (unsigned k = 0; k < 2; k++) {
				client_init(&c[k], *v);
				if (on[k]) {
					SSL_CTX_use_certificate(c[k].ctx, on[k]->certificate);
					SSL_CTX_use_PrivateKey(c[k].ctx, on[k]->key);
				}
				l[k] = k ? data_line(&c[k], l[0]) : control_line(&c[k]);
				shake(l[k]);
				assert_int_equal(l[k]->result, 0);
			}
			assert_int_equal(tls_is_same_peer(l[1]->t, l[0]->t), on[0] == on[1]);
			for (unsigned k = 2; k-- > 0;) {
				line_free(l[k]);
				client_deinit(&c[k]);
			}
		}
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	pair_free(&twin);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_control_connection_says_what_it_is),
		cmocka_unit_test(sessions_stay_with_their_control_connection),
		cmocka_unit_test(a_full_data_handshake_leaves_nothing),
		cmocka_unit_test(sessions_without_tickets_are_kept),
		cmocka_unit_test(nothing_is_resumed_where_reuse_is_off),
		cmocka_unit_test(tickets_are_pushed),
		cmocka_unit_test(broken_tickets_are_passed_over),
		cmocka_unit_test(alpn_is_ftp_or_nothing),
		cmocka_unit_test(names_choose_the_host),
		cmocka_unit_test(a_host_is_replaced_under_a_connection),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(bytes_behind_the_end_are_left),
		cmocka_unit_test(renegotiation_is_refused_and_nothing_else),
		cmocka_unit_test(what_is_not_tls_is_broken),
		cmocka_unit_test(the_certificate_suits_the_client),
		cmocka_unit_test(certificates_of_clients_are_judged),
		cmocka_unit_test(what_is_revoked_stays_out),
		cmocka_unit_test(many_records_leave_in_one_call),
		cmocka_unit_test(no_recv_is_in_vain),
		cmocka_unit_test(a_flood_of_key_updates_ends),
		cmocka_unit_test(an_idle_connection_is_cheap),
		cmocka_unit_test(the_kernel_encrypts_where_it_can),
		cmocka_unit_test(writing_by_the_kernel_waits_for_room),
		cmocka_unit_test(another_certificate_is_another_peer),
	};

	return cmocka_run_group_tests_name("stream", tests, set_up, tear_down);
}
