/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The agents: one for an identity in a jail, shared by all its sessions; or, where a PAM session is
 * held open, one a login, which the auth process starts.
 */
#ifndef WHARF_MONITOR_AGENT_H
#define WHARF_MONITOR_AGENT_H

#include <wharf/base/slice.h>

#include "monitor.h"
#include "roots.h"

/* What an agent is told at its start, and what makes it the same as another. */
struct agent_identity {
	struct root_owner owner;
	struct slice settings;
};

/*
 * Gives the session, which is IDENTIFIED, its agent: one that lives, or a new one.  holder is the
 * PAM process that shall start an agent for this login alone, or NULL.  When the agent is ready the
 * session is LOGGED_IN and its worker told so; when it can't be had, the login is refused.  Returns
 * 0, or a negative errno and did nothing.
 */
int agent_assign(struct monitor *m, struct session *s, const struct agent_identity *who,
		 struct auth *holder);
/* The session needs no agent any more.  One without sessions ends a while later, or at once if it
 * was for one login. */
void agent_leave(struct session *s);
/*
 * Starts one for no session, which sweeps its root folder and ends.  Returns 0 or a negative errno.
 */
int agent_sweep(struct monitor *m, const struct agent_identity *who);
/* How many of those live. */
size_t agents_sweeping(const struct monitor *m);
/* Whether there is an agent of that owner, of whatever kind. */
bool agents_serve(const struct monitor *m, const struct root_owner *owner);
/* That worker's process is gone, and with it its channels. */
void agents_forget_worker(struct monitor *m, size_t worker);
/* Hands a copy of fd to every one: G_LOG. */
void agents_pass_log(struct monitor *m, int fd);
/* Ends all of them. */
void agents_end(struct monitor *m);

#endif
