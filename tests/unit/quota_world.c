/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The world of quota_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "quota_world.h"

struct quota_world world;

int
load(void *owner, struct slice user, struct quota_row *row)
{
	(void)owner;
	assert_true(slice_equal(user, SLICE("alice")));
	*row = world.row;
	return world.has_row ? 0 : STORE_NONE;
}

int
save(void *owner, struct slice user, const struct quota_row *row)
{
	(void)owner;
	assert_true(slice_equal(user, SLICE("alice")));
	if (world.broken)
		return -ENOSPC;
	world.row = *row;
	world.has_row = true;
	return 0;
}

static void
hear(void *owner, uint64_t peer, const struct message *m)
{
	const struct q_reserved *r = &m->q_reserved;
	const struct q_told *t = &m->q_told;

	(void)owner;
	buf_printf(&world.said, "%" PRIu64 ": ", peer);
	if (m->id == MSG_Q_SCAN)
		buf_printf(&world.said, "scan %u\n", m->q_scan.id);
	else if (m->id == MSG_Q_RESERVED && r->error)
		buf_printf(&world.said, "refused %u %s\n", r->id, strerrorname_np((int)r->error));
	else if (m->id == MSG_Q_RESERVED)
		buf_printf(&world.said, "reserved %u %" PRIu64 "\n", r->id, r->bytes);
	else if (t->error)
		buf_printf(&world.said, "cannot tell %u %s\n", t->id,
			   strerrorname_np((int)t->error));
	else
		buf_printf(&world.said,
			   "told %u %" PRIu64 " %" PRIu64 " + %" PRIu64 " %" PRIu64 "\n", t->id,
			   t->bytes, t->files, t->reserved_bytes, t->reserved_files);
}

const struct quota_calls plain_calls = {load, save, hear};

struct quota_time
now(void)
{
	return (struct quota_time){(uint64_t)world.us, 1000000000 + world.us / 1000};
}

int
tell(uint64_t peer, const struct message *m)
{
	return quotas_take(&world.quotas, peer, m, now());
}

void
do_save(void)
{
	if (quotas_save(&world.quotas, save) == 0)
		quotas_saved(&world.quotas, now());
}

void
world_init(const struct quota_calls *calls)
{
	memset(&world, 0, sizeof(world));
	world.us = 1000000000;
	quotas_init(&world.quotas, calls, NULL);
	quotas_begin(&world.quotas, true, now());
}

void
world_deinit(void)
{
	quotas_deinit(&world.quotas);
	buf_deinit(&world.said);
}
