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

/* So much is granted at once when there is little left: no upload binds what another one needs. */
#define GRANT_LEAST    (64U << 10)
#define GRANT_FRACTION 16
/* So often are the files counted when they change meanwhile. */
#define SCANS_MAX 3
/* So long somebody may still do what nobody will tell of: an agent for a worker that is gone. */
#define LOST_US 1000000
/* So many users, and questions of one, at most: whoever has more is not honest. */
#define USERS_MAX      100000
#define QUESTIONS_MAX  10000
#define NAME_MAX_BYTES 1024

struct amount {
	uint64_t bytes, files;
};

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
	struct amount tally;
	struct amount before; /* what the tally would be without the last count */
	bool known;
	bool stale;  /* changes were missed that nobody had reserved: counted whatever runs */
	bool unsure; /* it may be too low */
	bool over;   /* it may be too high */
	bool opened; /* the row on disk says that it is open */
	bool dirty, saving;
	int64_t scanned;        /* when, since 1970 */
	uint64_t scanned_until; /* the same, or 0 where that was before this process */
	struct amount lost;     /* reserved by whom nobody can ask any more */
	uint64_t lost_until;    /* then nobody does anything that he does not tell of */
	struct share *shares;

	/* The first question is the one whose session counts. */
	STAILQ_HEAD(, question) questions;
	unsigned n_questions;
	bool scanning;
	unsigned scans;
	uint64_t scan_began;
	/* Since then: something, names, what nobody knows the size of, and by how much it grew. */
	bool changed, moved, missed;
	struct amount added;
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

static uint64_t
add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t
sub(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static struct amount
add_amounts(struct amount a, struct amount b)
{
	return (struct amount){add(a.bytes, b.bytes), add(a.files, b.files)};
}

static struct amount
higher(struct amount a, struct amount b)
{
	return (struct amount){a.bytes > b.bytes ? a.bytes : b.bytes,
			       a.files > b.files ? a.files : b.files};
}

static struct amount
lower(struct amount a, struct amount b)
{
	return (struct amount){a.bytes < b.bytes ? a.bytes : b.bytes,
			       a.files < b.files ? a.files : b.files};
}

static bool
is_something(struct amount a)
{
	return a.bytes || a.files;
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
		u->tally = (struct amount){row.bytes, row.files};
		u->scanned = row.scanned;
		u->known = row.scanned != 0;
		u->stale = u->unsure = u->opened = row.open;
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
	if (s->sessions || is_something(s->held))
		return;
	LL_DELETE(u->shares, s);
	free(s);
}

/* What is reserved in all. */
static struct amount
reserved(const struct quota_user *u)
{
	struct amount sum = u->lost;
	const struct share *s;

	LL_FOREACH(u->shares, s)
	sum = add_amounts(sum, s->held);
	return sum;
}

/* Whether an upload runs, as far as anybody tells. */
static bool
uploads(const struct quota_user *u)
{
	const struct share *s;

	LL_FOREACH(u->shares, s)
	if (is_something(s->held))
		return true;
	return false;
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
	return !is_idle(u) || u->unsure || u->over;
}

static void
fill_row(const struct quota_user *u, struct quota_row *row)
{
	const struct amount r = reserved(u);

	*row = (struct quota_row){.bytes = u->tally.bytes,
				  .files = u->tally.files,
				  .reserved_bytes = r.bytes,
				  .reserved_files = r.files,
				  .scanned = u->known ? u->scanned : 0,
				  .open = must_open(u)};
}

/* Before the first change. */
static int
open_row(struct quotas *q, struct quota_user *u)
{
	struct quota_row row;

	if (u->opened)
		return 0;
	fill_row(u, &row);
	row.open = true;
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

/* How many bytes may be had of what is wanted; 0 with *error set for none. */
static uint64_t
grant(const struct quota_user *u, const struct q_reserve *want, int *error)
{
	const struct amount bound = add_amounts(u->tally, reserved(u));
	const uint64_t left = sub(want->limit_bytes, bound.bytes);
	uint64_t bytes = want->bytes > want->least ? want->bytes : want->least;

	*error = -EDQUOT;
	if (want->limit_files != UINT64_MAX && !want->force && want->files &&
	    add(bound.files, want->files) > want->limit_files)
		return 0;
	if (want->limit_bytes != UINT64_MAX) {
		const uint64_t part = left / GRANT_FRACTION;
		const uint64_t most = part > GRANT_LEAST ? part : GRANT_LEAST;
		bytes = bytes < most ? bytes : most;
		bytes = bytes < left ? bytes : left;
		bytes = bytes > want->least ? bytes : want->least;
		if (bytes > left)
			return 0;
	}
	*error = 0;
	return bytes;
}

static void
answer_reserve(struct quotas *q, struct quota_user *u, uint64_t peer, const struct q_reserve *want)
{
	struct share *s = get_share(u, peer);
	int error = s ? open_row(q, u) : -ENOMEM;
	uint64_t bytes = error == 0 ? grant(u, want, &error) : 0;

	if (error == 0) {
		s->held = add_amounts(s->held, (struct amount){bytes, want->files});
		u->dirty = true;
	} else if (s) {
		drop_idle_share(u, s);
	}
	say_reserved(q, peer, want->id, error, bytes);
}

static void
answer_ask(struct quotas *q, const struct quota_user *u, uint64_t peer, const struct q_ask *ask)
{
	const struct amount r = reserved(u);
	struct message m = {.id = MSG_Q_TOLD, .fd = -1};

	m.q_told = (struct q_told){ask->id, 0, u->tally.bytes, u->tally.files, r.bytes, r.files};
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
	int error = 0;

	if (!w->is_ask)
		grant(u, &w->reserve, &error);
	return w->is_ask || error;
}

/* Whether his files are counted before that question is answered. */
static bool
must_scan(const struct quota_user *u, const struct question *w)
{
	if (!u->known || u->stale)
		return true;
	return !uploads(u) && (u->unsure || (u->over && wants_exact(u, w)));
}

static void
send_scan(struct quotas *q, struct quota_user *u, struct quota_time now)
{
	struct message m = {.id = MSG_Q_SCAN, .fd = -1};

	u->scanning = true;
	u->scan_began = now.us;
	u->changed = u->moved = u->missed = false;
	u->added = (struct amount){0};
	u->scans++;
	m.q_scan.id = id_of(first(u));
	q->calls->send(q->owner, first(u)->peer, &m);
}

/* Answers the questions in their order, as far as that is possible without counting. */
static void
go_on(struct quotas *q, struct quota_user *u, struct quota_time now)
{
	while (q->began && first(u) && !u->scanning) {
		const struct question *w = first(u);
		if (w->peer == 0) {
			drop_first(u);
			continue;
		}
		if (must_scan(u, w)) {
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
 * his uploads for good: what was known goes on to be until it is time to count again.  Where
 * nothing is known, there is an error.
 */
static void
take_failure(struct quotas *q, struct quota_user *u, int error, struct quota_time now)
{
	LOG(WARNING, "a user's files cannot be counted", LOG_BYTES("user", name_of(u)),
	    LOG_ERRNO(error));
	u->scanning = false;
	if (u->known) {
		u->unsure = u->missed;
		u->over = u->stale = false;
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
	u->scanning = false;
	answer_error(q, first(u), -EIO);
	drop_first(u);
	go_on(q, u, now);
}

/* Takes what a count has found for the tally, with what may not be in it. */
static void
take_count(struct quotas *q, struct quota_user *u, const struct q_scanned *m, struct quota_time now)
{
	const bool settled = u->scan_began >= u->lost_until && u->scan_began >= q->lost_until;

	u->before = u->known ? add_amounts(u->tally, u->lost) : (struct amount){0};
	/* Where they never stop to change, what was added counts twice rather than not at all. */
	u->tally = add_amounts((struct amount){m->bytes, m->files}, u->added);
	if (u->moved || !settled)
		u->tally = higher(u->tally, u->before);
	u->lost = (struct amount){0};
	u->unsure = u->missed || !settled;
	u->over = u->changed || uploads(u);
	u->stale = u->scanning = false;
	u->known = u->dirty = true;
	u->scanned = now.wall;
	u->scanned_until = m->until;
	LOG(DEBUG, "a user's files were counted", LOG_BYTES("user", name_of(u)),
	    LOG_NUM("bytes", u->tally.bytes), LOG_NUM("files", u->tally.files));
}

static int
take_scanned(struct quotas *q, uint64_t peer, const struct q_scanned *m, struct quota_time now)
{
	struct quota_user *u = get_user(q, m->user);

	if (!u || !u->scanning || first(u)->peer != peer || id_of(first(u)) != m->id)
		return 0; /* nobody waits for it any more */
	if (m->error == ECANCELED) {
		pass_count_on(q, u, now);
		return 0;
	}
	if (m->error) {
		take_failure(q, u, -(int)(m->error & 0xfff), now);
		return 0;
	}
	take_count(q, u, m, now);
	if (u->scans < SCANS_MAX && (u->missed || (u->changed && wants_exact(u, first(u))))) {
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
	s->held = add_amounts(s->held, (struct amount){m->bytes, m->files});
	u->dirty = true;
	if (now.wall - u->scanned >= (int64_t)(m->rescan * 1000))
		u->unsure = true;
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

/* Adds a difference to what is there; false where that would be less than nothing. */
static bool
apply(uint64_t *to, int64_t difference)
{
	const uint64_t size = difference < 0 ? -(uint64_t)difference : (uint64_t)difference;
	const bool fits = difference >= 0 || size <= *to;

	*to = difference < 0 ? sub(*to, size) : add(*to, size);
	return fits;
}

static bool
apply_both(struct amount *to, int64_t bytes, int64_t files)
{
	const bool fits_bytes = apply(&to->bytes, bytes);
	const bool fits_files = apply(&to->files, files);

	return fits_bytes && fits_files;
}

static int64_t
what_grows(int64_t difference)
{
	return difference > 0 ? difference : 0;
}

/* A change that was made since then, or names that have. */
static void
take_difference(struct quota_user *u, int64_t bytes, int64_t files, uint64_t since, bool moved)
{
	if (!bytes && !files && !moved)
		return;
	if (u->scanning) {
		u->changed = true;
		u->moved = u->moved || moved;
		u->added = add_amounts(u->added, (struct amount){(uint64_t)what_grows(bytes),
								 (uint64_t)what_grows(files)});
	}
	if (!u->known)
		return;
	u->dirty = true;
	apply_both(&u->before, bytes, files);
	if (since > u->scanned_until) {
		if (!apply_both(&u->tally, bytes, files))
			u->unsure = true;
		return;
	}
	/* What the last count may have seen, or not. */
	apply_both(&u->tally, what_grows(bytes), what_grows(files));
	if (moved)
		u->tally = higher(u->tally, u->before);
	u->over = true;
}

/* Nobody knows by how much his files have changed, or still will. */
static void
miss(struct quota_user *u, struct quota_time now)
{
	u->unsure = u->missed = u->changed = u->dirty = true;
	u->lost_until = now.us + LOST_US;
}

/* Of what a worker had reserved so much is free again. */
static void
release(struct quota_user *u, struct share *s, const struct q_change *m)
{
	const struct amount told = {(uint64_t)what_grows(m->bytes), 0};
	const struct amount wanted = {m->release_bytes, m->release_files};
	const struct amount free = s ? lower(wanted, s->held) : (struct amount){0};

	/* What was reserved at a process before this one, and was not told. */
	if (free.bytes < wanted.bytes || free.files < wanted.files)
		u->unsure = true;
	if (!s)
		return;
	s->held.bytes -= free.bytes;
	s->held.files -= free.files;
	if (m->unsure)
		u->lost = add_amounts(u->lost,
				      (struct amount){sub(free.bytes, told.bytes), free.files});
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
	take_difference(u, m->bytes, m->files, m->since, m->moved);
	if (m->unsure)
		miss(u, now);
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

	if (!u || (!u->known && !u->scanning))
		return;
	open_row(q, u);
	/* It comes by way of the monitor, so the files may have been counted without what the sweep
	 * had removed already. */
	take_difference(u, -(int64_t)(freed->bytes & INT64_MAX),
			-(int64_t)(freed->files & INT64_MAX), freed->since, false);
}

static void
lose_share(struct quota_user *u, struct share *s, struct quota_time now)
{
	u->lost = add_amounts(u->lost, s->held);
	miss(u, now);
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
		q->lost_until = now.us + LOST_US;
	HASH_ITER (hh, q->users, u, next_user)
		go_on(q, u, now);
}

void
quotas_lose(struct quotas *q, uint64_t peer, struct quota_time now)
{
	struct quota_user *u, *next_user;
	struct question *w;

	/* Also for users whom nobody has any more. */
	q->lost_until = now.us + LOST_US;
	HASH_ITER (hh, q->users, u, next_user) {
		const bool was_counting = u->scanning && first(u)->peer == peer;
		struct share *s = find_share(u, peer);
		if (s)
			lose_share(u, s, now);
		for (w = first(u); w; w = STAILQ_NEXT(w, link))
			if (w->peer == peer)
				w->peer = 0;
		if (was_counting)
			u->scanning = false;
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
		fill_row(u, &row);
		r = save(q->owner, name_of(u), &row);
	}
	return r;
}

void
quotas_saved(struct quotas *q)
{
	struct quota_user *u, *next;

	HASH_ITER (hh, q->users, u, next) {
		if (u->saving) {
			u->saving = u->dirty = false;
			u->opened = must_open(u);
		}
		if (!u->dirty && is_idle(u))
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
