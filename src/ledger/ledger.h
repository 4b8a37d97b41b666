/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The ledger's state, one struct, and its loop.
 */
#ifndef WHARF_LEDGER_LEDGER_H
#define WHARF_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/conf/settings.h>
#include <wharf/wire/wire.h>

#include "journal.h"
#include "quota.h"
#include "store.h"

struct channel;

struct ledger {
	struct wire monitor;
	struct settings settings;
	char *folder; /* of the database and the spool */
	bool as_root;
	uint32_t uid, gid;
	bool alone; /* it was started before any worker */

	struct store store;
	bool damaged;
	struct journal journal;
	struct quotas quotas;

	uint64_t run; /* when the channels of all workers that live had come; 0: they have not */
	struct channel **channels;
	size_t n_channels;
	uint64_t last_channel;

	/* Of a monotonic clock, in milliseconds. */
	uint64_t now, flush_at, last_flush;
	uint64_t pause; /* before the next attempt, after one that failed */
};

/* Opens the database and the spool.  0, or a negative errno, which was logged. */
int ledger_open(struct ledger *l);
/* Serves until the monitor is gone, and then writes all that there is.  Returns what the process
 * exits with. */
int ledger_serve(struct ledger *l);
void ledger_close(struct ledger *l);

#endif
