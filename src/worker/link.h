/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A channel on the loop: to the monitor, an auth process or an agent.  Messages that the socket has
 * no room for wait in order and go out when it has.
 */
#ifndef WHARF_WORKER_LINK_H
#define WHARF_WORKER_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <wharf/base/buf.h>
#include <wharf/wire/wire.h>

struct link;

struct link_calls {
	/* A message came; its descriptor, if any, is the callee's.  fd_lost: it should have had
	 * one. */
	void (*message)(struct link *l, struct message *m, bool fd_lost);
	/* The peer is gone, or did what it must not (reason -EPROTO).  The callee closes the link.
	 */
	void (*ended)(struct link *l, int reason);
	/* After link_close(): nothing of the link is in use any more. */
	void (*closed)(struct link *l);
};

struct link {
	uint32_t magic;
	struct wire wire;
	uv_poll_t poll;
	struct buf unsent; /* datagrams, each with a struct waiting before it */
	const struct link_calls *calls;
	void *owner;
	bool closing;
};

/*
 * Watches the channel, in the phase that the wire is in.  Takes over the wire's descriptor from the
 * caller's copy. Returns 0, or a negative errno; then the wire is deinitialised and closed() is not
 * called.
 */
int link_init(struct link *l, uv_loop_t *loop, const struct wire *wire,
	      const struct link_calls *calls, void *owner);
/* Closes it; closed() comes from the loop.  A second call does nothing. */
void link_close(struct link *l);

/*
 * 0 or a negative errno: the message is lost, and the channel too unless it was -EMSGSIZE or
 * -EMFILE.  m->fd stays the caller's; a message that has to wait keeps a copy of it.
 */
int link_send(struct link *l, const struct message *m);
/* The same for a message that holds a secret: no copy stays in a buffer longer than it must. */
int link_send_secret(struct link *l, const struct message *m);

#endif
