/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * How much of a worker's time newcomers get who shake hands, where transfers want all of it: one
 * part in SHARE_PARTS.  Where transfers leave time over it is theirs.
 *
 * All times are nanoseconds; "moved" is how long transfers have been at work in all.
 */
#ifndef WHARF_WORKER_SHARE_H
#define WHARF_WORKER_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define SHARE_PARTS 20
/* What is looked at for whether transfers want it all. */
#define SHARE_WINDOW_NS 1000000
/* A step that was itself kept waiting, by other processes, does not cost its followers more. */
#define SHARE_COST_MAX_NS 1000000

/* Begins zeroed. */
struct share {
	uint64_t since, moved_before,
		spent; /* the window: its beginning, and what steps took in it */
	uint64_t next; /* of what moved: when the next step may be */
	bool beside;   /* there are transfers */
	bool wanted;   /* they took most of what the steps had left */
};

/* Once a turn of the loop. */
void share_look(struct share *s, uint64_t now, uint64_t moved);
/* A step took so long. */
void share_spend(struct share *s, uint64_t moved, uint64_t cost);
/* May a step be now? */
bool share_allows(const struct share *s, uint64_t moved);

#endif
