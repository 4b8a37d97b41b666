/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Data connections: see data.h.  Each step is tried first, and waited for only when it would block,
 * so that a small file needs no epoll.
 */
#include "data.h"

#include "secure.h"

#include <err.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define STEPS      16 /* before others have their turn */
#define MORE_LINES 3  /* a listing may have: the folder, the one above, a total */

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static uint32_t
end(struct data *d)
{
	d->step = NULL;
	return 0;
}

/* The last byte has come. */
static void
check_end(struct data *d)
{
	size_t got = d->job->work->lines ? d->lines : d->done;
	size_t most = d->job->bytes + (d->job->work->lines ? MORE_LINES : 0);

	if (got < d->job->bytes || got > most)
		errx(1, "%zu %s came instead of %zu", got, d->job->work->lines ? "lines" : "bytes",
		     d->job->bytes);
}

static size_t
count_lines(const unsigned char *bytes, size_t n)
{
	const unsigned char *last = bytes + n;
	size_t lines = 0;

	while ((bytes = memchr(bytes, '\n', (size_t)(last - bytes)))) {
		lines++;
		bytes++;
	}
	return lines;
}

/* At most PATTERN_SIZE bytes, in the job's buffer if they were not only counted. */
static void
take(struct data *d, size_t n)
{
	if (d->done == 0)
		d->job->first += loop_now() - d->asked;
	if (d->job->work->lines)
		d->lines += count_lines(d->job->buffer, n);
	else if (d->job->compare &&
		 memcmp(d->job->buffer, pattern_at(&d->job->wire, d->done), n) != 0)
		errx(1, "wrong bytes between %zu and %zu", d->done, d->done + n);
	d->done += n;
}

static uint32_t
receive_plain(struct data *d)
{
	/* MSG_TRUNC on TCP: the kernel drops the bytes instead of copying them to us. */
	bool look = d->job->work->lines || d->job->compare;
	ssize_t r = recv(d->watch.fd, look ? d->job->buffer : NULL, PATTERN_SIZE,
			 look ? 0 : MSG_TRUNC);

	if (r < 0 && errno == EAGAIN)
		return EPOLLIN;
	if (r < 0)
		err(1, "recv");
	if (r > 0) {
		take(d, (size_t)r);
		return 0;
	}
	check_end(d);
	return end(d);
}

static uint32_t
send_plain(struct data *d)
{
	size_t left = d->job->bytes - d->done;
	ssize_t r;

	if (!left)
		return end(d);
	r = send(d->watch.fd, pattern_at(&d->job->wire, d->done),
		 smaller(left, d->job->wire.period), MSG_NOSIGNAL);
	if (r < 0 && errno == EAGAIN)
		return EPOLLOUT;
	if (r < 0)
		err(1, "send");
	d->done += (size_t)r;
	return 0;
}

static uint32_t
receive_tls(struct data *d)
{
	int r = SSL_read(d->ssl, d->job->buffer, (int)PATTERN_SIZE);

	if (r > 0) {
		take(d, (size_t)r);
		return 0;
	}
	if (SSL_get_error(d->ssl, r) != SSL_ERROR_ZERO_RETURN)
		return secure_waits(d->ssl, r, "no close_notify");
	check_end(d);
	/* The server may be gone already, and that is its right. */
	SSL_shutdown(d->ssl);
	ERR_clear_error();
	return end(d);
}

/* What the server still sends must not turn our close into a reset. */
static uint32_t
drain(struct data *d)
{
	ssize_t r = recv(d->watch.fd, d->job->buffer, PATTERN_SIZE, 0);

	if (r < 0 && errno == EAGAIN)
		return EPOLLIN;
	return r > 0 ? 0 : end(d);
}

static uint32_t
flush_tls(struct data *d)
{
	BIO *bio = SSL_get_wbio(d->ssl);

	if (BIO_flush(bio) <= 0) {
		if (!BIO_should_retry(bio))
			secure_fail("flush");
		return EPOLLOUT;
	}
	shutdown(d->watch.fd, SHUT_WR);
	d->step = drain;
	return 0;
}

static uint32_t
notify_tls(struct data *d)
{
	int r = SSL_shutdown(d->ssl);

	if (r < 0)
		return secure_waits(d->ssl, r, "SSL_shutdown");
	d->step = flush_tls;
	return 0;
}

static uint32_t
send_tls(struct data *d)
{
	size_t left = d->job->bytes - d->done;

	if (!left) {
		d->step = notify_tls;
		return 0;
	}
	/* The same bytes again after a call that would have blocked, as OpenSSL demands. */
	int r = SSL_write(d->ssl, pattern_at(&d->job->wire, d->done),
			  (int)smaller(left, d->job->wire.period));
	if (r <= 0)
		return secure_waits(d->ssl, r, "SSL_write");
	d->done += (size_t)r;
	return 0;
}

static uint32_t
shake(struct data *d)
{
	int r = SSL_do_handshake(d->ssl);

	if (r != 1)
		return secure_waits(d->ssl, r, "handshake of a data connection");
	if (SSL_session_reused(d->ssl))
		d->job->resumed++;
	secure_bulk(d->ssl, d->job->work->upload);
	d->step = d->job->work->upload ? send_tls : receive_tls;
	return 0;
}

static void
run(struct data *d)
{
	for (int steps = 0; d->step; steps++) {
		uint32_t waits = d->step(d);

		/* What OpenSSL has in its buffer makes no descriptor ready. */
		if (!waits && steps >= STEPS && d->step && !(d->ssl && SSL_has_pending(d->ssl)))
			waits = d->job->work->upload ? EPOLLOUT : EPOLLIN;
		if (waits) {
			watch_want(&d->watch, &d->job->loop, waits);
			return;
		}
	}
	SSL_free(d->ssl);
	d->ssl = NULL;
	watch_close(&d->watch);
	d->ended(d);
}

static void
on_ready(struct watch *w)
{
	run((struct data *)w); /* its first member */
}

void
data_init(struct data *d, struct job *job, void (*ended)(struct data *d))
{
	*d = (struct data){.watch = {.fd = -1, .ready = on_ready}, .job = job, .ended = ended};
}

void
data_connect(struct data *d, uint16_t port)
{
	watch_dial(&d->watch, port);
	d->done = d->lines = 0;
	d->asked = loop_now();
}

void
data_begin(struct data *d, SSL_SESSION *ticket)
{
	d->job->connections++;
	if (d->job->tls) {
		d->ssl = secure_begin(d->job->tls, d->watch.fd, NULL, ticket);
		d->step = shake;
	} else {
		d->step = d->job->work->upload ? send_plain : receive_plain;
	}
	run(d);
}
