/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Settings of sessions, each different set once: thousands of anonymous sessions share one. */
#ifndef WHARF_WORKER_SHARED_H
#define WHARF_WORKER_SHARED_H

#include <stdint.h>
#include <sys/queue.h>

#include <wharf/base/slice.h>
#include <wharf/conf/settings.h>

struct shared {
	LIST_ENTRY(shared) link;
	struct settings settings;
	unsigned users;
	uint64_t hash;
	size_t n;
	char bytes[]; /* as they came */
};

#define SHARED_ROWS 64

struct shared_table {
	LIST_HEAD(, shared) row[SHARED_ROWS];
	struct shared
		*last; /* that was asked for, which this keeps: the next session wants the same */
};

/* The settings that settings_encode() made these bytes from; the caller is one more user.  NULL:
 * bad bytes, no memory. */
struct shared *shared_get(struct shared_table *t, struct slice bytes);
/* Lets go of what the table itself keeps. */
void shared_rest(struct shared_table *t);
/* One user less; *s becomes NULL. */
void shared_put(struct shared **s);

#endif
