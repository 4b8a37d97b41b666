/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The ledger's process.  It begins before the workers and ends
 * after them, so that it has all that they wrote; one that ends in between is started again.
 */
#ifndef WHARF_MONITOR_LEDGER_H
#define WHARF_MONITOR_LEDGER_H

#include <wharf/base/slice.h>
#include <wharf/wire/wire.h>

#include "monitor.h"

struct worker;

/* Makes what stands for it.  0 or -ENOMEM. */
int ledger_open(struct monitor *m);
/* Starts the process, and returns when it serves or has failed; it is tried again then.  Returns 0,
 * or a negative errno when it can't be. */
int ledger_start(struct monitor *m);
/* A worker's process starts: hands it the spool, where there is a journal.  0 or a negative errno.
 */
int ledger_start_worker(struct worker *w);
/* Joins a worker and the ledger by a channel, where both are ready. */
void ledger_connect(struct worker *w);
/* Hands a copy of fd to it: K_LOG. */
void ledger_pass_log(struct monitor *m, int fd);
/* A sweep has removed so much of what the user had: K_FREED. */
void ledger_freed(struct monitor *m, struct slice user, const struct r_swept *swept);

/* Whether the process lives, reaped or not. */
bool ledger_lives(const struct monitor *m);
/* Lets it write what is left, and end.  The workers have ended. */
void ledger_end(struct monitor *m);
/* Frees what ledger_open() made, after the loop ran out. */
void ledger_free(struct monitor *m);

#endif
