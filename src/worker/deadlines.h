/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The times at which sessions are to be looked at, behind one timer of the loop: a timer for each
 * of ten thousand idle sessions would be a tenth of what they take.
 */
#ifndef WHARF_WORKER_DEADLINES_H
#define WHARF_WORKER_DEADLINES_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define DEADLINE_NEVER UINT64_MAX

struct deadline {
	uint64_t at;  /* ms of the loop, or DEADLINE_NEVER */
	size_t place; /* in the heap */
};

struct deadlines {
	uv_timer_t timer;
	struct deadline **heap; /* the nearest first, each before those at 2n + 1 and 2n + 2 */
	size_t n, room;
	void (*run)(struct deadline *d);
};

/* run: a deadline's time has come; it is at DEADLINE_NEVER then, and may be set or removed. */
void deadlines_init(struct deadlines *ds, uv_loop_t *loop, void (*run)(struct deadline *d));
/* No time comes any more. */
void deadlines_close(struct deadlines *ds);
void deadlines_deinit(struct deadlines *ds);

/* Takes one in, at DEADLINE_NEVER.  0 or -ENOMEM. */
int deadlines_add(struct deadlines *ds, struct deadline *d);
void deadlines_set(struct deadlines *ds, struct deadline *d, uint64_t at);
void deadlines_remove(struct deadlines *ds, struct deadline *d);

#endif
