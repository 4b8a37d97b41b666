/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The way to the ledger; see ledger.h. */
#include <errno.h>
#include <stdlib.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "session.h"

#define CHANNEL_MAGIC MAGIC('l', 'e', 'd', 'g')

struct channel {
	uint32_t magic;
	struct ledger *ledger;
	struct link link;
};

bool
ledger_tell(struct ledger *l, const struct message *m)
{
	return l->channel && link_send(&l->channel->link, m) == 0;
}

static void
open_account(struct account *a)
{
	struct message m = {.id = MSG_Q_OPEN,
			    .fd = -1,
			    .q_open = {slice_of(a->user), a->rescan, a->held_bytes, a->held_files}};

	ledger_tell(a->ledger, &m);
	if (a->unsure)
		account_unsure(a);
}

struct account *
account_use(struct account *a)
{
	if (a)
		a->users++;
	return a;
}

void
account_put(struct account **pa)
{
	struct account *a = *pa;

	*pa = NULL;
	if (!a || --a->users > 0)
		return;
	struct message m = {.id = MSG_Q_CLOSE, .fd = -1, .q_close = {slice_of(a->user)}};
	ledger_tell(a->ledger, &m);
	LIST_REMOVE(a, link);
	free(a->user);
	free(a);
}

void
account_tell(struct account *a, struct q_change change)
{
	struct message m = {.id = MSG_Q_CHANGE, .fd = -1, .q_change = change};

	m.q_change.user = slice_of(a->user);
	m.q_change.unsure = change.unsure || a->unsure;
	/* The next ledger is told that it can't know. */
	a->unsure = !ledger_tell(a->ledger, &m);
}

void
account_unsure(struct account *a)
{
	if (a)
		account_tell(a, (struct q_change){.unsure = 1});
}

static uint64_t
limit_of(uint64_t setting)
{
	return setting ? setting : UINT64_MAX;
}

struct account *
account_open(struct ledger *l, struct slice user, const struct settings *settings)
{
	struct account *a = calloc(1, sizeof(*a));
	char *name = slice_dup(user);

	if (!a || !name) {
		free(a);
		free(name);
		return NULL;
	}
	*a = (struct account){.ledger = l,
			      .user = name,
			      .limit_bytes = limit_of(settings->quota_bytes),
			      .limit_files = limit_of(settings->quota_files),
			      .rescan = settings->quota_rescan,
			      .users = 1};
	LIST_INSERT_HEAD(&l->accounts, a, link);
	open_account(a);
	return a;
}

static void
on_message(struct link *link, struct message *m, bool fd_lost)
{
	struct channel *c = link->owner;

	(void)fd_lost;
	REQUIRE(c->magic == CHANNEL_MAGIC);
	if (quota_take(c->ledger, m) < 0)
		link->calls->ended(link, -EPROTO);
}

static void
on_ended(struct link *link, int reason)
{
	struct channel *c = link->owner;
	struct ledger *l = c->ledger;

	REQUIRE(c->magic == CHANNEL_MAGIC);
	link_close(link);
	if (l->channel != c)
		return;
	LOG(WARNING, "the ledger is lost", LOG_ERRNO(reason));
	l->channel = NULL;
	quota_lose(l);
}

static void
on_closed(struct link *link)
{
	struct channel *c = link->owner;

	REQUIRE(c->magic == CHANNEL_MAGIC);
	free(c);
}

static const struct link_calls calls = {on_message, on_ended, on_closed};

void
ledger_init(struct ledger *l, struct worker *w)
{
	*l = (struct ledger){.worker = w};
	LIST_INIT(&l->accounts);
	LIST_INIT(&l->questions);
	uv_timer_init(&w->loop, &l->timer);
	l->timer.data = l;
}

void
ledger_close(struct ledger *l)
{
	quota_drop_all(l);
	if (l->channel)
		link_close(&l->channel->link);
	l->channel = NULL;
	uv_close((uv_handle_t *)&l->timer, NULL);
}

void
ledger_connect(struct ledger *l, int fd)
{
	struct channel *c = calloc(1, sizeof(*c)), *old = l->channel;
	const struct message begun = {.id = MSG_Q_BEGUN, .fd = -1};
	struct account *a;
	struct wire wire;

	l->channel = NULL;
	if (old)
		link_close(&old->link);
	quota_lose(l);
	if (!c) {
		fd_close(&fd);
		return;
	}
	c->magic = CHANNEL_MAGIC;
	c->ledger = l;
	wire_init(&wire, fd, WIRE_WORKER, WIRE_LEDGER);
	wire.phase = WIRE_SERVING;
	int r = link_init(&c->link, &l->worker->loop, &wire, &calls, c);
	if (r < 0) {
		LOG(ERROR, "the ledger's channel could not be opened", LOG_ERRNO(r));
		free(c);
		return;
	}
	l->channel = c;
	LIST_FOREACH (a, &l->accounts, link)
		open_account(a);
	ledger_tell(l, &begun);
}
