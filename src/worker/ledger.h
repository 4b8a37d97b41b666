/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The way to the ledger, and the accounts that are open there: one for each login of a user with a
 * quota.  Users without one never come here.
 */
#ifndef WHARF_WORKER_LEDGER_H
#define WHARF_WORKER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include <wharf/conf/settings.h>
#include <wharf/wire/wire.h>

struct worker;
struct channel;
struct question;

struct ledger {
	struct worker *worker;
	struct channel *channel; /* NULL: there is none */
	LIST_HEAD(, account) accounts;
	LIST_HEAD(, question) questions; /* see quota.c */
	uint32_t last_id;
	uv_timer_t timer; /* of questions */
};

/* From Q_OPEN to Q_CLOSE. */
struct account {
	LIST_ENTRY(account) link;
	struct ledger *ledger;
	char *user;
	uint64_t limit_bytes, limit_files, rescan;
	uint64_t held_bytes, held_files; /* what its session has reserved */
	unsigned users;                  /* the session, and requests to its agent */
	bool unsure;                     /* a change could not be told */
};

void ledger_init(struct ledger *l, struct worker *w);
/* Closes the channel and the timer; the loop must run for them. */
void ledger_close(struct ledger *l);
/* W_LEDGER: takes fd over, in place of any other channel. */
void ledger_connect(struct ledger *l, int fd);
/* Microseconds of the monotonic clock, as what the ledger is told has them. */
static inline uint64_t
ledger_now(void)
{
	return uv_hrtime() / 1000;
}

/* A message; none where there is no ledger.  Whether it was sent, or will be. */
bool ledger_tell(struct ledger *l, const struct message *m);

/* NULL when memory is out. */
struct account *account_open(struct ledger *l, struct slice user, const struct settings *settings);
/* One more who needs it; NULL for NULL. */
struct account *account_use(struct account *a);
/* One less, and the last one closes it; *a becomes NULL. */
void account_put(struct account **a);
/* Tells Q_CHANGE, whose user is filled in. */
void account_tell(struct account *a, struct q_change change);
/* Nobody knows by how much its files have changed.  NULL: no account. */
void account_unsure(struct account *a);

#endif
