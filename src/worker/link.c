/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Channels on the loop; see link.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "link.h"

#define LINK_MAGIC MAGIC('l', 'i', 'n', 'k')
/* So many messages a turn, so that a busy agent does not keep the loop from the sockets. */
#define MESSAGES_A_TURN 64
/* A peer that does not read at all is not fed for ever. */
#define UNSENT_MAX (16U << 20)

/* What stands before a datagram that waits. */
struct waiting {
	uint32_t n; /* its bytes */
	int fd;     /* its descriptor, or -1 */
};

static void on_event(uv_poll_t *poll, int status, int events);

static int
watch(struct link *l)
{
	return uv_poll_start(&l->poll, UV_READABLE | (l->unsent.len ? UV_WRITABLE : 0), on_event);
}

/* Forgets what waits. */
static void
drop_waiting(struct link *l)
{
	for (size_t at = 0; at < l->unsent.len;) {
		struct waiting head;
		memcpy(&head, l->unsent.data + at, sizeof(head));
		fd_close(&head.fd);
		at += sizeof(head) + head.n;
	}
	buf_wipe(&l->unsent);
}

static void
send_waiting(struct link *l)
{
	while (l->unsent.len) {
		struct waiting head;
		memcpy(&head, l->unsent.data, sizeof(head));
		const struct slice datagram = {l->unsent.data + sizeof(head), head.n};
		int r = wire_send_encoded(&l->wire, datagram, head.fd);
		if (r == -EAGAIN)
			return;
		if (r == -EPIPE || r == -ECONNRESET)
			break; /* reading will tell that the peer is gone */
		if (r < 0) {
			/* What waits can't be left out. */
			l->calls->ended(l, r);
			return;
		}
		fd_close(&head.fd);
		buf_consume(&l->unsent, sizeof(head) + head.n);
	}
	drop_waiting(l);
	watch(l);
}

static void
receive(struct link *l)
{
	for (unsigned i = 0; i < MESSAGES_A_TURN && !l->closing; i++) {
		struct message m = {.fd = -1};
		int r = wire_recv(&l->wire, &m);
		if (r == -EAGAIN)
			return;
		if (r == 0 || r == WIRE_FD_LOST)
			l->calls->message(l, &m, r == WIRE_FD_LOST);
		else {
			l->calls->ended(l, r == WIRE_CLOSED ? -EPIPE : r);
			return;
		}
	}
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct link *l = poll->data;

	REQUIRE(l->magic == LINK_MAGIC);
	if (l->closing)
		return;
	if (status < 0) {
		/* An error on the socket stops the watch; what came before it is still read. */
		receive(l);
		if (!l->closing)
			l->calls->ended(l, -EPIPE);
		return;
	}
	if (events & UV_WRITABLE)
		send_waiting(l);
	if (events & UV_READABLE)
		receive(l);
}

int
link_init(struct link *l, uv_loop_t *loop, const struct wire *wire, const struct link_calls *calls,
	  void *owner)
{
	*l = (struct link){.magic = LINK_MAGIC, .wire = *wire, .calls = calls, .owner = owner};
	int r = fd_set_nonblocking(l->wire.fd, true);

	if (r == 0)
		r = uv_poll_init(loop, &l->poll, l->wire.fd);
	if (r < 0) {
		wire_deinit(&l->wire);
		return r;
	}
	l->poll.data = l;
	r = watch(l);
	REQUIRE(r == 0);
	return 0;
}

static void
on_closed(uv_handle_t *handle)
{
	struct link *l = handle->data;

	REQUIRE(l->magic == LINK_MAGIC);
	wire_deinit(&l->wire);
	l->calls->closed(l);
}

void
link_close(struct link *l)
{
	if (l->closing)
		return;
	l->closing = true;
	uv_close((uv_handle_t *)&l->poll, on_closed);
	/* The peer shall see the end now; buffers hold until the callback, for a message may be in
	 * somebody's hands. */
	fd_close(&l->wire.fd);
	drop_waiting(l);
}

/* Keeps the datagram in l->wire.out until there is room for it.  0 or a negative errno. */
static int
keep(struct link *l, int fd)
{
	struct waiting head = {(uint32_t)l->wire.out.len, -1};

	if (l->unsent.len + head.n > UNSENT_MAX ||
	    buf_reserve(&l->unsent, sizeof(head) + head.n) < 0)
		return -ENOBUFS;
	if (fd >= 0) {
		head.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (head.fd < 0)
			return -EMFILE;
	}
	buf_add(&l->unsent, &head, sizeof(head));
	buf_add(&l->unsent, l->wire.out.data, head.n);
	return 0;
}

int
link_send(struct link *l, const struct message *m)
{
	if (l->closing)
		return -EPIPE;
	/* Nothing overtakes what waits. */
	bool waits = l->unsent.len > 0;
	int r = waits ? wire_encode(&l->wire, m) : wire_send(&l->wire, m);

	if (r < 0 && r != -EAGAIN)
		return r;
	if (r == 0 && !waits)
		return 0;
	r = keep(l, m->fd);
	return r < 0 || waits ? r : watch(l);
}

int
link_send_secret(struct link *l, const struct message *m)
{
	int r = link_send(l, m);

	buf_wipe(&l->wire.out);
	return r;
}
