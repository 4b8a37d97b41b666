/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Watching descriptors that are made and closed by the thousand: control and data connections, the
 * listeners of these, pipes of listings.  All are in one epoll instance, which the loop watches as
 * one descriptor.  To make, start and close a uv_poll_t takes six system calls; this takes one or
 * two.
 *
 * A watch tells once what it was asked for, and is off then.  Those that are ready are told one
 * after the other, for a fraction of a millisecond a turn of the loop: so whoever has a control
 * connection waits no longer than that, however many transfers there are and whatever a step of
 * them costs.
 *
 * The watch of a control connection is a standing one: it goes on telling, and is told ahead of
 * those, as soon as it is fetched, for as long a time.
 */
#ifndef WHARF_WORKER_WATCH_H
#define WHARF_WORKER_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <uv.h>

#define WATCH_BATCH 64

struct watcher {
	int epoll;
	uv_poll_t poll;
	uv_check_t check;
	uv_idle_t idle;
	/* Those that have something to tell, in their order. */
	TAILQ_HEAD(watch_queue, watch) queue, standing;
	size_t n;      /* in the queue */
	uint64_t told; /* how long it has taken to tell them in all, and pumps of the pool, ns */
};

/* Beside UV_READABLE and UV_WRITABLE: the next turn; the connection is dead. */
#define WATCH_AGAIN  (1 << 8)
#define WATCH_BROKEN (1 << 9)

/* Begins zeroed. */
struct watch {
	struct watcher *watcher;
	int fd;
	int events; /* that it waits for; 0: it is off */
	int told;   /* of these, what there is, or WATCH_BROKEN; of a standing one only */
	bool standing;
	bool known; /* to the kernel */
	bool queued;
	TAILQ_ENTRY(watch) link;
	void (*ready)(void *owner);
	void *owner;
};

/* 0 or a negative errno. */
int watcher_init(struct watcher *all, uv_loop_t *loop);
/* The loop must run for its handles. */
void watcher_close(struct watcher *all);

/* ready(owner) is called from the loop, when a watch has something to tell: also an error, which
 * the next call on the descriptor says. */
void watch_init(struct watch *w, struct watcher *all, int fd, void (*ready)(void *owner),
		void *owner);
/* The same of a standing one, which looks into `told`. */
void watch_init_standing(struct watch *w, struct watcher *all, int fd, void (*ready)(void *owner),
			 void *owner);
/* Waits for UV_READABLE, UV_WRITABLE or both; 0: for nothing.  0 or a negative errno. */
int watch_wait(struct watch *w, int events);
/* It has something to tell anyway: when the others have had their turn. */
void watch_again(struct watch *w);
/* Before its descriptor is closed or goes to somebody else.  What is off is left in the kernel's
 * table, where it tells nothing, until the descriptor is closed. */
void watch_close(struct watch *w);

#endif
