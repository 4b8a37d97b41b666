/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The transport of a TLS connection. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "transport.h"

static int
take_fed(struct transport *t, char *to, size_t n)
{
	n = n < t->in.n ? n : t->in.n;
	if (n)
		memcpy(to, t->in.p, n);
	t->in = slice_from(t->in, n);
	return (int)n;
}

/*
 * One recv(2) a call of tls_read(), and none where the last one has shown that there is no more: so
 * a reader that goes on until TLS_AGAIN makes no call in vain.
 */
static int
take_socket(struct transport *t, char *to, size_t n)
{
	ssize_t r;

	if (!t->may_receive || t->is_drained)
		return 0;
	t->may_receive = false;
	do
		r = recv(t->fd, to, n, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	t->ended = r == 0;
	t->is_drained = r < 0 || (size_t)r < n;
	if (r < 0 && errno != EAGAIN)
		t->error = errno;
	return r < 0 ? 0 : (int)r;
}

static int
on_read(BIO *bio, char *to, int n)
{
	struct transport *t = BIO_get_data(bio);
	int r;

	BIO_clear_retry_flags(bio);
	if (n <= 0 || t->ended)
		return 0;
	if (t->error)
		return -1;
	r = t->is_fed ? take_fed(t, to, (size_t)n) : take_socket(t, to, (size_t)n);
	if (r > 0 || t->ended)
		return r;
	if (!t->error)
		BIO_set_retry_read(bio);
	return -1;
}

static int
on_write(BIO *bio, const char *bytes, int n)
{
	struct transport *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n <= 0)
		return 0;
	if (transport_append(t, bytes, (size_t)n) < 0) {
		t->error = ENOMEM;
		return -1;
	}
	return n;
}

static long
on_ctrl(BIO *bio, int what, long number, void *pointer)
{
	const struct transport *t = BIO_get_data(bio);

	(void)number, (void)pointer;
	if (what == BIO_CTRL_EOF)
		return t->ended;
	return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *
transport_method_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "transport");

	if (m && BIO_meth_set_read(m, on_read) == 1 && BIO_meth_set_write(m, on_write) == 1 &&
	    BIO_meth_set_ctrl(m, on_ctrl) == 1)
		return m;
	BIO_meth_free(m);
	return NULL;
}

BIO *
transport_bio_new(BIO_METHOD *method, struct transport *t)
{
	BIO *bio = BIO_new(method);

	if (bio) {
		BIO_set_data(bio, t);
		BIO_set_init(bio, 1);
	}
	return bio;
}

static void
give_back(struct transport *t)
{
	if (t->out.cap >= TRANSPORT_SPARE && !t->spare->data) {
		*t->spare = t->out;
		buf_reset(t->spare);
		t->out = BUF_INIT;
	}
	buf_deinit(&t->out);
	t->sent = 0;
}

void
transport_deinit(struct transport *t)
{
	give_back(t);
}

size_t
transport_unsent(const struct transport *t)
{
	return t->out.len - t->sent;
}

int
transport_append(struct transport *t, const void *bytes, size_t n)
{
	if (!t->out.data) {
		t->out = *t->spare;
		*t->spare = BUF_INIT;
	}
	buf_add(&t->out, bytes, n);
	return buf_error(&t->out);
}

void
transport_sent(struct transport *t, size_t n)
{
	struct buf rest = BUF_INIT;

	t->sent += n;
	if (t->sent == t->out.len) {
		give_back(t);
		return;
	}
	if (t->out.cap < TRANSPORT_SPARE)
		return;
	rest.cap = rest.len = transport_unsent(t);
	rest.data = malloc(rest.cap);
	if (!rest.data)
		return;
	memcpy(rest.data, t->out.data + t->sent, rest.len);
	give_back(t);
	t->out = rest;
}

int
transport_flush(struct transport *t)
{
	size_t n = transport_unsent(t);
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (t->with_fin ? MSG_MORE : 0);
	ssize_t r;

	if (n == 0)
		return 0;
	do
		r = send(t->fd, t->out.data + t->sent, n, flags);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? 1 : -errno;
	transport_sent(t, (size_t)r);
	return (size_t)r < n;
}
