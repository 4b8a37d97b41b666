/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Fifty sessions of three workers, one of which is killed now and then, or the ledger: what the
 * files take, with what is being written, is never more than the limit, and in the end what is told
 * is what there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota_world.h"

enum { SESSIONS = 50, LIMIT = 4000000 };

static struct session {
	uint64_t held, written; /* of the upload that runs */
	uint64_t since;
	bool runs, waits;
} sessions[SESSIONS];
static uint64_t truth_bytes, truth_files, scan_of[4][SESSIONS + 1];

static uint64_t
peer_of(size_t i)
{
	return 1 + i % 3;
}

static void
hear_many(void *owner, uint64_t peer, const struct message *m)
{
	(void)owner;
	if (m->id == MSG_Q_SCAN) {
		scan_of[peer][m->q_scan.id] = 1;
		return;
	}
	if (m->id != MSG_Q_RESERVED)
		return;
	struct session *s = &sessions[m->q_reserved.id];
	s->waits = false;
	s->held = m->q_reserved.error ? 0 : m->q_reserved.bytes;
	s->runs = m->q_reserved.error == 0;
	s->since = (uint64_t)world.us;
	truth_files += s->runs;
}

static const struct quota_calls many = {load, save, hear_many};
static const struct message hello = {
	.id = MSG_Q_OPEN, .fd = -1, .q_open = {SLICE("alice"), 86400, 0, 0}};

static void
answer_scans(void)
{
	for (size_t peer = 1; peer <= 3; peer++)
		for (uint32_t id = 0; id < SESSIONS; id++) {
			if (!scan_of[peer][id])
				continue;
			scan_of[peer][id] = 0;
			struct message m = {.id = MSG_Q_SCANNED, .fd = -1};
			m.q_scanned = (struct q_scanned){.id = id,
							 .user = SLICE("alice"),
							 .bytes = truth_bytes,
							 .files = truth_files,
							 .until = (uint64_t)world.us};
			tell(peer, &m);
		}
}

static void
act(size_t i)
{
	struct session *s = &sessions[i];
	struct message m = {.id = MSG_Q_RESERVE, .fd = -1};

	if (s->waits)
		return;
	if (!s->runs) {
		m.q_reserve = (struct q_reserve){.id = (uint32_t)i,
						 .user = SLICE("alice"),
						 .limit_bytes = LIMIT,
						 .limit_files = 200,
						 .bytes = MIB,
						 .least = 1,
						 .files = 1};
		s->waits = true;
		tell(peer_of(i), &m);
		return;
	}
	const uint64_t n = (uint64_t)rand() % (s->held - s->written + 1);
	s->written += n;
	truth_bytes += n;
	assert_true(truth_bytes <= LIMIT && truth_files <= 200);
	if (rand() % 3)
		return;
	m.id = MSG_Q_CHANGE;
	m.q_change = (struct q_change){.user = SLICE("alice"),
				       .release_bytes = s->held,
				       .release_files = 1,
				       .bytes = (int64_t)s->written,
				       .files = 1,
				       .since = s->since};
	tell(peer_of(i), &m);
	*s = (struct session){0};
}

/* The files that are there already shrink, so that there is room again. */
static void
remove_some(void)
{
	uint64_t busy = 0, running = 0;
	struct message m = {.id = MSG_Q_CHANGE, .fd = -1};

	for (size_t i = 0; i < SESSIONS; i++) {
		busy += sessions[i].written;
		running += sessions[i].runs;
	}
	const uint64_t n = (truth_bytes - busy) / 2, files = (truth_files - running) / 2;
	m.q_change = (struct q_change){.user = SLICE("alice"),
				       .bytes = -(int64_t)n,
				       .files = -(int64_t)files,
				       .since = (uint64_t)world.us};
	truth_bytes -= n;
	truth_files -= files;
	tell(1, &m);
}

/* A worker is gone with its sessions; what they had written stays.  Another takes its place. */
static void
kill_worker(uint64_t peer)
{
	quotas_lose(&world.quotas, peer, now());
	for (size_t i = 0; i < SESSIONS; i++)
		if (peer_of(i) == peer)
			sessions[i] = (struct session){0};
	memset(scan_of[peer], 0, sizeof(scan_of[peer]));
	tell(peer, &hello);
}

/* The ledger is gone, with what it had not saved; the next one hears what is still reserved. */
static void
kill_ledger(void)
{
	quotas_deinit(&world.quotas);
	quotas_init(&world.quotas, &many, NULL);
	for (size_t i = 0; i < SESSIONS; i++) {
		struct message m = hello;
		m.q_open.bytes = sessions[i].held;
		m.q_open.files = sessions[i].runs;
		sessions[i].waits = false;
		tell(peer_of(i), &m);
	}
	memset(scan_of, 0, sizeof(scan_of));
	quotas_begin(&world.quotas, false, now());
}

static void
never_more_than_the_limit(void **state)
{
	struct message m = {.id = MSG_Q_ASK, .fd = -1, .q_ask = {99, SLICE("alice")}};

	(void)state;
	world_init(&many);
	srand(4);
	for (uint64_t peer = 1; peer <= 3; peer++)
		tell(peer, &hello);
	for (unsigned i = 0; i < 200000; i++) {
		world.us += 1000;
		act((size_t)rand() % SESSIONS);
		if (rand() % 10 == 0)
			answer_scans();
		if (rand() % 500 == 0)
			remove_some();
		if (rand() % 5000 == 0)
			kill_worker(1 + (uint64_t)rand() % 3);
		if (rand() % 5000 == 0)
			kill_ledger();
		if (rand() % 100 == 0)
			do_save();
	}
	for (size_t i = 0; i < SESSIONS * 100; i++) {
		answer_scans();
		if (sessions[i % SESSIONS].runs)
			act(i % SESSIONS);
	}
	world.us += 10000000;
	world.quotas.calls = &plain_calls;
	tell(1, &m);
	if (world.said.len && memmem(world.said.data, world.said.len, "scan", 4)) {
		m.id = MSG_Q_SCANNED;
		m.q_scanned = (struct q_scanned){.id = 99,
						 .user = SLICE("alice"),
						 .bytes = truth_bytes,
						 .files = truth_files,
						 .until = (uint64_t)world.us};
		buf_reset(&world.said);
		tell(1, &m);
	}
	char wanted[100];
	snprintf(wanted, sizeof(wanted), "1: told 99 %" PRIu64 " %" PRIu64 " + 0 0\n", truth_bytes,
		 truth_files);
	buf_add_byte(&world.said, '\0');
	assert_string_equal(world.said.data, wanted);
	world_deinit();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_more_than_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
