/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Quotas: what is asked of the ledger for users who have one, and told to it.  Who has none never
 * comes here: the session's account is NULL.
 */
#ifndef WHARF_WORKER_QUOTA_H
#define WHARF_WORKER_QUOTA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include <wharf/wire/wire.h>

struct session;
struct worker;
struct channel;
struct question;

/* A login of a user with a quota: from Q_OPEN to Q_CLOSE. */
struct account {
	LIST_ENTRY(account) link;
	struct ledger *ledger;
	char *user;
	uint64_t limit_bytes, limit_files, rescan;
	unsigned users; /* the session, and requests to its agent */
	bool unsure;    /* a change could not be told */
};

/* The way to the ledger. */
struct ledger {
	struct worker *worker;
	struct channel *channel; /* NULL: there is none */
	unsigned epoch;          /* how many there were */
	LIST_HEAD(, account) accounts;
	LIST_HEAD(, question) questions;
	uint32_t last_id;
	uv_timer_t timer;
};

/* Of a session. */
struct session_quota {
	struct account *account; /* NULL: no quota */
	uint64_t held_bytes, held_files;
	unsigned epoch;       /* of the channel that they were reserved on */
	int64_t bytes, files; /* what opening the upload's file has added, told at its end */
	uint64_t granted;     /* of a reservation whose answer is due */
};

void ledger_init(struct ledger *l, struct worker *w);
/* Closes the channel and the timer; the loop must run for them. */
void ledger_close(struct ledger *l);
/* W_LEDGER: takes fd over, in place of any other channel. */
void ledger_connect(struct ledger *l, int fd);
/* A message; none where there is no ledger.  Whether it was sent, or will be. */
bool ledger_tell(struct ledger *l, const struct message *m);

/* The session is logged in as that user: where its settings have a quota, an account begins. */
void quota_login(struct session *s, struct slice user);
/* What the session holds is released, and its account ends when nobody uses it any more. */
void quota_logout(struct session *s);

struct account *account_use(struct account *a);
/* One user less; *a becomes NULL. */
void account_put(struct account **a);
/* Files of the account have changed by so much; or nobody knows by how much. */
void account_changed(struct account *a, int64_t bytes, int64_t files);
void account_unsure(struct account *a);
/* F_USAGE was answered, which the ledger's question of that number waits for. */
void account_scanned(struct account *a, uint32_t id, uint32_t error, uint64_t bytes,
		     uint64_t files);

/* A file was opened for an upload of the session, which has changed what there is by so much. */
void quota_opened(struct session *s, int64_t bytes, int64_t files);
/* As ftp_world has them; answered by DUE_RESERVED, DUE_QUOTA_TOLD or by the ledger. */
void quota_reserve(struct session *s, uint64_t bytes, uint64_t least, bool new_file, bool replaces);
void quota_ask(struct session *s);
/* The upload that runs wants so much more: answered by pump_granted(). */
void quota_more(struct session *s, uint64_t bytes);
/* The session waits for no answer any more; what comes late is released. */
void quota_forget(struct session *s);
/* The upload has ended: its file has grown by so much, where that is known (sure). */
void quota_settle(struct session *s, int64_t grown, bool sure);

#endif
