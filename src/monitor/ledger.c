/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The ledger's process; see ledger.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "ledger.h"
#include "peer.h"
#include "retry.h"
#include "worker.h"

#define START_TIMEOUT_MS 30000
/* What it has to write at the end is a batch or two, unless the disk is slow. */
#define LEAVE_MS 8000

struct ledger {
	struct peer peer; /* first: the ledger is one */
	struct monitor *monitor;
	enum { LEDGER_DOWN, LEDGER_STARTING, LEDGER_SERVING } state;
	struct retry retry;
	uv_timer_t restart;
};

static void start_later(struct ledger *l);

static struct ledger *
ledger_of(struct peer *p)
{
	REQUIRE(p->class->role == WIRE_LEDGER);
	return (struct ledger *)p;
}

static int
on_ready(struct peer *p, const struct message *msg)
{
	struct ledger *l = ledger_of(p);

	if (msg->k_ready.error) {
		LOG(ERROR, "the ledger cannot serve", LOG_BYTES("step", msg->k_ready.what),
		    LOG_ERRNO(-(int)(msg->k_ready.error & 0xfff)));
		return 0;
	}
	peer_keep(p);
	p->wire.phase = WIRE_SERVING;
	l->state = LEDGER_SERVING;
	LOG(INFO, "the ledger serves", LOG_NUM("pid", p->pid));
	for (size_t i = 0; i < l->monitor->n_workers; i++)
		ledger_connect(&l->monitor->workers[i]);
	peer_send(p, &(struct message){.id = MSG_K_RUN, .fd = -1});
	return 0;
}

static const peer_handler handlers[MSG_COUNT] = {[MSG_K_READY] = on_ready};

static void
on_lost(struct peer *p)
{
	ledger_of(p)->state = LEDGER_DOWN;
}

static void
on_gone(struct peer *p, int status)
{
	struct ledger *l = ledger_of(p);

	if (l->monitor->draining)
		return;
	LOG(ERROR, "the ledger ended",
	    LOG_NUM(WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
	start_later(l);
}

static const struct peer_class ledger_class = {"wharfd-ledger", WIRE_LEDGER, handlers, on_lost,
					       on_gone};

static int
start(struct ledger *l)
{
	struct monitor *m = l->monitor;
	struct message msg = {.id = MSG_K_START, .fd = -1};
	struct buf blob = BUF_INIT;
	int r = peer_start(&l->peer, &ledger_class, m);

	retry_started(&l->retry, uv_now(&m->loop));
	if (r < 0)
		return r;
	l->state = LEDGER_STARTING;
	peer_kill_after(&l->peer, START_TIMEOUT_MS);
	settings_encode(m->server, &blob);
	msg.k_start = (struct k_start){.as_root = m->as_root,
				       .uid = m->run_as.uid,
				       .gid = m->run_as.gid,
				       .alone = m->n_workers == 0,
				       .folder = slice_of(m->state.path),
				       .settings = buf_slice(&blob)};
	peer_send(&l->peer, &msg);
	buf_deinit(&blob);
	return 0;
}

static void
on_restart(uv_timer_t *timer)
{
	struct ledger *l = timer->data;

	if (!l->monitor->draining && start(l) < 0)
		start_later(l);
}

static void
start_later(struct ledger *l)
{
	uv_timer_start(&l->restart, on_restart, retry_pause(&l->retry, uv_now(&l->monitor->loop)),
		       0);
}

int
ledger_open(struct monitor *m)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->monitor = m;
	m->ledger = l;
	return 0;
}

int
ledger_start(struct monitor *m)
{
	struct ledger *l = m->ledger;

	uv_timer_init(&m->loop, &l->restart);
	l->restart.data = l;
	int r = start(l);
	while (r == 0 && l->state == LEDGER_STARTING && !m->draining)
		uv_run(&m->loop, UV_RUN_ONCE);
	return r;
}

int
ledger_start_worker(struct worker *w)
{
	const int fd = w->monitor->state.spool;

	return fd < 0 ? 0 : peer_send(&w->peer, &(struct message){.id = MSG_W_SPOOL, .fd = fd});
}

void
ledger_connect(struct worker *w)
{
	struct ledger *l = w->monitor->ledger;
	struct message to_ledger = {.id = MSG_K_CHANNEL, .fd = -1};
	struct message to_worker = {.id = MSG_W_LEDGER, .fd = -1};
	int pair[2];

	if (!worker_is_ready(w) || l->state != LEDGER_SERVING)
		return;
	int r = fd_seqpacket_pair(pair);
	if (r == 0) {
		to_ledger.fd = pair[0];
		to_worker.fd = pair[1];
		to_ledger.k_channel.worker = (uint32_t)w->index;
		r = peer_send(&l->peer, &to_ledger);
		if (r == 0)
			r = peer_send(&w->peer, &to_worker);
		fd_close(&pair[0]);
		fd_close(&pair[1]);
	}
	if (r < 0)
		LOG(ERROR, "a worker cannot be joined to the ledger", LOG_NUM("worker", w->index),
		    LOG_ERRNO(r));
}

void
ledger_pass_log(struct monitor *m, int fd)
{
	if (m->ledger->state != LEDGER_DOWN)
		peer_send(&m->ledger->peer, &(struct message){.id = MSG_K_LOG, .fd = fd});
}

void
ledger_freed(struct monitor *m, struct slice user, const struct r_swept *swept)
{
	struct message msg = {.id = MSG_K_FREED, .fd = -1};

	msg.k_freed = (struct k_freed){user, swept->bytes, swept->files, swept->since};
	if (m->ledger->state == LEDGER_SERVING)
		peer_send(&m->ledger->peer, &msg);
}

bool
ledger_lives(const struct monitor *m)
{
	return m->ledger && m->ledger->peer.pid > 0;
}

void
ledger_end(struct monitor *m)
{
	if (m->ledger->state == LEDGER_DOWN)
		return;
	m->ledger->state = LEDGER_DOWN;
	peer_end(&m->ledger->peer, LEAVE_MS);
}

void
ledger_free(struct monitor *m)
{
	free(m->ledger);
	m->ledger = NULL;
}
