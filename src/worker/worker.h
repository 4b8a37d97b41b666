/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The worker: one loop, its link to the monitor, and what its sessions share. */
#ifndef WHARF_WORKER_WORKER_H
#define WHARF_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include <wharf/base/slice.h>
#include <wharf/wire/wire.h>

#include "agents.h"
#include "deadlines.h"
#include "hosts.h"
#include "job.h"
#include "journal.h"
#include "link.h"
#include "pool.h"
#include "ports.h"
#include "pump.h"
#include "quota.h"
#include "rules.h"
#include "shared.h"
#include "turns.h"
#include "watch.h"

struct session;

/* Rows of the table of sessions; ids are counted, so they spread. */
#define WORKER_ROWS 4096

/* A listener, as far as its sessions are concerned. */
struct listener {
	SLIST_ENTRY(listener) link;
	uint32_t id;
	struct shared *shared;
	struct ports ports;
};

struct worker {
	uint32_t magic;
	uv_loop_t loop;
	struct watcher watcher;
	struct link monitor;
	struct link *users; /* the standing auth process of the users file, or NULL */
	struct shared_table settings;
	SLIST_HEAD(, listener) listeners;
	TAILQ_HEAD(session_list, session) sessions;
	LIST_HEAD(, session) by_id[WORKER_ROWS]; /* the same */
	struct agents agents;
	struct deadlines deadlines; /* of sessions */
	struct pool *pool;
	struct pumps pumps;
	struct digests digests;
	struct ledger ledger;
	struct journal journal;
	struct hosts hosts;
	struct rules rules;
	struct turns turns; /* of handshakes */
	char *scratch; /* WORKER_SCRATCH bytes: input of control connections, for the moment of one
			  call */
	int xferlog;   /* a descriptor that was sent, or -1 */
	uint64_t xferlog_lost; /* lines that could not be written */
	uv_timer_t drain_timer;
	bool draining, drained, monitor_lost; /* drained: the time for it is over */
	int status;                           /* of the process */
};

#define WORKER_SCRATCH 65536

/* Makes all that needs no message, before the sandbox.  0 or a negative errno. */
int worker_init(struct worker *w);
/* A listener's row.  0 or a negative errno. */
int worker_add_listener(struct worker *w, uint32_t id, struct slice settings);
/* W_START: the server's settings, as far as a worker has a use for them.  0 or a negative errno. */
int worker_configure(struct worker *w, const struct settings *server);
/* W_LOG and W_XFERLOG: takes fd over; the log's becomes descriptor 2. */
void worker_set_log(int fd);
void worker_set_xferlog(struct worker *w, int fd);
/* Serves until the monitor is gone or the worker is drained; then frees everything.  Returns the
 * exit status. */
int worker_run(struct worker *w, const struct wire *monitor);
/* A message to the monitor; a failure is the monitor's end, and so this worker's. */
void worker_tell(struct worker *w, const struct message *m);
/* A session begins and is found from now on, and is gone. */
void worker_add_session(struct worker *w, struct session *s);
void worker_drop_session(struct worker *w, struct session *s);
struct session *worker_find(struct worker *w, uint64_t session);

#endif
