/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Both ends of TLS connections; see tls_ends.h. */
#include <netinet/in.h>
#include <netinet/tcp.h>
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

struct ends_world world;

void
set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	assert_non_null(*field);
}

void
set_list(struct texts *list, const char *one)
{
	list->item = calloc(1, sizeof(*list->item));
	assert_non_null(list->item);
	list->item[0] = strdup(one);
	list->n = 1;
}

void
add_file(struct tls_files *files, enum host_file kind, struct buf *text)
{
	int fd = pki_file(text);

	assert_int_equal(tls_files_add(files, kind, 0, fd), 0);
	close(fd);
}

/* Puts a host with that certificate; clients: off, request or require. */
void
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

int
ends_set_up(void **state)
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

int
ends_tear_down(void **state)
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

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(c->session);
	c->session = session;
	c->tickets++;
	return 1;
}

void
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

void
client_deinit(struct client *c)
{
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ctx);
}

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

struct line *
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

struct line *
control_line(struct client *c)
{
	struct line *l = line_start(c);

	l->is_control = true;
	l->t = tls_new_control(world.hosts, l->fd, NULL, &world.settings);
	assert_non_null(l->t);
	return l;
}

struct line *
data_line(struct client *c, const struct line *control)
{
	struct line *l = line_start(c);

	l->t = tls_new_data(control->t, l->fd, &world.settings);
	assert_non_null(l->t);
	return l;
}

void
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
void
feed(struct line *l)
{
	ssize_t n;

	if (!l->is_control)
		return;
	n = read(l->fd, l->in + l->n, sizeof(l->in) - l->n);
	if (n > 0)
		l->n += (size_t)n;
	tls_feed(l->t, (struct slice){l->in, l->n});
}

void
eat(struct line *l)
{
	struct slice rest;

	if (!l->is_control)
		return;
	rest = tls_unread(l->t);
	memmove(l->in, rest.p, rest.n);
	l->n = rest.n;
}

ssize_t
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
void
offer(struct line *l, SSL_SESSION *session)
{
	SSL_SESSION *copy = SSL_SESSION_dup(session);

	assert_int_equal(SSL_set_session(l->ssl, copy), 1);
	SSL_SESSION_free(copy);
}

/* Both sides, until both are done or one can't go on. */
void
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
void
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
