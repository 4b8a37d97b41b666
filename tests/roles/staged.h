/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What tests of a worker's uploads share: /f is stored through a staging file; and the ledger. */
#ifndef WHARF_ROLES_STAGED_H
#define WHARF_ROLES_STAGED_H

#include "around.h"

/* The ledger's end of the worker's channel to it. */
extern struct wire ledger;

/* A new ledger, which is told what the session that there is has reserved, if there is one. */
void connect_ledger(const struct q_open *session);

/* STOR f, as far as the agent is asked to open it; the data connection. */
int store(struct client *c, struct message *open);
/* The agent opens a new staging file, or goes on with one. */
void answer_staged(int file, struct message open, bool created);
/* Both; and 150 too. */
int begin(struct client *c, int file, bool created);
int begun(struct client *c, int file, bool created);

/* F_COMMIT comes with the whole file and its digest; F_KEEP.  The id. */
uint32_t hear_commit(int file);
uint32_t hear_keep(int file, bool discard);
void answer_closed(uint32_t id, uint64_t size, int64_t bytes, int64_t files);
/* All of it, to 226, with no more than these bytes. */
void store_whole(struct client *c, int file, const char *bytes);

/* DELE f; so much is gone. */
void dele(struct client *c, int64_t bytes, int64_t files);

#endif
