/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What the monitor needs of the system before it serves.
 */
#ifndef WHARF_MONITOR_WORLD_H
#define WHARF_MONITOR_WORLD_H

#include "monitor.h"

/* Raises the limit of descriptors as far as it goes, and forbids core files.  Returns 0 or a
 * negative errno. */
int world_limits(void);
/* Warns in the log where that limit is too low for max_sessions. */
void world_check_limits(const struct monitor *m);
/* Resolves run_as and anonymous_user where they are needed.  Returns 0 or a negative errno, which
 * was logged. */
int world_users(struct monitor *m);
/*
 * As root: makes empty_directory where it is missing, and checks that it is root's, nobody else may
 * write to it, and nothing is in it.  Returns 0 or a negative errno, which was logged.
 */
int world_empty_directory(const struct monitor *m);

#endif
