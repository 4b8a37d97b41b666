/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Quotas: the tally of each user (see tally.h), what each worker has reserved on top of it, and who
 * waits until it is known.  It does no I/O but by the calls that its owner gives it.
 *
 * Where a tally may be too high, the files are counted anew (Q_SCAN) before it is told, or
 * something refused; where it is unsure, before the next question is answered.  But neither while
 * an upload of the user runs, since nobody can tell how much of what it has written is counted;
 * what a lost worker had reserved stays counted so long.  Only a ledger that takes the place of
 * another one counts whatever runs.
 *
 * A peer is a channel to a worker, by a number that is never used again.
 */
#ifndef WHARF_LEDGER_QUOTA_H
#define WHARF_LEDGER_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/base/slice.h>
#include <wharf/wire/wire.h>

#include "store.h"

struct quota_user;

struct quota_calls {
	/* The row of the user, or STORE_NONE, or a negative errno. */
	int (*load)(void *owner, struct slice user, struct quota_row *row);
	/* Writes the row, on the disk when it returns.  0 or a negative errno. */
	int (*save)(void *owner, struct slice user, const struct quota_row *row);
	void (*send)(void *owner, uint64_t peer, const struct message *m);
};

struct quotas {
	const struct quota_calls *calls;
	void *owner;
	struct quota_user *users;
	bool began;
	uint64_t lost_until; /* then nobody works any more for a worker that was lost */
};

/* Now, in microseconds of the monotonic clock, and in milliseconds since 1970. */
struct quota_time {
	uint64_t us;
	int64_t wall;
};

void quotas_init(struct quotas *q, const struct quota_calls *calls, void *owner);
void quotas_deinit(struct quotas *q);

/*
 * Every session from before this process was told of: questions are answered from now on, and not
 * sooner.  alone: there was none.
 */
void quotas_begin(struct quotas *q, bool alone, struct quota_time now);
/*
 * A message Q_* of a worker.  Returns 0, or a negative errno: the peer did what it must not, and is
 * to be ended.
 */
int quotas_take(struct quotas *q, uint64_t peer, const struct message *m, struct quota_time now);
/* K_FREED. */
void quotas_freed(struct quotas *q, const struct k_freed *freed);
/* The worker is gone, with its sessions and reservations. */
void quotas_lose(struct quotas *q, uint64_t peer, struct quota_time now);

/* Whether a row has changed since it was saved. */
bool quotas_dirty(const struct quotas *q);
/*
 * Saves the rows that have changed by `save`, in its owner's transaction; then, when that was
 * committed, quotas_saved(), which also forgets users without a session, but for those whose files
 * could not be counted a moment ago.  0 or the first error.
 */
int quotas_save(struct quotas *q,
		int (*save)(void *owner, struct slice user, const struct quota_row *row));
void quotas_saved(struct quotas *q, struct quota_time now);
/* The rows were lost: they are all to be saved. */
void quotas_rewrite(struct quotas *q);

#endif
