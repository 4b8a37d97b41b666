/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Quotas of sessions: what is reserved for the upload that runs, and what the ledger is told of its
 * end.  Who has no quota has no account, and the ledger hears nothing of him.
 */
#ifndef WHARF_WORKER_QUOTA_H
#define WHARF_WORKER_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"

struct session;

struct session_quota {
	struct account *account; /* NULL: no quota; it has what is reserved */
	/* What opening the upload's file has added, which is told at the upload's end: when the
	 * agent was asked, and when it had answered. */
	int64_t bytes, files;
	uint64_t since, opened;
};

/* The session is logged in as that user: where its settings have a quota, an account begins.  0 or
 * -ENOMEM. */
int quota_login(struct session *s, struct slice user);
/* What the session holds is released, and its account ends when nobody uses it any more. */
void quota_logout(struct session *s);

/* A file was opened for an upload of the session, which has changed what there is by so much since
 * then. */
void quota_opened(struct session *s, int64_t bytes, int64_t files, uint64_t since);
/* As ftp_world has them; answered by DUE_RESERVED, DUE_QUOTA_TOLD or by the ledger. */
void quota_reserve(struct session *s, uint64_t bytes, uint64_t least, bool one_more, bool replaces);
void quota_ask(struct session *s);
/* The upload that runs wants so much more: answered by pump_granted(). */
void quota_more(struct session *s, uint64_t bytes);
/* The session waits for no answer any more; what comes late is released. */
void quota_forget(struct session *s);
/* The upload has ended: its file has grown by so much, where that is known (sure). */
void quota_settle(struct session *s, int64_t grown, bool sure);
/* F_USAGE, which was sent then, was answered; the ledger's question of that number waits for it. */
void quota_scanned(struct account *a, uint32_t id, uint64_t since, const struct r_usage *found);

/* The ledger has said something about a question.  0, or -EPROTO for what it may not say. */
int quota_take(struct ledger *l, const struct message *m);
/* The ledger is gone: its questions get no answer. */
void quota_lose(struct ledger *l);
/* Forgets all questions. */
void quota_drop_all(struct ledger *l);

#endif
