/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The journal as a worker writes it: records of transfers and of changes, appended to the spool
 * (wharf/wire/journal.h).  Without a spool nothing is written.
 */
#ifndef WHARF_WORKER_JOURNAL_H
#define WHARF_WORKER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <wharf/ftp/session.h>

struct ledger;
struct session;

struct journal {
	int fd; /* -1: no journal is kept */
	struct ledger *ledger;
	uv_timer_t timer; /* when the ledger is told */
	bool failed;      /* the last record could not be written */
	uint64_t lost;    /* how many could not */
};

void journal_init(struct journal *j, uv_loop_t *loop, struct ledger *ledger);
/* W_SPOOL: takes fd over. */
void journal_open(struct journal *j, int fd);
/* The loop must run once more for its timer. */
void journal_close(struct journal *j);

void journal_transfer(struct session *s, const struct transfer_record *record);
void journal_change(struct session *s, const struct change_record *record);

#endif
