/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Starting a role's process: fork and exec, so that it has an address-space layout of its own, and
 * nothing of ours but the two descriptors that it is meant to have.
 */
#ifndef WHARF_BASE_SPAWN_H
#define WHARF_BASE_SPAWN_H

#include <sys/types.h>

/* The descriptors that a role finds at its start, besides /dev/null as 0 and 1. */
enum { SPAWN_LOG_FD = 2, SPAWN_CHANNEL_FD = 3 };

/*
 * Starts the binary `name` ("wharfd-worker"), whose descriptor 2 is a copy of log_fd and whose
 * descriptor 3 is one of channel_fd; both stay the caller's.  Its environment is empty (a build
 * with sanitizers keeps their options), its only argument is its name, no signal is blocked or
 * ignored.  The binary is taken from the folder of the running program where wharfd-worker stands
 * there too (a build tree), else from WHARF_ROLES_DIR.
 *
 * Returns 0 and sets *pid, or a negative errno, also when the exec failed.
 */
int spawn_role(const char *name, int channel_fd, int log_fd, pid_t *pid);

#endif
