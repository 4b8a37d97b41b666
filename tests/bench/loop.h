/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A loop on epoll for connections to one server on 127.0.0.1.  There is one loop; it knows
 * descriptors, and tells them that they are ready.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop {
	int fd;
};

/* A descriptor in the loop, part of a larger thing; `ready` may come once more than was asked for.
 */
struct watch {
	int fd; /* -1 when closed */
	uint32_t events;
	void (*ready)(struct watch *w);
};

void loop_init(struct loop *l);

/* Of the monotonic clock, ns. */
uint64_t loop_now(void);

/* Until *pending is 0; the server may not be silent for longer than a flush of a slow disk takes.
 */
void loop_run(struct loop *l, const long *pending);

/* A connection that begins, and does not block. */
void watch_dial(struct watch *w, uint16_t port);

/* EPOLLIN, EPOLLOUT or both, from now on. */
void watch_want(struct watch *w, struct loop *l, uint32_t events);
void watch_close(struct watch *w);

#endif
