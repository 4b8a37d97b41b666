/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The folder of what wharfd keeps, state_directory: the ledger's database and spool, and the
 * monitor's own files.  As root it is root's, with the group of run_as and mode 1770: the ledger
 * makes its files in it, and can't touch root's.  Without root it is 0750.
 */
#ifndef WHARF_MONITOR_STATE_H
#define WHARF_MONITOR_STATE_H

#include "monitor.h"

/* The monitor's own files. */
#define STATE_KEY_FILE   "staging.key"
#define STATE_ROOTS_FILE "roots"

/*
 * Makes the folder where it is missing, checks and locks it, and opens the journal's spool, for
 * root while all capabilities are there.  Where the folder can't be used and the configuration does
 * not name it, a temporary one takes its place.  Returns 0 or a negative errno, which was logged.
 */
int state_open(struct monitor *m);
/* Lets go of it, and removes a temporary one.  Does nothing where it is not open. */
void state_close(struct monitor *m);

#endif
