/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Turns at costly steps: the steps of TLS handshakes, each a good part of a millisecond.  So many
 * are done in one turn of the loop; who comes later waits in line, so that transfers get their
 * share between.  Those on data connections belong to transfers and are ahead; those behind are of
 * newcomers, who get a small part of the time where transfers want all of it: anybody may come.
 */
#ifndef WHARF_WORKER_TURNS_H
#define WHARF_WORKER_TURNS_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "share.h"

/* One who may stand in line; begins zeroed. */
struct turn {
	TAILQ_ENTRY(turn) link;
	void (*run)(void *owner);
	void *owner;
	bool waits, ahead;
};

TAILQ_HEAD(turn_list, turn);

struct turns {
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;   /* runs while somebody waits who may come next */
	uv_timer_t timer; /* runs while newcomers wait */
	struct turn_list ahead, behind;
	unsigned budget, left;
	struct share share;    /* of those behind */
	const uint64_t *moved; /* how long transfers have been at work, ns */
};

/* budget: steps a turn of the loop, two at least.  0 or a negative errno. */
int turns_init(struct turns *t, uv_loop_t *loop, unsigned budget, const uint64_t *moved);
void turns_close(struct turns *t);

/*
 * true: it is t's turn now.  false: run(owner) is called when it is, from the loop; then its turn
 * has come, and it need not ask again.  ahead: before those that are not, of whom one is always let
 * through where their share of the time allows it.
 */
bool turns_take(struct turns *ts, struct turn *t, bool ahead);
/* Leaves the line, if it stands in it. */
void turns_leave(struct turns *ts, struct turn *t);

#endif
