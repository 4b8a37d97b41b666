/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The monitor's state, one struct: what every file of this folder works on.
 */
#ifndef WHARF_MONITOR_MONITOR_H
#define WHARF_MONITOR_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <wharf/conf/conf.h>
#include <wharf/conf/settings.h>

#include "admission.h"
#include "session.h"
#include "tally.h"

struct agent;
struct hosts;
struct ledger;
struct listener;
struct peer;
struct sweeps;
struct worker;

/* A system user, resolved at start. */
struct system_user {
	uint32_t uid, gid;
};

/* The folder of what is kept. */
struct state {
	char *path;
	int folder, spool; /* spool: to append to, -1 without a journal */
	bool temporary;
};

struct monitor {
	uv_loop_t loop;
	bool loop_made;
	struct conf *conf;
	const struct settings *server; /* conf's */
	bool as_root;
	bool draining;
	int status; /* what the process exits with */

	struct system_user run_as;
	struct system_user anonymous; /* who anonymous sessions act as, where they are allowed */

	int log_fd;     /* what roles log to */
	int xferlog_fd; /* -1 for none */
	int spare_fd;   /* given up for a moment when accept(2) finds no descriptor */

	struct listener *listeners;
	size_t n_listeners;
	struct login_terms *anonymous_terms; /* by listener: see login_anonymous() */
	uv_timer_t accept_pause;

	struct worker *workers;
	size_t n_workers;

	struct sessions sessions;
	struct admission admission;
	struct tally users; /* sessions by the name of their user */

	struct agent *shared_agents; /* by identity */
	struct agent *agents;        /* all that live */
	struct auth *auths;          /* all that live */
	uint32_t last_agent;
	struct sweeps *sweeps; /* which roots may hold parts of uploads */

	struct peer *children; /* by pid */

	struct state state;
	struct ledger *ledger;

	struct hosts *hosts; /* NULL where no host has a certificate */
	uv_timer_t hosts_watch;

	uv_timer_t users_watch;
	struct users_stamp {
		bool known;
		uint64_t ino, size;
		int64_t seconds, nanoseconds;
	} users_stamp;

	uv_signal_t signals[4];
	uv_timer_t drain_timer;
};

/* Whether logins may come from this source. */
bool monitor_has_source(const struct monitor *m, enum word_source source);
/* The daemon can't do its work and ends, with EX_OSERR. */
void monitor_fail(struct monitor *m);
/* Looks who ended: the loop stops when the monitor drains and no worker is left. */
void monitor_check_drained(struct monitor *m);

/* SIGTERM, SIGINT, SIGHUP, SIGCHLD.  Returns 0 or a negative errno. */
int monitor_watch_signals(struct monitor *m);
/* After the loop was stopped: ends every process that is left, and closes all handles. */
void monitor_end(struct monitor *m);

#endif
