/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * From the spool to the database's rows: in batches, each with the place up to which the spool was
 * taken in one transaction, so that a record becomes one row, whenever a process is killed.
 */
#ifndef WHARF_LEDGER_JOURNAL_H
#define WHARF_LEDGER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/base/buf.h>

#include "store.h"

/* So many records at most are one transaction. */
#define JOURNAL_BATCH 1000

struct journal {
	int fd; /* of the spool; -1 where there is none */
	uint64_t taken;
	uint64_t next;    /* where the batch ends that is not committed yet */
	uint64_t size;    /* of the spool, when it was looked at */
	uint64_t tail_at; /* an incomplete record was found there, with the spool of this size */
	uint64_t tail_end;
	uint64_t tail_since; /* milliseconds of a monotonic clock */
	struct buf in;
};

/*
 * Opens the spool of the folder where there is one.  alone: no worker appends to it meanwhile, so
 * that it is cut to nothing where all of it was taken.  0 or a negative errno, which was logged.
 */
int journal_open(struct journal *j, struct store *s, const char *folder, bool alone);
void journal_close(struct journal *j);
/* The database is a new one that knows nothing: begins with what is left in the spool.  0 or a
 * negative errno. */
int journal_restart(struct journal *j, struct store *s);

/* Whether there is anything to be taken. */
bool journal_waits(struct journal *j);

/*
 * In a transaction: makes rows of the next records, and notes the place behind them.  Then, when it
 * was committed, journal_taken(); else journal_again().  What is no record is passed by and logged;
 * an incomplete one at the end is waited for, unless nobody writes any more (final).  now:
 * milliseconds of a monotonic clock.  Returns how many there were, or a negative errno.
 */
int journal_take(struct journal *j, struct store *s, uint64_t now, bool final);
void journal_taken(struct journal *j);
void journal_again(struct journal *j);

#endif
