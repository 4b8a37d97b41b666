/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Agents: a channel each, and the requests that have no answer yet.  An agent that does not answer
 * in time costs the session that asked a 451, and nobody else anything.
 */
#ifndef WHARF_WORKER_AGENTS_H
#define WHARF_WORKER_AGENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include <wharf/wire/wire.h>

#include "link.h"

struct account;
struct session;
struct worker;

struct agent {
	uint32_t magic;
	LIST_ENTRY(agent) list;
	struct worker *worker;
	uint32_t id;
	unsigned sessions; /* that are logged in to it */
	bool gone, closed; /* closed: only its sessions still point to it */
	struct link link;
};

/* A request: the place of its row and how often that was used make its id. */
struct request {
	struct session *session; /* NULL: the row is free */
	bool told;               /* the session does not wait for the answer */
	bool changes;            /* the answer may tell of changes that a quota counts */
	struct agent *agent;
	struct account *account; /* whose files the answer may have changed, or NULL */
	char *path;              /* of the upload that is opened, for when nobody waits any more */
	uint64_t since;          /* when it was sent, where there is an account; see ledger_now() */
	uint32_t scan;           /* F_USAGE: the ledger's question */
	enum message_id question;
	uint32_t id;
	uint64_t deadline; /* ms */
	uint32_t next_free;
};

struct agents {
	LIST_HEAD(, agent) all;
	struct request *row;
	size_t n, used;
	uint32_t free; /* the first free row, or UINT32_MAX */
	uv_timer_t sweep;
	struct worker *worker;
};

void agents_init(struct agents *as, struct worker *w);
/* Closes all; the loop must run for their handles. */
void agents_close(struct agents *as);
void agents_deinit(struct agents *as);

/* W_AGENT: takes fd over.  0 or a negative errno. */
int agents_add(struct agents *as, uint32_t id, int fd);
struct agent *agents_find(struct agents *as, uint32_t id);

/* The session's requests go to that agent from now on; NULL for none. */
void agent_of_session(struct session *s, struct agent *a);
/* Asks; m->id is set, and m->fd, if any, is taken over.  The answer goes to
 * ftp_session_answered(). */
void agent_ask(struct session *s, struct message *m);
/* The same where the answer goes to nobody; what it changes still counts for the quota. */
void agent_tell(struct session *s, struct message *m);
/* Closes a file that an agent has opened for an upload, which may be where closing hangs. */
void agent_let_go(struct session *s, int *fd);
/* Has the files of the session's user counted for the ledger's question `scan`; the answer goes to
 * quota_scanned().  0 or a negative errno. */
int agent_count(struct session *s, uint32_t scan);
/* Forgets the session's request: its answer will be thrown away, but for what it changes. */
void agent_forget(struct session *s);
/* The same for a session that is closing, which still hears what has changed files. */
void agent_forget_late(struct session *s);

/*
 * Sees to it that an answer is one to that question and has the descriptor that it says it has: a
 * regular file, or a pipe for a listing.  What is wrong becomes an R_DONE with an errno, and the
 * descriptor is closed.
 */
void agent_check_answer(struct message *m, enum message_id question, bool fd_lost);

#endif
