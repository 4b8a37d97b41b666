/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The files that are written to: the log and the xferlog.  Opened by the monitor, handed to all,
 * and again when they were turned over.
 */
#ifndef WHARF_MONITOR_LOGS_H
#define WHARF_MONITOR_LOGS_H

#include "monitor.h"

/* Opens them for the first time and sets the log up.  Returns 0 or a negative errno, which was
 * logged. */
int logs_open(struct monitor *m);
/* Opens them again and passes them to every process; one that can't be opened stays as it is. */
void logs_reopen(struct monitor *m);

#endif
