/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Watching descriptors that do not live long: data connections, their listeners, pipes of listings.
 * All are in one epoll instance, which the loop watches as one descriptor.  To make, start and
 * close a uv_poll_t takes six system calls; this takes one.
 *
 * A watch tells once what it was asked for, and is off then.
 */
#ifndef WHARF_WORKER_WATCH_H
#define WHARF_WORKER_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <uv.h>

#define WATCH_BATCH 64

struct watcher {
	int epoll;
	uv_poll_t poll;
	/* What is being told: from `at` on to come. */
	struct epoll_event batch[WATCH_BATCH];
	int at, n;
};

/* Begins zeroed. */
struct watch {
	struct watcher *watcher;
	int fd;
	int events; /* that it waits for; 0: it is off */
	bool known; /* to the kernel */
	void (*ready)(void *owner);
	void *owner;
};

/* 0 or a negative errno. */
int watcher_init(struct watcher *all, uv_loop_t *loop);
/* The loop must run for its handle. */
void watcher_close(struct watcher *all);

/* ready(owner) is called from the loop, when a watch has something to tell: also an error, which
 * the next call on the descriptor says. */
void watch_init(struct watch *w, struct watcher *all, int fd, void (*ready)(void *owner),
		void *owner);
/* Waits for UV_READABLE, UV_WRITABLE or both; 0: for nothing.  0 or a negative errno. */
int watch_wait(struct watch *w, int events);
/* Before its descriptor is closed or goes to somebody else.  What is off is left in the kernel's
 * table, where it tells nothing, until the descriptor is closed. */
void watch_close(struct watch *w);

#endif
