/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Landlock and seccomp.  What each role may call is one table, src/sandbox/syscalls.def, with a
 * reason in each row; anything else gets ENOSYS, and what only an attacker calls
 * (src/sandbox/forbidden.def) ends the process.
 *
 * A filter is inherited by children and stays through execve.  So the monitor's allows what any
 * role may call and what a role needs to start, and that of an auth process for PAM what an agent
 * does: the narrow filter is the one that each role puts on itself.
 */
#ifndef WHARF_SANDBOX_CONFINE_H
#define WHARF_SANDBOX_CONFINE_H

#include <stdbool.h>

enum sandbox_role {
	SANDBOX_MONITOR = 1, /* and all of its children */
	SANDBOX_WORKER = 2,
	SANDBOX_USERS = 4, /* auth for the users file */
	SANDBOX_PAM = 8,   /* auth for PAM, and the agent that is its child */
	SANDBOX_AGENT = 16,
	SANDBOX_LEDGER = 32,
};

/* What Landlock leaves. */
enum confine_access { CONFINE_NOTHING, CONFINE_READ, CONFINE_WRITE };

/*
 * Limits the process to the folder `root` (any descriptor of it, O_PATH is enough; -1 with
 * CONFINE_NOTHING) and what is below.  Descriptors that are open stay as they are.  Needs
 * no_new_privs.  Returns the ABI of the kernel's Landlock, 0 where it has none, or a negative
 * errno.
 */
int confine_landlock(int root, enum confine_access access);

/*
 * Puts the role's filter on all threads.  Needs no_new_privs.  Returns 0 or a negative errno.  In
 * the worker, the agent and the ledger no memory becomes executable from here on, and clone makes
 * only threads, in the ledger none.
 */
int confine_seccomp(enum sandbox_role role);

#endif
