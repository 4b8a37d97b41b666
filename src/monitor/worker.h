/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The workers: one slot each, whose process is started again when it ends.
 */
#ifndef WHARF_MONITOR_WORKER_H
#define WHARF_MONITOR_WORKER_H

#include "monitor.h"
#include "peer.h"
#include "retry.h"

struct auth;

struct worker {
	struct peer peer; /* first: a worker is one */
	struct monitor *monitor;
	size_t index;
	enum { WORKER_DOWN, WORKER_STARTING, WORKER_SERVING } state;
	bool served;         /* it was ready once since the daemon started */
	bool takes_sessions; /* it can log users in: it has had a channel to its auth process */
	size_t sessions, lost_sessions;
	struct retry retry;
	uv_timer_t restart;

	/* Its own process for the users file. */
	struct auth *users;
	struct retry users_retry;
	uv_timer_t users_restart;
};

/* Makes the slots and starts their processes.  Returns 0 or a negative errno. */
int workers_start(struct monitor *m);
void workers_free(struct monitor *m);

static inline bool
worker_is_ready(const struct worker *w)
{
	return w->state == WORKER_SERVING;
}

/* From now on clients are handed to it. */
void worker_take_sessions(struct worker *w);

/* A session is over, as far as the monitor goes: it is logged out, not counted any more, and freed.
 */
void worker_forget_session(struct monitor *m, struct session *s);

/* Hands a copy of fd to every worker: W_LOG, W_XFERLOG. */
void workers_pass(struct monitor *m, enum message_id id, int fd);
/* Tells all to finish within so many seconds; what is left some seconds later is killed. */
void workers_drain(struct monitor *m, unsigned seconds);
bool workers_alive(const struct monitor *m);

#endif
