/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A worker that is started only to read the certificates of all hosts, before anything listens: the
 * monitor itself does not know what a certificate is.
 */
#ifndef WHARF_MONITOR_REHEARSAL_H
#define WHARF_MONITOR_REHEARSAL_H

#include <wharf/conf/conf.h>

#include "monitor.h"

/*
 * Tries the monitor's hosts, which there must be; waits for it, without the loop.  Returns 0;
 * HOSTS_WRONG, with what is wrong in the report; or a negative errno when the worker can't be had.
 */
int rehearsal(const struct monitor *m, struct conf_report *report);

#endif
