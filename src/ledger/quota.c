/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Quotas; see quota.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>
#include <utlist.h>

#include <wharf/base/log.h>

#include "quota.h"
#include "tally.h"

/* So often are the files counted when they change meanwhile. */
#define SCANS_MAX 3
/* So many users, and questions of one, at most: whoever has more is not honest. */
#define USERS_MAX      100000
#define QUESTIONS_MAX  10000
#define NAME_MAX_BYTES 1024
#define ERRNO_MAX      4095 /* the kernel has no greater one */

/* What one worker has of a user. */
struct share {
	uint64_t peer;
	unsigned sessions;
	struct amount held; /* reserved */
	struct share *next;
};

/* A question that waits for the files to be counted. */
struct question {
	uint64_t peer; /* 0: it is gone */
	bool is_ask;
	union {
		struct q_reserve reserve; /* its user is not to be read */
		struct q_ask ask;
	};
	STAILQ_ENTRY(question) link;
};

struct quota_user {
	char *name;
	struct tally tally;
	bool opened; /* the row on disk says that it is open */
	bool dirty, saving;
	struct share *shares;

	/* The first question is the one whose session counts. */
	STAILQ_HEAD(, question) questions;
	unsigned n_questions;
	unsigned scans; /* for the first of them */
	UT_hash_handle hh;
};

static struct question *
first(const struct quota_user *u)
{
	return STAILQ_FIRST(&u->questions);
}

static void
drop_first(struct quota_user *u)
{
	struct question *w = first(u);

	STAILQ_REMOVE_HEAD(&u->questions, link);
	u->n_questions--;
	free(w);
}

static struct slice
name_of(const struct quota_user *u)
{
	return slice_of(u->name);
}

/* --- users and shares --- */

static void
free_user(struct quotas *q, struct quota_user *u)
{
	struct share *share, *next_share;

	HASH_DEL(q->users, u);
	for (struct question *w = first(u), *next; w; w = next) {
		next = STAILQ_NEXT(w, link);
		free(w);
	}
	LL_FOREACH_SAFE(u->shares, share, next_share)
	free(share);
	free(u->name);
	free(u);
}

/* A user whom nobody has named yet is read from his row. */
static struct quota_user *
get_user(struct quotas *q, struct slice name)
{
	struct quota_user *u = NULL;
	struct quota_row row;

	HASH_FIND(hh, q->users, name.p, name.n, u);
	if (u || name.n == 0 || name.n > NAME_MAX_BYTES || memchr(name.p, '\0', name.n) ||
	    HASH_COUNT(q->users) >= USERS_MAX)
		return u;
	int r = q->calls->load(q->owner, name, &row);
	u = calloc(1, sizeof(*u));
	if (!u || !(u->name = slice_dup(name))) {
		free(u);
		return NULL;
	}
	if (r == 0) {
		tally_load(&u->tally, &row);
		u->opened = row.open;
	}
	STAILQ_INIT(&u->questions);
	HASH_ADD_KEYPTR(hh, q->users, u->name, name.n, u);
	return u;
}

static struct share *
find_share(const struct quota_user *u, uint64_t peer)
{
	struct share *s;

	LL_SEARCH_SCALAR(u->shares, s, peer, peer);
	return s;
}

static struct share *
get_share(struct quota_user *u, uint64_t peer)
{
	struct share *s = find_share(u, peer);

	if (!s && (s = calloc(1, sizeof(*s)))) {
		s->peer = peer;
		LL_PREPEND(u->shares, s);
	}
	return s;
}

static void
drop_idle_share(struct quota_user *u, struct share *s)
{
	if (s->sessions || amount_is_something(s->held))
		return;
	LL_DELETE(u->shares, s);
	free(s);
}

/* What workers have reserved, all together. */
static struct amount
held(const struct quota_user *u)
{
	struct amount sum = {0};
	const struct share *s;

	LL_FOREACH(u->shares, s)
	sum = amount_add(sum, s->held);
	return sum;
}

static bool
is_idle(const struct quota_user *u)
{
	return !u->shares && !first(u);
}

/* Whether the row on disk must not claim to be right. */
static bool
must_open(const struct quota_user *u)
{
	return !is_idle(u) || tally_is_doubtful(&u->tally);
}

/* Before the first change. */
static int
open_row(struct quotas *q, struct quota_user *u)
{
	if (u->opened)
		return 0;
	const struct quota_row row = tally_row(&u->tally, held(u), true);
	int r = q->calls->save(q->owner, name_of(u), &row);
	u->opened = r == 0;
	return r;
}

/* --- questions and scans --- */

static void
say_reserved(struct quotas *q, uint64_t peer, uint32_t id, int error, uint64_t bytes)
{
	struct message m = {.id = MSG_Q_RESERVED, .fd = -1};

	m.q_reserved = (struct q_reserved){id, (uint32_t)-error, bytes};
	q->calls->send(q->owner, peer, &m);
}

static void
answer_reserve(struct quotas *q, struct quota_user *u, uint64_t peer, const struct q_reserve *want)
{
	struct share *s = get_share(u, peer);
	int error = s ? open_row(q, u) : -ENOMEM;
	uint64_t bytes = 0;

	if (error == 0 && !tally_grant(&u->tally, held(u), want, &bytes))
		error = -EDQUOT;
	if (error == 0) {
		s->held = amount_add(s->held, (struct amount){bytes, want->files});
		u->dirty = true;
	} else if (s) {
		drop_idle_share(u, s);
	}
	say_reserved(q, peer, want->id, error, bytes);
}

static void
answer_ask(struct quotas *q, const struct quota_user *u, uint64_t peer, const struct q_ask *ask)
{
	const struct amount used = u->tally.used, r = tally_reserved(&u->tally, held(u));
	struct message m = {.id = MSG_Q_TOLD, .fd = -1};

	m.q_told = (struct q_told){ask->id, 0, used.bytes, used.files, r.bytes, r.files};
	q->calls->send(q->owner, peer, &m);
}

static void
answer_error(struct quotas *q, const struct question *w, int error)
{
	struct message m = {.id = MSG_Q_TOLD, .fd = -1};

	if (!w->is_ask) {
		say_reserved(q, w->peer, w->reserve.id, error, 0);
		return;
	}
	m.q_told = (struct q_told){.id = w->ask.id, .error = (uint32_t)-error};
	q->calls->send(q->owner, w->peer, &m);
}

/* Answers the first of those that have asked. */
static void
answer_first(struct quotas *q, struct quota_user *u)
{
	const struct question *w = first(u);

	if (w->is_ask)
		answer_ask(q, u, w->peer, &w->ask);
	else
		answer_reserve(q, u, w->peer, &w->reserve);
	drop_first(u);
}

static uint32_t
id_of(const struct question *w)
{
	return w->is_ask ? w->ask.id : w->reserve.id;
}

/* Whether a figure that is too high would be told, or used to refuse. */
static bool
wants_exact(const struct quota_user *u, const struct question *w)
{
	uint64_t bytes;

	return w->is_ask || !tally_grant(&u->tally, held(u), &w->reserve, &bytes);
}

/* Whether his files are counted before that question is answered. */
static bool
must_scan(const struct quota_user *u, const struct question *w, struct quota_time now)
{
	return tally_wants_count(&u->tally, held(u), wants_exact(u, w), now.us);
}

static void
send_scan(struct quotas *q, struct quota_user *u, struct quota_time now)
{
	struct message m = {.id = MSG_Q_SCAN, .fd = -1};

	tally_begin_count(&u->tally, now.us);
	u->scans++;
	m.q_scan.id = id_of(first(u));
	q->calls->send(q->owner, first(u)->peer, &m);
}

/* Answers the questions in their order, as far as that is possible without counting. */
static void
go_on(struct quotas *q, struct quota_user *u, struct quota_time now)
{
	while (q->began && first(u) && !u->tally.scanning) {
		const struct question *w = first(u);
		if (w->peer == 0) {
			drop_first(u);
			continue;
		}
		if (must_scan(u, w, now)) {
			u->scans = 0;
			send_scan(q, u, now);
			return;
		}
		answer_first(q, u);
	}
}

static int
enqueue(struct quotas *q, uint64_t peer, const struct message *m, struct quota_time now)
{
	const bool is_ask = m->id == MSG_Q_ASK;
	struct quota_user *u = get_user(q, is_ask ? m->q_ask.user : m->q_reserve.user);
	struct question *w = u ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return -ENOMEM;
	if (++u->n_questions > QUESTIONS_MAX) {
		u->n_questions--;
		free(w);
		return -EPROTO;
	}
	w->peer = peer;
	w->is_ask = is_ask;
	if (is_ask)
		w->ask = m->q_ask;
	else
		w->reserve = m->q_reserve;
	STAILQ_INSERT_TAIL(&u->questions, w, link);
	go_on(q, u, now);
	return 0;
}

/*
 * A tree that was made so that it can't be counted, or takes too long, must not keep its user from
 * his uploads for good: what was known goes on to be until it is time to try again.  Where nothing
 * is known, there is an error.
 */
static void
take_failure(struct quotas *q, struct quota_user *u, int error, struct quota_time now)
{
	LOG(WARNING, "a user's files cannot be counted", LOG_BYTES("user", name_of(u)),
	    LOG_ERRNO(error));
	if (tally_fail_count(&u->tally, now.us, q->lost_until)) {
		u->dirty = true;
		answer_first(q, u);
	} else {
		answer_error(q, first(u), error);
		drop_first(u);
	}
	go_on(q, u, now);
}

/* Whoever was to count is gone. */
static void
pass_count_on(struct quotas *q, struct quota_user *u, struct quota_time now)
{
	tally_drop_count(&u->tally);
	answer_error(q, first(u), -EIO);
	drop_first(u);
	go_on(q, u, now);
}

static void
take_count(struct quotas *q, struct quota_user *u, const struct q_scanned *m, struct quota_time now)
{
	tally_take_count(&u->tally, held(u), m, now.wall, q->lost_until);
	u->dirty = true;
	LOG(DEBUG, "a user's files were counted", LOG_BYTES("user", name_of(u)),
	    LOG_NUM("bytes", u->tally.used.bytes), LOG_NUM("files", u->tally.used.files));
}

static int
take_scanned(struct quotas *q, uint64_t peer, const struct q_scanned *m, struct quota_time now)
{
	struct quota_user *u = get_user(q, m->user);

	if (!u || !u->tally.scanning || first(u)->peer != peer || id_of(first(u)) != m->id)
		return 0; /* nobody waits for it any more */
	if (m->error == ECANCELED) {
		pass_count_on(q, u, now);
		return 0;
	}
	if (m->error) {
		take_failure(q, u, m->error <= ERRNO_MAX ? -(int)m->error : -EIO, now);
		return 0;
	}
	take_count(q, u, m, now);
	if (u->scans < SCANS_MAX && tally_wants_another(&u->tally, wants_exact(u, first(u)))) {
		send_scan(q, u, now);
		return 0;
	}
	/* One of them is answered in any case, however often they change. */
	answer_first(q, u);
	go_on(q, u, now);
	return 0;
}

/* --- sessions and changes --- */

static int
take_open(struct quotas *q, uint64_t peer, const struct q_open *m, struct quota_time now)
{
	struct quota_user *u = get_user(q, m->user);
	struct share *s = u ? get_share(u, peer) : NULL;

	if (!s)
		return -ENOMEM;
	s->sessions++;
	s->held = amount_add(s->held, (struct amount){m->bytes, m->files});
	u->dirty = true;
	tally_age(&u->tally, m->rescan, now.wall);
	/* One that can't be opened now is when it is asked for. */
	open_row(q, u);
	return 0;
}

static int
take_close(struct quotas *q, uint64_t peer, const struct q_close *m)
{
	struct quota_user *u = get_user(q, m->user);
	struct share *s = u ? find_share(u, peer) : NULL;

	if (!s || s->sessions == 0)
		return -EPROTO;
	s->sessions--;
	drop_idle_share(u, s);
	u->dirty = true;
	return 0;
}

/* Of what a worker had reserved so much is free again; s is NULL where it has nothing. */
static void
release(struct quota_user *u, struct share *s, const struct q_change *m)
{
	struct amount nothing = {0};

	tally_release(&u->tally, s ? &s->held : &nothing, m);
	if (s)
		drop_idle_share(u, s);
}

static int
take_change(struct quotas *q, uint64_t peer, const struct q_change *m, struct quota_time now)
{
	struct quota_user *u = get_user(q, m->user);

	if (!u)
		return -ENOMEM;
	open_row(q, u);
	release(u, find_share(u, peer), m);
	tally_change(&u->tally, m->bytes, m->files, m->since, m->moved);
	if (m->unsure)
		tally_miss(&u->tally, now.us);
	u->dirty = true;
	go_on(q, u, now);
	return 0;
}

int
quotas_take(struct quotas *q, uint64_t peer, const struct message *m, struct quota_time now)
{
	switch (m->id) {
	case MSG_Q_OPEN:
		return take_open(q, peer, &m->q_open, now);
	case MSG_Q_CLOSE:
		return take_close(q, peer, &m->q_close);
	case MSG_Q_RESERVE:
	case MSG_Q_ASK:
		return enqueue(q, peer, m, now);
	case MSG_Q_CHANGE:
		return take_change(q, peer, &m->q_change, now);
	case MSG_Q_SCANNED:
		return take_scanned(q, peer, &m->q_scanned, now);
	default:
		return -EPROTO;
	}
}

void
quotas_freed(struct quotas *q, const struct k_freed *freed)
{
	struct quota_user *u = get_user(q, freed->user);

	if (!u || (!u->tally.known && !u->tally.scanning))
		return;
	open_row(q, u);
	/* It comes by way of the monitor, so the files may have been counted without what the sweep
	 * had removed already. */
	if (tally_change(&u->tally, -(int64_t)(freed->bytes & INT64_MAX),
			 -(int64_t)(freed->files & INT64_MAX), freed->since, false))
		u->dirty = true;
}

static void
lose_share(struct quota_user *u, struct share *s, struct quota_time now)
{
	tally_lose(&u->tally, s->held, now.us);
	u->dirty = true;
	LL_DELETE(u->shares, s);
	free(s);
}

void
quotas_begin(struct quotas *q, bool alone, struct quota_time now)
{
	struct quota_user *u, *next_user;

	q->began = true;
	/* The last ledger may have gone with others, or have lost one. */
	if (!alone)
		q->lost_until = now.us + TALLY_LOST_US;
	HASH_ITER (hh, q->users, u, next_user)
		go_on(q, u, now);
}

void
quotas_lose(struct quotas *q, uint64_t peer, struct quota_time now)
{
	struct quota_user *u, *next_user;
	struct question *w;

	/* Also for users whom nobody has any more. */
	q->lost_until = now.us + TALLY_LOST_US;
	HASH_ITER (hh, q->users, u, next_user) {
		const bool was_counting = u->tally.scanning && first(u)->peer == peer;
		struct share *s = find_share(u, peer);
		if (s)
			lose_share(u, s, now);
		for (w = first(u); w; w = STAILQ_NEXT(w, link))
			if (w->peer == peer)
				w->peer = 0;
		if (was_counting)
			tally_drop_count(&u->tally);
		go_on(q, u, now);
	}
}

/* --- rows --- */

bool
quotas_dirty(const struct quotas *q)
{
	for (const struct quota_user *u = q->users; u; u = u->hh.next)
		if (u->dirty)
			return true;
	return false;
}

int
quotas_save(struct quotas *q,
	    int (*save)(void *owner, struct slice user, const struct quota_row *row))
{
	struct quota_row row;
	int r = 0;

	for (struct quota_user *u = q->users; u && r == 0; u = u->hh.next) {
		u->saving = u->dirty;
		if (!u->dirty)
			continue;
		row = tally_row(&u->tally, held(u), must_open(u));
		r = save(q->owner, name_of(u), &row);
	}
	return r;
}

void
quotas_saved(struct quotas *q, struct quota_time now)
{
	struct quota_user *u, *next;

	HASH_ITER (hh, q->users, u, next) {
		if (u->saving) {
			u->saving = u->dirty = false;
			u->opened = must_open(u);
		}
		if (!u->dirty && is_idle(u) && now.us >= u->tally.retry_at)
			free_user(q, u);
	}
}

void
quotas_rewrite(struct quotas *q)
{
	for (struct quota_user *u = q->users; u; u = u->hh.next) {
		u->opened = false;
		u->dirty = true;
	}
}

void
quotas_init(struct quotas *q, const struct quota_calls *calls, void *owner)
{
	*q = (struct quotas){.calls = calls, .owner = owner};
}

void
quotas_deinit(struct quotas *q)
{
	struct quota_user *u, *next;

	HASH_ITER (hh, q->users, u, next)
		free_user(q, u);
}
