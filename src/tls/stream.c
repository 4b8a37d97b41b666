/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TLS connections on OpenSSL.  Errors of one connection never reach another one of the same
 * thread: OpenSSL's queue of them is emptied before each call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>

#include <wharf/base/check.h>

#include "connection.h"

enum {
	READ_BYTES = 128 << 10, /* of a data connection at once */
	ANSWERS_MAX = 16
		      << 10, /* alerts and updates of keys that the peer asks for and never reads */
};

static int
never_resumable(SSL *ssl, int is_forward_secret)
{
	(void)ssl, (void)is_forward_secret;
	return 1;
}

/* A connection whose session, if it is a new one, nobody can come back to. */
static void
issue_nothing(struct tls *t)
{
	SSL_set_num_tickets(t->ssl, 0);
	SSL_set_not_resumable_session_callback(t->ssl, never_resumable);
}

static int
new_context(struct tls *t)
{
	return RAND_bytes(t->context, sizeof(t->context)) == 1 ? 0 : -ENOMEM;
}

/* What does not depend on which kind it is.  0 or -ENOMEM. */
static int
set_up(struct tls *t, const struct settings *settings)
{
	static const int versions[] = {
		[WORD_tls_version_v1_2] = TLS1_2_VERSION,
		[WORD_tls_version_v1_3] = TLS1_3_VERSION,
	};
	BIO *bio;

	t->ssl = SSL_new(t->hosts->front);
	bio = t->ssl ? transport_bio_new(t->hosts->transport, &t->transport) : NULL;
	if (!bio)
		return -ENOMEM;
	SSL_set_bio(t->ssl, bio, bio);
	if (SSL_set_app_data(t->ssl, t) != 1 ||
	    SSL_set_session_id_context(t->ssl, t->context, sizeof(t->context)) != 1 ||
	    SSL_set_min_proto_version(t->ssl, versions[settings->tls_minimum]) != 1)
		return -ENOMEM;
	if (settings->tls_reuse == WORD_tls_reuse_off) {
		SSL_set_options(t->ssl, SSL_OP_NO_TICKET);
		issue_nothing(t);
	}
	SSL_set_accept_state(t->ssl);
	return 0;
}

static struct tls *
new_stream(struct tls_hosts *hosts, int fd, const struct tls_host *host,
	   const struct settings *settings)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t)
		*t = (struct tls){
			.hosts = hosts,
			.host = host,
			.settings = settings,
			.transport = {.fd = fd, .spare = &hosts->spare},
			.with_tickets = settings->tls_reuse != WORD_tls_reuse_off,
		};
	return t;
}

struct tls *
tls_new_control(struct tls_hosts *hosts, int fd, const struct tls_host *host,
		const struct settings *settings)
{
	struct tls *t = new_stream(hosts, fd, host, settings);

	ERR_clear_error();
	if (!t)
		return NULL;
	t->owner.role = CONTEXT_CONTROL;
	t->transport.is_fed = true;
	if (new_context(t) == 0 && set_up(t, settings) == 0) {
		/* Passwords come here: none may stay in a buffer that OpenSSL has given back. */
		SSL_set_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
		return t;
	}
	tls_free(t);
	return NULL;
}

/* Lets OpenSSL use the socket itself, which the kernel's encryption needs.  Where the kernel does
 * not take it over, settle() gives the connection back to our transport. */
static int
try_kernel(struct tls *t)
{
	if (SSL_set_fd(t->ssl, t->transport.fd) != 1)
		return -ENOMEM;
	SSL_set_options(t->ssl, SSL_OP_ENABLE_KTLS);
	SSL_set_mode(t->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return 0;
}

struct tls *
tls_new_data(struct tls *control, int fd, const struct settings *settings)
{
	struct tls *t = new_stream(control->hosts, fd, control->host, settings);

	ERR_clear_error();
	if (!t)
		return NULL;
	t->owner.role = CONTEXT_DATA;
	memcpy(t->context, control->context, sizeof(t->context));
	if ((!t->with_tickets && new_context(t) < 0) || set_up(t, settings) < 0 ||
	    !SSL_set_SSL_CTX(t->ssl, SSL_get_SSL_CTX(control->ssl)) ||
	    (!t->hosts->not_kernel && try_kernel(t) < 0)) {
		tls_free(t);
		return NULL;
	}
	SSL_set_verify(t->ssl, SSL_get_verify_mode(control->ssl), NULL);
	issue_nothing(t);
	SSL_set_read_ahead(t->ssl, 1);
	SSL_set_default_read_buffer_len(t->ssl, READ_BYTES);
	return t;
}

void
tls_free(struct tls *t)
{
	SSL_SESSION *session;

	if (!t)
		return;
	session = t->ssl ? SSL_get_session(t->ssl) : NULL;
	if (session && t->owner.role == CONTEXT_CONTROL)
		SSL_CTX_remove_session(t->hosts->front, session);
	/* Else OpenSSL takes the session of what was cut short for a bad one, and forgets it. */
	if (t->ssl)
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	transport_deinit(&t->transport);
	free(t->sni);
	free(t);
	ERR_clear_error();
}

void
tls_feed(struct tls *t, struct slice bytes)
{
	REQUIRE(t->transport.is_fed);
	t->transport.in = bytes;
}

struct slice
tls_unread(const struct tls *t)
{
	return t->transport.in;
}

/* What to tell of OpenSSL's last error. */
static const char *
reason_of(const struct tls *t, unsigned long e)
{
	const char *text = NULL;

	if (ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		text = X509_verify_cert_error_string(SSL_get_verify_result(t->ssl));
	if (!text)
		text = ERR_reason_error_string(e);
	return text ? text : "it broke off";
}

static int
end(struct tls *t, int verdict, const char *why)
{
	if (!t->verdict) {
		t->verdict = verdict;
		if (!t->why)
			t->why = why;
	}
	ERR_clear_error();
	return t->verdict;
}

/* What OpenSSL's return value means; `error`: errno behind its call. */
static int
judge(struct tls *t, int r, int error)
{
	int what = SSL_get_error(t->ssl, r);
	unsigned long e = ERR_peek_last_error();

	if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) {
		t->hungry = what == SSL_ERROR_WANT_READ;
		return TLS_AGAIN;
	}
	if (t->transport.error)
		error = t->transport.error;
	if (error == ENOMEM)
		return end(t, TLS_BROKEN, "out of memory");
	if (what == SSL_ERROR_SYSCALL && error)
		return end(t, TLS_RESET, "the connection broke");
	if (what == SSL_ERROR_SYSCALL || (ERR_GET_LIB(e) == ERR_LIB_SSL &&
					  ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING))
		return end(t, TLS_TRUNCATED, "the connection ended");
	return end(t, TLS_BROKEN, reason_of(t, e));
}

/* Tells the caller.  Where that is to wait for an event, there will be something to receive. */
static int
tell(struct tls *t, int result)
{
	if (result == TLS_AGAIN)
		t->transport.is_drained = false;
	return result;
}

/* Before each call of OpenSSL. */
static void
begin(void)
{
	ERR_clear_error();
	errno = 0;
}

/* Before what may receive. */
static void
begin_reading(struct tls *t)
{
	t->transport.may_receive = true;
	t->hungry = false;
	begin();
}

/* The handshake is done: what is only for it goes, and who encrypts is decided. */
static int
settle(struct tls *t)
{
	t->done = true;
	t->settings = NULL;
	if (t->owner.role == CONTEXT_CONTROL || t->hosts->not_kernel)
		return 0;
	t->in_kernel = BIO_get_ktls_send(SSL_get_wbio(t->ssl));
	if (!t->in_kernel) {
		BIO *bio = transport_bio_new(t->hosts->transport, &t->transport);
		if (!bio)
			return end(t, TLS_BROKEN, "out of memory");
		SSL_clear_mode(t->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
		SSL_set_bio(t->ssl, bio, bio);
	}
	return 0;
}

int
tls_handshake(struct tls *t)
{
	int r;

	if (t->verdict || t->done)
		return t->verdict;
	begin_reading(t);
	r = SSL_do_handshake(t->ssl);
	return r == 1 ? settle(t) : tell(t, judge(t, r, errno));
}

/* Reads until the room is full.  Bytes come before a new recv(2): what OpenSSL has already read is
 * given out first, so that the caller sees each piece as it comes. */
static int
read_records(struct tls *t, char *to, size_t n, size_t *got)
{
	int r = 1;

	begin_reading(t);
	while (*got < n && r == 1) {
		size_t part = 0;

		begin();
		r = SSL_read_ex(t->ssl, to + *got, n - *got, &part);
		*got += part;
		if (part)
			t->transport.may_receive = false;
	}
	if (r == 1)
		return 0;
	if (SSL_get_error(t->ssl, r) == SSL_ERROR_ZERO_RETURN) {
		t->closed = true;
		return 0;
	}
	return judge(t, r, errno);
}

ssize_t
tls_read(struct tls *t, void *to, size_t n)
{
	size_t waited = tls_unsent(t), got = 0;
	int result;

	if (t->verdict || t->closed)
		return t->verdict;
	result = read_records(t, to, n, &got);
	if (tls_unsent(t) > waited)
		t->answers += tls_unsent(t) - waited;
	if (t->answers > ANSWERS_MAX)
		result = end(t, TLS_BROKEN, "it asks for answers and does not read them");
	return got ? (ssize_t)got : tell(t, result);
}

bool
tls_has_more(const struct tls *t)
{
	if (t->verdict || t->closed)
		return true;
	return !t->hungry && (t->transport.in.n || SSL_has_pending(t->ssl));
}

int
tls_write(struct tls *t, const void *bytes, size_t n)
{
	const char *at = bytes;

	if (t->verdict)
		return TLS_BROKEN;
	if (t->in_kernel)
		return transport_append(&t->transport, bytes, n) < 0 ? TLS_BROKEN : 0;
	while (n) {
		size_t part = 0;

		begin();
		if (SSL_write_ex(t->ssl, at, n, &part) != 1) {
			judge(t, 0, errno);
			return TLS_BROKEN;
		}
		at += part;
		n -= part;
	}
	return 0;
}

/* close_notify, and before it the ticket that was promised.  0 or an enum tls_result. */
static int
shut_down(struct tls *t)
{
	int r = 1;

	begin();
	if (SSL_in_init(t->ssl))
		r = SSL_do_handshake(t->ssl);
	if (r == 1)
		r = SSL_shutdown(t->ssl);
	return r >= 0 ? 0 : judge(t, r, errno);
}

void
tls_end(struct tls *t, bool with_fin)
{
	if (!t->done || t->verdict)
		return;
	t->transport.with_fin = with_fin;
	t->ending = t->in_kernel;
	if (!t->in_kernel)
		shut_down(t);
}

static int
flush_kernel(struct tls *t)
{
	struct transport *p = &t->transport;
	int result = 0;

	while (result == 0 && transport_unsent(p)) {
		size_t part = 0;
		int r;

		begin();
		r = SSL_write_ex(t->ssl, p->out.data + p->sent, transport_unsent(p), &part);
		if (r == 1)
			transport_sent(p, part);
		else
			result = judge(t, r, errno);
	}
	if (result == 0 && t->ending) {
		result = shut_down(t);
		t->ending = result == TLS_AGAIN;
	}
	return result == 0 || result == TLS_AGAIN ? result : TLS_RESET;
}

int
tls_flush(struct tls *t)
{
	int r;

	if (t->in_kernel)
		return flush_kernel(t);
	r = transport_flush(&t->transport);
	if (r == 0)
		t->answers = 0;
	if (r < 0)
		return TLS_RESET;
	return r ? TLS_AGAIN : 0;
}

size_t
tls_unsent(const struct tls *t)
{
	return transport_unsent(&t->transport) + t->ending;
}

bool
tls_wants_room(const struct tls *t)
{
	return SSL_want_write(t->ssl);
}

void
tls_ticket(struct tls *t)
{
	if (t->done && t->with_tickets && t->owner.role == CONTEXT_CONTROL && !t->verdict)
		SSL_new_session_ticket(t->ssl);
	ERR_clear_error();
}

bool
tls_is_in_kernel(const struct tls *t)
{
	return t->in_kernel;
}

ssize_t
tls_sendfile(struct tls *t, int file, off_t offset, size_t n)
{
	ssize_t r;

	if (tls_unsent(t))
		return TLS_AGAIN;
	begin();
	r = SSL_sendfile(t->ssl, file, offset, n, 0);
	if (r >= 0)
		return r;
	if (errno == EAGAIN || errno == EINTR)
		return TLS_AGAIN;
	if (errno == EPIPE || errno == ECONNRESET || errno == ETIMEDOUT)
		return end(t, TLS_RESET, "the connection broke");
	return TLS_BROKEN;
}

bool
tls_is_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl) == 1;
}

const char *
tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *
tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

const struct tls_host *
tls_host_of(const struct tls *t)
{
	return t->host;
}

struct slice
tls_sni(const struct tls *t)
{
	return slice_of(t->sni);
}

bool
tls_is_same_peer(const struct tls *data, const struct tls *control)
{
	const X509 *a = SSL_get0_peer_certificate(data->ssl);
	const X509 *b = SSL_get0_peer_certificate(control->ssl);

	if (tls_is_resumed(data) || !a || !b)
		return tls_is_resumed(data) || a == b;
	return X509_cmp(a, b) == 0;
}

bool
tls_client_user(const struct tls *t, struct buf *user)
{
	bool found = tls_has_certificate(t) &&
		     bearers_find(&t->hosts->bearers, SSL_get0_peer_certificate(t->ssl), user);

	ERR_clear_error();
	return found;
}

bool
tls_has_certificate(const struct tls *t)
{
	return t->done && SSL_get0_peer_certificate(t->ssl) &&
	       SSL_get_verify_result(t->ssl) == X509_V_OK;
}

const char *
tls_why(const struct tls *t)
{
	return t->why ? t->why : "";
}
