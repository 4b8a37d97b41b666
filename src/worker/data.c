/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Ways to a data connection; see data.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "data.h"
#include "events.h"
#include "secure.h"

#define DATA_MAGIC MAGIC('d', 'a', 't', 'a')
/* So many strangers are turned away a turn. */
#define ACCEPTS_A_TURN 32
/* How long a client that has begun TLS before its transfer command may take to end the handshake,
 * before it is told 150 all the same. */
#define AHEAD_MS 250

struct data {
	uint32_t magic;
	struct session *session; /* NULL: closed */
	struct watch listen_watch, connect_watch;
	uv_timer_t timer;
	bool waits, asked;
	int listener, fd;
	bool connected;
	struct sockaddr_storage target; /* active */
	struct tls *tls;                /* that has begun before the transfer, or NULL */
	bool begun, shaken; /* the client has said its hello; no more can be done ahead */
	struct turn turn;
};

static void on_listener(void *owner);
static void shake_hands(void *owner);

static socklen_t
address_len(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static void
on_closed(uv_handle_t *handle)
{
	struct data *d = handle->data;

	REQUIRE(d->magic == DATA_MAGIC);
	free(d);
}

/* In place of what was before. */
static struct data *
data_new(struct session *s)
{
	struct data *d = calloc(1, sizeof(*d));

	data_close(s);
	if (!d)
		return NULL;
	d->magic = DATA_MAGIC;
	d->session = s;
	d->listener = d->fd = -1;
	uv_timer_init(&s->worker->loop, &d->timer);
	d->timer.data = d;
	d->turn.run = shake_hands;
	d->turn.owner = d;
	s->data = d;
	return d;
}

static void
close_listener(struct data *d)
{
	watch_close(&d->listen_watch);
	fd_close(&d->listener);
}

static void
close_socket(struct data *d)
{
	watch_close(&d->connect_watch);
	fd_close(&d->fd);
}

void
data_close(struct session *s)
{
	struct data *d = s->data;

	if (s->due == DUE_CONNECT || s->due == DUE_CONNECTED)
		s->due = DUE_NONE;
	if (!d)
		return;
	s->data = NULL;
	d->session = NULL;
	turns_leave(&s->worker->turns, &d->turn);
	if (d->listener >= 0 || d->tls)
		ports_release(&s->listener->ports, s->port, uv_now(&s->worker->loop) / 1000);
	tls_free(d->tls);
	d->tls = NULL;
	close_listener(d);
	close_socket(d);
	uv_close((uv_handle_t *)&d->timer, on_closed);
}

int
data_take(struct session *s, struct tls **tls)
{
	struct data *d = s->data;
	int fd = -1;

	*tls = NULL;
	if (!d)
		return -1;
	if (d->connected) {
		watch_close(&d->connect_watch);
		fd = d->fd;
		d->fd = -1;
		*tls = d->tls;
		d->tls = NULL;
	}
	data_close(s);
	return fd;
}

static int
watch_listener(struct data *d)
{
	return watch_wait(&d->listen_watch, UV_READABLE);
}

int
data_listen(struct session *s, int family, struct sockaddr_storage *announce)
{
	struct sockaddr_storage at = endpoint_address(&s->ftp.local);

	address_unmap(&at);
	if (at.ss_family != family)
		return -EAFNOSUPPORT;
	struct data *d = data_new(s);
	if (!d)
		return -ENOMEM;
	int fd = ports_listen(&s->listener->ports, &at, uv_now(&s->worker->loop) / 1000);
	if (fd < 0) {
		data_close(s);
		return fd;
	}
	d->listener = fd;
	watch_init(&d->listen_watch, &s->worker->watcher, fd, on_listener, d);
	s->port = address_port(&at);
	*announce = s->passive_address && s->passive_address->ss_family == family
			    ? *s->passive_address
			    : at;
	address_set_port(announce, s->port);
	if (s->ftp.protect && s->secure)
		watch_listener(d);
	return 0;
}

void
data_aim(struct session *s, const struct sockaddr_storage *to)
{
	struct data *d = data_new(s);

	if (d)
		d->target = *to;
}

/* The attempt has ended. */
static void
finish(struct data *d, int error)
{
	uv_timer_stop(&d->timer);
	turns_leave(&d->session->worker->turns, &d->turn);
	d->waits = false;
	d->connected = error == 0;
	close_listener(d);
	if (error < 0)
		close_socket(d);
	else
		watch_close(&d->connect_watch);
	session_due(d->session, DUE_CONNECTED, error);
}

static void
on_timer(uv_timer_t *timer)
{
	struct data *d = timer->data;

	REQUIRE(d->magic == DATA_MAGIC);
	if (d->session && d->waits)
		finish(d, d->connected ? 0 : -ETIMEDOUT);
}

/* The listener broke.  Where nobody waits yet, whoever does will find out. */
static void
fail(struct data *d, int error)
{
	if (d->waits)
		finish(d, error);
}

static void
on_hello(void *owner)
{
	struct data *d = owner;

	REQUIRE(d->magic == DATA_MAGIC);
	if (!d->turn.waits && turns_take(&d->session->worker->turns, &d->turn, true))
		shake_hands(d);
}

/* A step.  When there is nothing more to be done ahead, the rest is the transfer's: it finds out
 * how it ended. */
static void
step(struct data *d)
{
	int r = tls_handshake(d->tls);
	bool answers = tls_unsent(d->tls) > 0;

	d->begun = d->begun || answers;
	d->shaken = tls_flush(d->tls) != 0 || r != TLS_AGAIN;
	/* An answer acknowledges, too. */
	if (!d->shaken && !answers)
		fd_acknowledge(d->fd);
}

static bool
watch_hello(struct data *d)
{
	bool wants_room = tls_wants_room(d->tls);

	return watch_wait(&d->connect_watch, UV_READABLE | (wants_room ? UV_WRITABLE : 0)) == 0;
}

static void
shake_hands(void *owner)
{
	struct data *d = owner;

	step(d);
	if (!d->shaken)
		watch_hello(d);
	else if (d->waits)
		finish(d, 0);
}

/*
 * The transfer wants the connection, which is there.  A handshake that has begun goes first:
 * basic-ftp, which resumes a session, takes 150 for a sign that it has ended, and would cut an
 * empty upload short.
 */
static void
hand_over(struct data *d)
{
	if (d->tls && !d->shaken && !d->turn.waits)
		step(d);
	if (d->begun && !d->shaken && watch_hello(d)) {
		d->waits = true;
		uv_timer_start(&d->timer, on_timer, AHEAD_MS, 0);
	} else {
		finish(d, 0);
	}
}

/*
 * The client may have come before its transfer command.  curl says its hello at once and sends that
 * command only when it has heard an answer, or has waited for one long enough; others say nothing
 * before 150.
 */
static void
accepted(struct data *d, int fd)
{
	const struct session *s = d->session;

	d->fd = fd;
	d->connected = true;
	watch_init(&d->connect_watch, &s->worker->watcher, fd, on_hello, d);
	close_listener(d);
	if (s->ftp.protect && s->secure)
		d->tls = tls_new_data(s->secure->tls, fd, s->ftp.settings);
	if (d->waits)
		hand_over(d);
	else if (d->tls)
		watch_hello(d);
}

/*
 * Accepts until the client itself comes: whoever else is quicker gets nothing and takes nothing
 * away from it.  Whether it came, or that failed.
 */
static bool
accept_client(struct data *d)
{
	struct session *s = d->session;
	struct sockaddr_storage client = endpoint_address(&s->ftp.peer);

	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof(from);
		int fd = accept4(d->listener, (struct sockaddr *)&from, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno == EAGAIN)
			return false;
		if (fd < 0) {
			fail(d, -errno);
			return true;
		}
		if (address_same_host(&from, &client)) {
			accepted(d, fd);
			return true;
		}
		close(fd);
		event_stranger(s, &from);
	}
	return false;
}

static void
on_listener(void *owner)
{
	struct data *d = owner;

	REQUIRE(d->magic == DATA_MAGIC);
	if (!accept_client(d) && watch_listener(d) < 0)
		fail(d, -EIO);
}

static void
on_connect(void *owner)
{
	struct data *d = owner;
	int error = 0;
	socklen_t len = sizeof(error);

	REQUIRE(d->magic == DATA_MAGIC);
	if (!d->waits)
		return;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	finish(d, -error);
}

/* A socket at the address that the client knows, at any port. */
static int
own_socket(struct session *s)
{
	struct sockaddr_storage at = endpoint_address(&s->ftp.local);
	int r;

	address_unmap(&at);
	address_set_port(&at, 0);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&at, address_len(&at)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* Connects fd, which is bound, or -1 for a socket of our own. */
static void
connect_from(struct data *d, int fd)
{
	struct session *s = d->session;
	int r = fd >= 0 ? fd : own_socket(s);

	if (r < 0) {
		finish(d, r);
		return;
	}
	d->fd = r;
	r = fd_set_nonblocking(d->fd, true);
	if (r == 0 &&
	    connect(d->fd, (const struct sockaddr *)&d->target, address_len(&d->target)) < 0)
		r = -errno;
	if (r != -EINPROGRESS) {
		finish(d, r);
		return;
	}
	watch_init(&d->connect_watch, &s->worker->watcher, d->fd, on_connect, d);
	r = watch_wait(&d->connect_watch, UV_WRITABLE);
	if (r < 0)
		finish(d, r);
}

void
data_active_socket(struct session *s, int fd)
{
	struct data *d = s->data;

	if (!d || !d->waits || !d->asked) {
		fd_close(&fd);
		return;
	}
	d->asked = false;
	connect_from(d, fd);
}

void
data_connect(struct session *s)
{
	struct data *d = s->data;

	if (!d) {
		session_due(s, DUE_CONNECTED, -ENOTCONN);
		return;
	}
	if (d->connected) {
		hand_over(d);
		return;
	}
	d->waits = true;
	uv_timer_start(&d->timer, on_timer, s->ftp.settings->data_timeout * 1000, 0);
	if (d->listener >= 0) {
		int r = accept_client(d) ? 0 : watch_listener(d);
		if (r < 0)
			finish(d, r);
	} else if (s->ftp.settings->active_port) {
		struct message m = {.id = MSG_M_ACTIVE, .fd = -1, .m_active = {s->id}};
		d->asked = true;
		s->active_asked++;
		worker_tell(s->worker, &m);
	} else {
		connect_from(d, -1);
	}
}
