/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Quotas of sessions; see quota.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/log.h>

#include "session.h"

#define TICK_MS 1000
/* The ledger answers after up to three counts of the files, each of which an agent may take its
 * time for. */
#define AGENT_TIMES 4

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

/* Bytes that opening the file has taken up already: of a copy of what it held. */
static uint64_t
taken(const struct session *s)
{
	return s->quota.bytes > 0 ? (uint64_t)s->quota.bytes : 0;
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
	/* No upload comes of it. */
	if (kind == RESERVE && error < 0)
		quota_settle(s, 0, true);
	session_enter(s);
	if (kind == ASK)
		tell_quota(s, a, error, told);
	else
		/* Without a limit of bytes none were asked for. */
		ftp_session_reserved(&s->ftp, error,
				     a->limit_bytes == UINT64_MAX ? UINT64_MAX : bytes - taken(s));
	session_settle(s);
}

/* The question is gone after it. */
static void
answer(struct question *q, int error, const struct q_told *told, uint64_t bytes)
{
	struct session *s = q->session;
	enum kind kind = q->kind;

	if (error == 0 && kind != ASK) {
		if (s) {
			q->account->held_bytes += bytes;
			q->account->held_files += q->files;
		} else {
			account_tell(q->account, (struct q_change){.release_bytes = bytes,
								   .release_files = q->files});
		}
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

void
quota_lose(struct ledger *l)
{
	struct question *q = LIST_FIRST(&l->questions), *next;

	LIST_INIT(&l->questions);
	for (; q; q = next) {
		const struct question was = *q;
		next = LIST_NEXT(q, link);
		account_put(&q->account);
		free(q);
		if (was.session)
			deliver(was.session, was.kind, -EIO, NULL, 0);
	}
}

void
quota_drop_all(struct ledger *l)
{
	struct question *q, *next;

	for (q = LIST_FIRST(&l->questions); q; q = next) {
		next = LIST_NEXT(q, link);
		account_put(&q->account);
		free(q);
	}
	LIST_INIT(&l->questions);
}

static void
scan(struct ledger *l, uint32_t id)
{
	struct question *q = find(l, id);

	if (!q)
		return;
	if (!q->session || agent_count(q->session, id) < 0)
		quota_scanned(q->account, id, 0, &(struct r_usage){.error = ECANCELED});
}

int
quota_take(struct ledger *l, const struct message *m)
{
	struct question *q;

	switch (m->id) {
	case MSG_Q_RESERVED:
		q = find(l, m->q_reserved.id);
		if (q && q->kind != ASK)
			answer(q, -(int)m->q_reserved.error, NULL, m->q_reserved.bytes);
		return 0;
	case MSG_Q_TOLD:
		q = find(l, m->q_told.id);
		if (q && q->kind == ASK)
			answer(q, -(int)m->q_told.error, &m->q_told, 0);
		return 0;
	case MSG_Q_SCAN:
		scan(l, m->q_scan.id);
		return 0;
	default:
		return -EPROTO;
	}
}

int
quota_login(struct session *s, struct slice user)
{
	const struct settings *set = &s->shared->settings;

	if (!set->quota_bytes && !set->quota_files)
		return 0;
	s->quota = (struct session_quota){.account = account_open(&s->worker->ledger, user, set)};
	return s->quota.account ? 0 : -ENOMEM;
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
quota_opened(struct session *s, int64_t bytes, int64_t files, uint64_t since)
{
	struct session_quota *own = &s->quota;

	if (!own->account)
		return;
	/* What is gone makes room now.  What is new is told at the upload's end: till then it is
	 * reserved, or takes the place of what goes when it is published. */
	if (bytes < 0)
		account_tell(own->account, (struct q_change){.bytes = bytes, .since = since});
	else
		own->bytes += bytes;
	own->files += files;
	/* What was told of an opening before is told with it. */
	if (!own->opened)
		own->since = since;
	own->opened = ledger_now();
}

void
quota_reserve(struct session *s, uint64_t bytes, uint64_t least, bool one_more, bool replaces)
{
	const struct account *a = s->quota.account;

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
					  .bytes = limited ? bytes + taken(s) : 0,
					  .least = limited ? least + taken(s) : 0,
					  .files = one_more,
					  .force = replaces && !one_more}};
	int r = ask(s, RESERVE, &m, &m.q_reserve.id);
	if (r < 0) {
		quota_settle(s, 0, true);
		session_due(s, DUE_RESERVED, r);
	}
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
	struct q_change change = {.release_bytes = a->held_bytes,
				  .release_files = a->held_files,
				  .bytes = own->bytes + grown,
				  .files = own->files,
				  .since = own->since,
				  .unsure = !sure};
	*own = (struct session_quota){.account = a};
	a->held_bytes = a->held_files = 0;
	if (change.release_bytes || change.release_files || change.bytes || change.files ||
	    change.unsure)
		account_tell(a, change);
}

static uint64_t
without(uint64_t found, int64_t later)
{
	return later > 0 && (uint64_t)later > found ? 0 : found - (uint64_t)later;
}

/* An upload that needs no reservation: what it has written may be in a count. */
static bool
writes_unreserved(const struct session *s)
{
	const struct account *a = s->quota.account;

	return (s->pump || s->job) && !a->held_bytes && !a->held_files;
}

/*
 * A count has found what this worker tells at the end of uploads that run: where their files were
 * opened before, it is for sure not to be counted twice.
 */
void
quota_scanned(struct account *a, uint32_t id, uint64_t since, const struct r_usage *found)
{
	const uint64_t until = ledger_now();
	struct session *s;
	int64_t later_bytes = 0, later_files = 0;

	TAILQ_FOREACH (s, &a->ledger->worker->sessions, link) {
		struct session_quota *own = &s->quota;
		if (found->error || !own->opened || own->opened >= since ||
		    strcmp(own->account->user, a->user) != 0 || writes_unreserved(s))
			continue;
		later_bytes += own->bytes;
		later_files += own->files;
		own->since = until + 1;
	}
	struct message m = {.id = MSG_Q_SCANNED,
			    .fd = -1,
			    .q_scanned = {.id = id,
					  .user = slice_of(a->user),
					  .error = found->error,
					  .bytes = without(found->bytes, later_bytes),
					  .files = without(found->files, later_files),
					  .until = until}};
	ledger_tell(a->ledger, &m);
}
