/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Listening sockets: who connects is let in here, or told 421, and handed to a worker.
 */
#ifndef WHARF_MONITOR_LISTENER_H
#define WHARF_MONITOR_LISTENER_H

#include "monitor.h"

/* Binds every listener of the configuration.  Returns 0 or a negative errno, and says in the log
 * which failed. */
int listeners_open(struct monitor *m);
/* Accepts from now on. */
void listeners_start(struct monitor *m);
/* Nobody connects any more: the sockets are closed.  The memory is freed with the monitor's loop.
 */
void listeners_close(struct monitor *m);
/* Frees what listeners_open() made, after the loop ran out. */
void listeners_free(struct monitor *m);

#endif
