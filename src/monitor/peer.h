/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A role's process as the monitor sees it: the pid and the channel, in one life.  It is lost when
 * its channel ends or it sends what is not legal; its owner then forgets it; and it is gone, and
 * its memory may be, when it was reaped and the loop let go of its handles.
 */
#ifndef WHARF_MONITOR_PEER_H
#define WHARF_MONITOR_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>
#include <uv.h>

#include <wharf/wire/wire.h>

struct monitor;
struct peer;
struct datagram;

/* Returns 0, or a negative errno when the message is not legal now: the peer is killed for it. */
typedef int (*peer_handler)(struct peer *p, const struct message *m);

struct peer_class {
	const char *name; /* of its binary */
	enum wire_role role;
	const peer_handler *handlers; /* by message id; NULL for what it may not send */
	/* The channel ended by itself.  The owner takes the peer out of its tables; peer_send()
	 * does nothing from here on. */
	void (*lost)(struct peer *p);
	/* Dead and closed: the owner frees it.  status: of waitpid(2), 0 where it was no child of
	 * the monitor. */
	void (*gone)(struct peer *p, int status);
};

struct peer {
	uint32_t magic;
	const struct peer_class *class;
	struct monitor *monitor;
	pid_t pid; /* 0 when it was reaped, or is no child of the monitor */
	int status;
	struct wire wire;
	uv_poll_t poll;
	uv_timer_t timer; /* its owner's while it lives: peer_kill_after() */
	unsigned handles;
	bool lost, dead;
	struct datagram *queue, *queue_end; /* what the channel had no room for */
	size_t queued;
	unsigned room;     /* for how many calls peer_has_room() need not look */
	UT_hash_handle hh; /* in the monitor's children, by pid */
};

/* Starts the class's binary.  Returns 0 or a negative errno; then the peer was never alive and
 * nothing is called. */
int peer_start(struct peer *p, const struct peer_class *class, struct monitor *m);
/* The same for a process that another one starts; takes over fd, our end of its channel. */
int peer_adopt(struct peer *p, const struct peer_class *class, struct monitor *m, int fd);

/*
 * Sends, or queues what the channel has no room for.  m->fd stays the caller's.  Returns 0 or a
 * negative errno when the message can't arrive; a peer that reads nothing for thousands of messages
 * is killed.
 */
int peer_send(struct peer *p, const struct message *m);
/* Whether the channel has room for a good many messages more: a look holds for so many calls. */
bool peer_has_room(struct peer *p);

/* Ends the life of a peer from the owner's side: closes the channel, and kills what has not left
 * after grace_ms. */
void peer_end(struct peer *p, uint64_t grace_ms);
/* Kills it, and it is lost, unless it is ended or peer_keep() is called before. */
void peer_kill_after(struct peer *p, uint64_t ms);
void peer_keep(struct peer *p);

/* Reaps what died, after a SIGCHLD. */
void peers_reap(struct monitor *m);

#endif
