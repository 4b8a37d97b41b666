/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Which root folders may hold parts of broken uploads, remembered in state_directory, and who
 * sweeps them: the agents that serve there; and for roots that have none, agents that are started
 * for that alone, at the start of the daemon and from time to time.
 */
#ifndef WHARF_MONITOR_SWEEP_H
#define WHARF_MONITOR_SWEEP_H

#include <wharf/wire/wire.h>

#include "monitor.h"
#include "roots.h"

/*
 * Reads the key for names of staging files and the list
 * of roots; what can't be read is made anew.  For root it is called while all capabilities are
 * there.  Returns 0 or a negative errno, which was logged.
 */
int sweeps_open(struct monitor *m);
/* The loop runs: sweeps whatever is on the list, and again whenever parts may be old enough. */
void sweeps_start(struct monitor *m);
/* Writes what is to be written, and frees it; the loop has ended. */
void sweeps_free(struct monitor *m);

/* The key: G_START. */
struct slice sweeps_key(const struct monitor *m);
/* An agent of that owner starts: whether it shall sweep, and *staged is what it then has to hand
 * back to sweeps_done(). */
bool sweeps_begin(const struct monitor *m, const struct root_owner *owner, uint64_t *staged);
/* R_STAGES: from now on there may be parts. */
void sweeps_expect(struct monitor *m, const struct root_owner *owner);
/*
 * R_SWEPT.  The root leaves the list where nothing is left, and nobody has begun to stage since the
 * agent got the value of `staged`.  Returns the next one.
 */
uint64_t sweeps_done(struct monitor *m, const struct root_owner *owner, uint64_t staged,
		     const struct r_swept *swept);
/* An agent of that owner can't enter its jail; `step` is what failed. */
void sweeps_failed(struct monitor *m, const struct root_owner *owner, int error, struct slice step);

#endif
