/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Quotas and the way to the ledger; see quota.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "session.h"

#define CHANNEL_MAGIC MAGIC('l', 'e', 'd', 'g')
#define TICK_MS       1000
/* The ledger answers after up to three counts of the files, each of which an agent may take its
 * time for. */
#define AGENT_TIMES 4

struct channel {
	uint32_t magic;
	struct ledger *ledger;
	struct link link;
};

enum kind { RESERVE, MORE, ASK };

/* What the ledger was asked. */
struct question {
	LIST_ENTRY(question) link;
	uint32_t id;
	enum kind kind;
	struct session *session; /* NULL: nobody waits any more; what is reserved is released */
	struct account *account;
	uint64_t files, deadline;
};

static void on_tick(uv_timer_t *timer);

bool
ledger_tell(struct ledger *l, const struct message *m)
{
	return l->channel && link_send(&l->channel->link, m) == 0;
}

static void
open_account(struct account *a)
{
	struct message m = {.id = MSG_Q_OPEN, .fd = -1, .q_open = {slice_of(a->user), a->rescan}};

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

static void
tell_change(struct account *a, struct q_change change)
{
	struct message m = {.id = MSG_Q_CHANGE, .fd = -1, .q_change = change};

	m.q_change.user = slice_of(a->user);
	/* The next ledger is told that it can't know. */
	a->unsure = !ledger_tell(a->ledger, &m);
}

void
account_changed(struct account *a, int64_t bytes, int64_t files)
{
	if (a && (bytes || files))
		tell_change(a, (struct q_change){.bytes = bytes, .files = files});
}

void
account_unsure(struct account *a)
{
	if (a)
		tell_change(a, (struct q_change){.unsure = 1});
}

static void
release(struct account *a, uint64_t bytes, uint64_t files)
{
	tell_change(a, (struct q_change){.release_bytes = bytes, .release_files = files});
}

void
quota_forget(struct session *s)
{
	struct question *q;

	LIST_FOREACH (q, &s->worker->ledger.questions, link)
		if (q->session == s)
			q->session = NULL;
}

static void
drop(struct question *q)
{
	LIST_REMOVE(q, link);
	account_put(&q->account);
	free(q);
}

static void
hold(struct session *s, const struct question *q, uint64_t bytes)
{
	struct ledger *l = &s->worker->ledger;

	s->quota.held_bytes += bytes;
	s->quota.held_files += q->files;
	s->quota.epoch = l->epoch;
}

static void
tell_quota(struct session *s, const struct account *a, int error, const struct q_told *told)
{
	struct quota have = {.limit_bytes = a->limit_bytes, .limit_files = a->limit_files};

	if (told) {
		have.bytes = told->bytes;
		have.files = told->files;
		have.reserved_bytes = told->reserved_bytes;
		have.reserved_files = told->reserved_files;
	}
	ftp_session_quota_told(&s->ftp, error, &have);
}

/* The answer, or that there is none, to the session that waits for it. */
static void
deliver(struct session *s, enum kind kind, int error, const struct q_told *told, uint64_t bytes)
{
	const struct account *a = s->quota.account;

	if (kind == MORE) {
		if (s->pump)
			pump_granted(s->pump, error, bytes);
		return;
	}
	session_enter(s);
	if (kind == ASK)
		tell_quota(s, a, error, told);
	else
		/* Without a limit of bytes none were asked for. */
		ftp_session_reserved(&s->ftp, error,
				     a->limit_bytes == UINT64_MAX ? UINT64_MAX : bytes);
	session_settle(s);
}

/* The question is gone after it. */
static void
answer(struct question *q, int error, const struct q_told *told, uint64_t bytes)
{
	struct session *s = q->session;
	enum kind kind = q->kind;

	if (error == 0 && kind != ASK) {
		if (s)
			hold(s, q, bytes);
		else
			release(q->account, bytes, q->files);
	}
	drop(q);
	if (s)
		deliver(s, kind, error, told, bytes);
}

static struct question *
find(struct ledger *l, uint32_t id)
{
	struct question *q;

	LIST_FOREACH (q, &l->questions, link)
		if (q->id == id)
			return q;
	return NULL;
}

/* All whom the ledger owes an answer get none. */
static void
fail_all(struct ledger *l)
{
	struct question *q;

	while ((q = LIST_FIRST(&l->questions)))
		answer(q, -EIO, NULL, 0);
}

static void
scan(struct ledger *l, uint32_t id)
{
	struct question *q = find(l, id);

	if (!q)
		return;
	if (!q->session || agent_count(q->session, id) < 0)
		account_scanned(q->account, id, EIO, 0, 0);
}

static void
on_message(struct link *link, struct message *m, bool fd_lost)
{
	struct channel *c = link->owner;
	struct ledger *l = c->ledger;
	struct question *q;

	(void)fd_lost;
	REQUIRE(c->magic == CHANNEL_MAGIC);
	switch (m->id) {
	case MSG_Q_RESERVED:
		q = find(l, m->q_reserved.id);
		if (q && q->kind != ASK)
			answer(q, -(int)m->q_reserved.error, NULL, m->q_reserved.bytes);
		return;
	case MSG_Q_TOLD:
		q = find(l, m->q_told.id);
		if (q && q->kind == ASK)
			answer(q, -(int)m->q_told.error, &m->q_told, 0);
		return;
	case MSG_Q_SCAN:
		scan(l, m->q_scan.id);
		return;
	default:
		link->calls->ended(link, -EPROTO);
	}
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
	fail_all(l);
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
	struct question *q;

	while ((q = LIST_FIRST(&l->questions)))
		drop(q);
	if (l->channel)
		link_close(&l->channel->link);
	l->channel = NULL;
	uv_close((uv_handle_t *)&l->timer, NULL);
}

void
ledger_connect(struct ledger *l, int fd)
{
	struct channel *c = calloc(1, sizeof(*c)), *old = l->channel;
	struct account *a;
	struct wire wire;

	l->channel = NULL;
	if (old)
		link_close(&old->link);
	fail_all(l);
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
	l->epoch++;
	LIST_FOREACH (a, &l->accounts, link)
		open_account(a);
}

static uint64_t
limit_of(uint64_t setting)
{
	return setting ? setting : UINT64_MAX;
}

void
quota_login(struct session *s, struct slice user)
{
	const struct settings *set = &s->shared->settings;
	struct ledger *l = &s->worker->ledger;

	if (!set->quota_bytes && !set->quota_files)
		return;
	struct account *a = calloc(1, sizeof(*a));
	char *name = slice_dup(user);
	if (!a || !name) {
		/* Nobody comes by his quota for want of memory. */
		free(a);
		free(name);
		s->broken = true;
		return;
	}
	*a = (struct account){.ledger = l,
			      .user = name,
			      .limit_bytes = limit_of(set->quota_bytes),
			      .limit_files = limit_of(set->quota_files),
			      .rescan = set->quota_rescan,
			      .users = 1};
	LIST_INSERT_HEAD(&l->accounts, a, link);
	s->quota = (struct session_quota){.account = a};
	open_account(a);
}

void
quota_logout(struct session *s)
{
	if (!s->quota.account)
		return;
	quota_settle(s, 0, true);
	account_put(&s->quota.account);
}

/* 0 or a negative errno. */
static int
ask(struct session *s, enum kind kind, struct message *m, uint32_t *id)
{
	struct ledger *l = &s->worker->ledger;
	struct question *q = l->channel ? calloc(1, sizeof(*q)) : NULL;

	if (!q)
		return l->channel ? -ENOMEM : -EIO;
	q->id = *id = ++l->last_id;
	q->kind = kind;
	q->session = s;
	q->files = kind == RESERVE ? m->q_reserve.files : 0;
	q->account = account_use(s->quota.account);
	q->deadline = uv_now(&s->worker->loop) +
		      s->ftp.settings->agent_timeout * 1000 * AGENT_TIMES;
	LIST_INSERT_HEAD(&l->questions, q, link);
	if (!ledger_tell(l, m)) {
		drop(q);
		return -EIO;
	}
	if (!uv_is_active((uv_handle_t *)&l->timer))
		uv_timer_start(&l->timer, on_tick, TICK_MS, TICK_MS);
	return 0;
}

/* The question that waits for too long, or NULL. */
static struct question *
overdue(struct ledger *l)
{
	uint64_t now = uv_now(l->timer.loop);
	struct question *q;

	LIST_FOREACH (q, &l->questions, link)
		if (q->session && q->deadline <= now)
			return q;
	return NULL;
}

static void
on_tick(uv_timer_t *timer)
{
	struct ledger *l = timer->data;
	struct question *q;

	while ((q = overdue(l))) {
		struct session *s = q->session;
		LOG(WARNING, "the ledger does not answer", LOG_NUM("session", s->id));
		/* What it reserves late is released. */
		q->session = NULL;
		deliver(s, q->kind, -ETIMEDOUT, NULL, 0);
	}
	if (LIST_EMPTY(&l->questions))
		uv_timer_stop(timer);
}

void
quota_opened(struct session *s, int64_t bytes, int64_t files)
{
	struct session_quota *own = &s->quota;

	if (!own->account)
		return;
	/* What is gone makes room now.  What is new is told at the upload's end: till then it is
	 * reserved, or takes the place of what goes when it is published. */
	if (bytes < 0)
		account_changed(own->account, bytes, 0);
	else
		own->bytes += bytes;
	own->files += files;
}

void
quota_reserve(struct session *s, uint64_t bytes, uint64_t least, bool new_file, bool replaces)
{
	const struct account *a = s->quota.account;

	s->quota.granted = UINT64_MAX;
	if (!a) {
		session_due(s, DUE_RESERVED, 0);
		return;
	}
	bool limited = a->limit_bytes != UINT64_MAX;
	struct message m = {.id = MSG_Q_RESERVE,
			    .fd = -1,
			    .q_reserve = {.user = slice_of(a->user),
					  .limit_bytes = a->limit_bytes,
					  .limit_files = a->limit_files,
					  .bytes = limited ? bytes : 0,
					  .least = limited ? least : 0,
					  .files = new_file,
					  .force = replaces}};
	int r = ask(s, RESERVE, &m, &m.q_reserve.id);
	if (r < 0)
		session_due(s, DUE_RESERVED, r);
}

void
quota_more(struct session *s, uint64_t bytes)
{
	const struct account *a = s->quota.account;
	struct message m = {.id = MSG_Q_RESERVE,
			    .fd = -1,
			    .q_reserve = {.limit_bytes = a->limit_bytes,
					  .limit_files = a->limit_files,
					  .user = slice_of(a->user),
					  .bytes = bytes,
					  .least = 1}};
	int r = ask(s, MORE, &m, &m.q_reserve.id);

	if (r < 0)
		pump_granted(s->pump, r, 0);
}

void
quota_ask(struct session *s)
{
	const struct account *a = s->quota.account;
	struct message m = {.id = MSG_Q_ASK, .fd = -1};
	int r = 0;

	if (a) {
		m.q_ask.user = slice_of(a->user);
		r = ask(s, ASK, &m, &m.q_ask.id);
	}
	if (!a || r < 0)
		session_due(s, DUE_QUOTA_TOLD, r);
}

void
quota_settle(struct session *s, int64_t grown, bool sure)
{
	struct session_quota *own = &s->quota;
	struct account *a = own->account;

	if (!a)
		return;
	/* An answer that is on its way is released when it comes. */
	quota_forget(s);
	bool lost = (own->held_bytes || own->held_files) && own->epoch != a->ledger->epoch;
	struct q_change change = {.release_bytes = lost ? 0 : own->held_bytes,
				  .release_files = lost ? 0 : own->held_files,
				  .bytes = own->bytes + grown,
				  .files = own->files,
				  .unsure = lost || !sure};
	*own = (struct session_quota){.account = a};
	if (change.release_bytes || change.release_files || change.bytes || change.files ||
	    change.unsure)
		tell_change(a, change);
}

static uint64_t
without(uint64_t found, int64_t later)
{
	return later > 0 && (uint64_t)later > found ? 0 : found - (uint64_t)later;
}

/*
 * A count has found what this worker tells at the end of uploads that run; it is not to be counted
 * twice.
 */
void
account_scanned(struct account *a, uint32_t id, uint32_t error, uint64_t bytes, uint64_t files)
{
	const struct session *s;
	int64_t later_bytes = 0, later_files = 0;

	TAILQ_FOREACH (s, &a->ledger->worker->sessions, link) {
		if (!s->quota.account || strcmp(s->quota.account->user, a->user) != 0)
			continue;
		later_bytes += s->quota.bytes;
		later_files += s->quota.files;
	}
	struct message m = {.id = MSG_Q_SCANNED,
			    .fd = -1,
			    .q_scanned = {id, slice_of(a->user), error, without(bytes, later_bytes),
					  without(files, later_files)}};
	ledger_tell(a->ledger, &m);
}
