/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The hold on a root: who changes a name holds it from the look at that name to its change, so that
 * what was checked and counted is what is changed, whatever other sessions do, and other agents of
 * the same root.  Only where it matters: under a retention, a quota or with versions; else nothing
 * is held.
 *
 * Nothing slow is done under it: no copy, no fsync(2).
 */
#ifndef WHARF_AGENT_HOLD_H
#define WHARF_AGENT_HOLD_H

struct agent;

/* Waits for the hold and takes it.  Returns what hold_release() wants. */
int hold_take(struct agent *agent);
/* Gives it back and sets *hold to -1. */
void hold_release(struct agent *agent, int *hold);

#endif
