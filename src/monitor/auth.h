/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The processes that check passwords: a standing one for each worker where the users file is a
 * source, and one for each login by PAM.  They talk to the workers themselves; the monitor hears
 * who the user is, never a password.
 */
#ifndef WHARF_MONITOR_AUTH_H
#define WHARF_MONITOR_AUTH_H

#include <wharf/wire/wire.h>

#include "monitor.h"

struct auth;
struct worker;

/* Starts a worker's process for the users file; one that can't be started is tried again later. */
void auth_start_users(struct worker *w);
/* Joins a worker and its process for the users file by a channel, where both are ready. */
void auth_connect(struct worker *w);
/*
 * The users file, open and fit to be trusted; or a negative errno, with *why where it is not fit
 * and else NULL.
 */
int auth_open_users(const char *path, const char **why);
/* Looks once a second whether the users file changed, and passes it on when it did. */
void auth_watch_users(struct monitor *m);

/*
 * Starts a PAM process for the session, which becomes AUTHENTICATING.  Returns 0 and sets *fd to
 * the worker's end of their channel, which the caller closes; or a negative errno.
 */
int auth_start_pam(struct monitor *m, struct session *s, int *fd);
/* Lets a PAM process start an agent in its PAM session.  Returns our end of the agent's channel
 * or a negative errno. */
int auth_start_agent(struct auth *a);
/* The session needs its PAM process no more: it closes the PAM session and leaves. */
void auth_leave(struct session *s);

/* Hands a copy of fd to every process: A_LOG. */
void auths_pass_log(struct monitor *m, int fd);
/* Ends all of them. */
void auths_end(struct monitor *m);

#endif
