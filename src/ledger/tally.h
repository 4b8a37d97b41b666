/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The tally of one user: what his files take, and how far that can be relied on.  This is its
 * arithmetic only: it asks nobody and does no I/O, and what time it is is told to it.
 *
 * A tally is known when the user's files were counted and every change since was told.  What has
 * changed while they were counted may be in the count or not: it is added, and never taken away.
 * Where names have changed, files may have been missed, and the tally of before holds where it is
 * higher.  So it may be too high; it is unsure when it may be too low, since somebody was lost who
 * could have told.
 *
 * `held` is what workers that are there have reserved for the user, all of them together: an upload
 * runs, as far as anybody tells, where that is something.  A tally does not keep it; of what is
 * reserved it has only what was lost.
 *
 * Times are microseconds of the monotonic clock where they are unsigned, and milliseconds since
 * 1970 where they are not.  Sums end at UINT64_MAX, and differences at 0.
 */
#ifndef WHARF_LEDGER_TALLY_H
#define WHARF_LEDGER_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/wire/wire.h>

#include "store.h"

/* So long somebody may still do what nobody will tell of: an agent for a worker that is gone. */
#define TALLY_LOST_US 1000000

/* So long it is before files that could not be counted are counted again. */
#define TALLY_RETRY_US 60000000

struct amount {
	uint64_t bytes, files;
};

/* Where all is zero nothing is known. */
struct tally {
	struct amount used;
	struct amount before; /* what it would be without the last count */
	bool known;
	bool stale;             /* what nobody had reserved was missed: counted whatever runs */
	bool unsure;            /* it may be too low */
	bool over;              /* it may be too high */
	int64_t scanned;        /* when the files were counted */
	uint64_t scanned_until; /* the same, or 0 where that was before this process */
	struct amount lost;     /* reserved by whom nobody can ask any more */
	uint64_t lost_until;    /* then nobody does anything that he does not tell of */

	uint64_t retry_at; /* the files could not be counted: not again before then */

	bool scanning;
	uint64_t scan_began;
	/* Since then: something, names, what nobody knows the size of, and by how much it grew. */
	bool changed, moved, missed;
	struct amount added;
};

struct amount amount_add(struct amount a, struct amount b);
bool amount_is_something(struct amount a);

/* From the row of another time; t is all zero.  One that was open then may not be right. */
void tally_load(struct tally *t, const struct quota_row *row);
/* The row of it.  open: it may not be right any more when it is read at another time. */
struct quota_row tally_row(const struct tally *t, struct amount held, bool open);

/* What is reserved, by those that are there and those that are not. */
struct amount tally_reserved(const struct tally *t, struct amount held);
/*
 * Whether there is room for what is wanted.  *bytes: how many may be had of it, `least` or more and
 * not all that is left where that is little; 0 where there is no room.
 */
bool tally_grant(const struct tally *t, struct amount held, const struct q_reserve *want,
		 uint64_t *bytes);

/* Whether it may be wrong, so that its row must not claim to be right. */
bool tally_is_doubtful(const struct tally *t);
/*
 * Whether the files are to be counted before it is relied on.  exact: a figure that is too high is
 * of no use.  While an upload runs only where nothing is known, or it is stale: nobody can tell how
 * much of that upload would be counted.  us: now.
 */
bool tally_wants_count(const struct tally *t, struct amount held, bool exact, uint64_t us);

/* Whoever counts the files begins now. */
void tally_begin_count(struct tally *t, uint64_t us);
/* Nobody counts any more, and nothing is known of what there is. */
void tally_drop_count(struct tally *t);
/*
 * They can't be counted.  Returns whether a tally is known: then it goes on to hold, as it is, for
 * TALLY_RETRY_US; but where something was missed meanwhile, or may still be, as tally_take_count()
 * has it, they are counted again as soon as that is wanted.
 */
bool tally_fail_count(struct tally *t, uint64_t us, uint64_t lost_until);
/*
 * What the count has found, with what may not be in it, is the tally from now on; what was lost is
 * in it.  wall: now.  lost_until: also until then somebody may do what nobody tells of, whoever the
 * user is.
 */
void tally_take_count(struct tally *t, struct amount held, const struct q_scanned *found,
		      int64_t wall, uint64_t lost_until);
/* Whether the count that has just been taken is worth another one.  exact: as above. */
bool tally_wants_another(const struct tally *t, bool exact);

/* It is unsure where the files were counted `rescan` seconds before now or longer ago, or later
 * than now: who has set the clock back does not know how long ago that was. */
void tally_age(struct tally *t, uint64_t rescan, int64_t wall);
/*
 * The files have changed by so much, since then and till now; moved: names have.  Returns whether
 * there is a tally that has changed by it.
 */
bool tally_change(struct tally *t, int64_t bytes, int64_t files, uint64_t since, bool moved);
/*
 * What the change releases is taken from *held, which is what its worker has reserved alone.  Where
 * nobody knows how much of it was used, what was not told is lost.
 */
void tally_release(struct tally *t, struct amount *held, const struct q_change *change);
/* Nobody knows by how much the files have changed, or still will. */
void tally_miss(struct tally *t, uint64_t us);
/* The same, since a worker is gone that had reserved so much. */
void tally_lose(struct tally *t, struct amount held, uint64_t us);

#endif
