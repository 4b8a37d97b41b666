/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A world for the ledger's quotas: a store with one row, alice's, a clock, and what was said to
 * workers. */
#ifndef WHARF_TEST_QUOTA_WORLD_H
#define WHARF_TEST_QUOTA_WORLD_H

#include <wharf/base/buf.h>

#include "quota.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)

struct quota_world {
	struct quotas quotas;
	struct quota_row row; /* alice's */
	bool has_row;
	bool broken; /* the disk is full */
	int64_t us;
	struct buf said;
};

extern struct quota_world world;

/* The store is empty, and the clock at some time; the quotas are those of a daemon that begins. */
void world_init(const struct quota_calls *calls);
void world_deinit(void);

/* The store. */
int load(void *owner, struct slice user, struct quota_row *row);
int save(void *owner, struct slice user, const struct quota_row *row);
/* Both, and what is said becomes a line each, behind the worker that it goes to. */
extern const struct quota_calls plain_calls;

struct quota_time now(void);
int tell(uint64_t peer, const struct message *m);
void do_save(void);

#endif
