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
/* A change that is told so soon after a scan, by another worker than the one that scanned, may be
 * counted in it. */
#define OVERLAP_MS 300
/* So many users, and questions of one, at most: whoever has more is not honest. */
#define USERS_MAX      100000
#define QUESTIONS_MAX  10000
#define NAME_MAX_BYTES 1024

/* What one worker has of a user. */
struct share {
	uint64_t peer;
	unsigned sessions;
	uint64_t bytes, files; /* reserved */
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
	uint64_t bytes, files;
	bool known;
	bool unsure;
	bool doubtful; /* others had sessions while the files were counted */
	bool opened;   /* the row on disk says that it is open */
	bool dirty, saving;
	int64_t scanned;
	uint64_t lost_bytes, lost_files; /* reserved by whom nobody can ask any more */
	struct share *shares;

	/* The first question is the one whose session counts. */
	STAILQ_HEAD(, question) questions;
	unsigned n_questions;
	bool scanning;
	unsigned scans;
	bool changed; /* since the scan began */
	uint64_t added_bytes, added_files;
	uint64_t scanned_by; /* the peer of the last scan */
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
		u->bytes = row.bytes;
		u->files = row.files;
		u->scanned = row.scanned;
		u->known = row.scanned != 0;
		u->unsure = row.open;
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
	if (s->sessions || s->bytes || s->files)
		return;
	LL_DELETE(u->shares, s);
	free(s);
}

/* What is reserved in all. */
static struct amount {
	uint64_t bytes, files;
} reserved(const struct quota_user *u)
{
	struct amount sum = {u->lost_bytes, u->lost_files};
	const struct share *s;

	LL_FOREACH(u->shares, s)
	{
		sum.bytes = add(sum.bytes, s->bytes);
		sum.files = add(sum.files, s->files);
	}
	return sum;
}

/* Whether an upload runs, as far as anybody tells. */
static bool
uploads(const struct quota_user *u)
{
	const struct share *s;

	LL_FOREACH(u->shares, s)
	if (s->bytes || s->files)
		return true;
	return false;
}

static unsigned
sessions(const struct quota_user *u)
{
	const struct share *s;
	unsigned n = 0;

	LL_FOREACH(u->shares, s)
	n += s->sessions;
	return n;
}

static bool
is_idle(const struct quota_user *u)
{
	return !u->shares && !first(u);
}

static void
fill_row(const struct quota_user *u, struct quota_row *row)
{
	const struct amount r = reserved(u);

	*row = (struct quota_row){.bytes = u->bytes,
				  .files = u->files,
				  .reserved_bytes = r.bytes,
				  .reserved_files = r.files,
				  .scanned = u->known ? u->scanned : 0,
				  .open = !is_idle(u) || u->unsure || u->doubtful};
}

/* Before the first change: from now on the row on disk does not claim to be right. */
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
	const struct amount bound = reserved(u);
	const uint64_t files = add(u->files, bound.files);
	const uint64_t left = sub(want->limit_bytes, add(u->bytes, bound.bytes));
	uint64_t bytes = want->bytes > want->least ? want->bytes : want->least;

	*error = -EDQUOT;
	if (want->limit_files != UINT64_MAX && !want->force && want->files &&
	    add(files, want->files) > want->limit_files)
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
		s->bytes = add(s->bytes, bytes);
		s->files = add(s->files, want->files);
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

	m.q_told = (struct q_told){ask->id, 0, u->bytes, u->files, r.bytes, r.files};
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

/*
 * What a session does while another one's agent counts, it may tell later: only who is alone gets a
 * number that is right for sure.
 */
static bool
must_scan(const struct quota_user *u)
{
	if (!u->known)
		return true;
	return (u->unsure || (u->doubtful && sessions(u) == 1)) && !uploads(u);
}

static void
send_scan(struct quotas *q, struct quota_user *u)
{
	struct message m = {.id = MSG_Q_SCAN, .fd = -1};

	u->scanning = true;
	u->changed = false;
	u->added_bytes = u->added_files = 0;
	u->scans++;
	m.q_scan.id = id_of(first(u));
	q->calls->send(q->owner, first(u)->peer, &m);
}

/* Answers the questions in their order, as far as that is possible without counting. */
static void
go_on(struct quotas *q, struct quota_user *u)
{
	while (first(u) && !u->scanning) {
		const struct question *w = first(u);
		if (w->peer == 0) {
			drop_first(u);
			continue;
		}
		if (must_scan(u)) {
			u->scans = 0;
			send_scan(q, u);
			return;
		}
		answer_first(q, u);
	}
}

static int
enqueue(struct quotas *q, uint64_t peer, const struct message *m)
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
	go_on(q, u);
	return 0;
}

/* The one that was to count can't: the next one tries. */
static void
pass_scan_on(struct quotas *q, struct quota_user *u)
{
	u->scanning = false;
	go_on(q, u);
}

/*
 * A tree that was made so that it can't be counted, or takes too long, must not keep its user from
 * his uploads for good: what was known goes on to be, with all that may have been lost of it, until
 * it is time to count again.  Where nothing is known, there is an error.
 */
static void
take_failure(struct quotas *q, struct quota_user *u, int error)
{
	LOG(WARNING, "a user's files cannot be counted", LOG_BYTES("user", name_of(u)),
	    LOG_ERRNO(error));
	if (!u->known) {
		answer_error(q, first(u), error);
		drop_first(u);
		pass_scan_on(q, u);
		return;
	}
	u->unsure = u->doubtful = u->scanning = false;
	u->dirty = true;
	answer_first(q, u);
	go_on(q, u);
}

static int
take_scanned(struct quotas *q, uint64_t peer, const struct q_scanned *m, int64_t now)
{
	struct quota_user *u = get_user(q, m->user);

	if (!u || !u->scanning || first(u)->peer != peer || id_of(first(u)) != m->id)
		return 0; /* nobody waits for it any more */
	if (m->error) {
		take_failure(q, u, -(int)(m->error & 0xfff));
		return 0;
	}
	if (u->changed && u->scans < SCANS_MAX) {
		send_scan(q, u);
		return 0;
	}
	/* Where they never stop to change, what was added counts twice rather than not at all. */
	u->bytes = add(m->bytes, u->added_bytes);
	u->files = add(m->files, u->added_files);
	u->known = true;
	u->unsure = u->changed;
	u->doubtful = sessions(u) > 1;
	u->scanned = now;
	u->scanned_by = peer;
	u->lost_bytes = u->lost_files = 0;
	u->dirty = true;
	u->scanning = false;
	LOG(DEBUG, "a user's files were counted", LOG_BYTES("user", m->user),
	    LOG_NUM("bytes", u->bytes), LOG_NUM("files", u->files));
	/* One of them is answered in any case, however often they change. */
	answer_first(q, u);
	go_on(q, u);
	return 0;
}

/* --- sessions and changes --- */

static int
take_open(struct quotas *q, uint64_t peer, const struct q_open *m, bool again, int64_t now)
{
	struct quota_user *u = get_user(q, m->user);
	struct share *s = u ? get_share(u, peer) : NULL;

	if (!s)
		return -ENOMEM;
	s->sessions++;
	u->dirty = true;
	if (again || now - u->scanned >= (int64_t)(m->rescan * 1000))
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

static void
apply_change(struct quota_user *u, int64_t bytes, int64_t files, bool overlaps)
{
	if (u->scanning && (bytes || files)) {
		u->changed = true;
		u->added_bytes = add(u->added_bytes, bytes > 0 ? (uint64_t)bytes : 0);
		u->added_files = add(u->added_files, files > 0 ? (uint64_t)files : 0);
	}
	if (!u->known)
		return;
	/* What a scan may have seen: rather twice than not at all. */
	if (overlaps && (bytes || files))
		u->unsure = true;
	const bool fits_bytes = apply(&u->bytes, overlaps && bytes < 0 ? 0 : bytes);
	const bool fits_files = apply(&u->files, overlaps && files < 0 ? 0 : files);
	if (!fits_bytes || !fits_files)
		u->unsure = true;
	u->dirty = true;
}

static int
take_change(struct quotas *q, uint64_t peer, const struct q_change *m, int64_t now)
{
	struct quota_user *u = get_user(q, m->user);
	struct share *s = u ? find_share(u, peer) : NULL;
	const bool releases = m->release_bytes || m->release_files;

	if (!u)
		return -ENOMEM;
	open_row(q, u);
	/* Of a reservation that a process before this one made. */
	if (m->unsure ||
	    (releases && (!s || m->release_bytes > s->bytes || m->release_files > s->files)))
		u->unsure = true;
	if (s) {
		const uint64_t bytes = m->release_bytes < s->bytes ? m->release_bytes : s->bytes;
		const uint64_t files = m->release_files < s->files ? m->release_files : s->files;
		s->bytes -= bytes;
		s->files -= files;
		if (m->unsure) {
			const uint64_t told = m->bytes > 0 ? (uint64_t)m->bytes : 0;
			u->lost_bytes = add(u->lost_bytes, sub(bytes, told));
			u->lost_files = add(u->lost_files, files);
		}
		drop_idle_share(u, s);
	}
	apply_change(u, m->bytes, m->files,
		     !releases && u->scanned_by != peer && now - u->scanned < OVERLAP_MS &&
			     now >= u->scanned && u->scanned_by != 0);
	u->dirty = true;
	go_on(q, u);
	return 0;
}

int
quotas_take(struct quotas *q, uint64_t peer, const struct message *m, bool again, int64_t now)
{
	switch (m->id) {
	case MSG_Q_OPEN:
		return take_open(q, peer, &m->q_open, again, now);
	case MSG_Q_CLOSE:
		return take_close(q, peer, &m->q_close);
	case MSG_Q_RESERVE:
	case MSG_Q_ASK:
		return enqueue(q, peer, m);
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
	apply_change(u, -(int64_t)(freed->bytes & INT64_MAX), -(int64_t)(freed->files & INT64_MAX),
		     u->scanned < 0 || (uint64_t)u->scanned >= freed->since);
}

static void
lose_share(struct quota_user *u, struct share *s)
{
	u->lost_bytes = add(u->lost_bytes, s->bytes);
	u->lost_files = add(u->lost_files, s->files);
	u->unsure = u->dirty = true;
	LL_DELETE(u->shares, s);
	free(s);
}

void
quotas_lose(struct quotas *q, uint64_t peer)
{
	struct quota_user *u, *next_user;
	struct question *w;

	HASH_ITER (hh, q->users, u, next_user) {
		const bool was_counting = u->scanning && first(u)->peer == peer;
		struct share *s = find_share(u, peer);
		if (s)
			lose_share(u, s);
		for (w = first(u); w; w = STAILQ_NEXT(w, link))
			if (w->peer == peer)
				w->peer = 0;
		if (was_counting)
			u->scanning = false;
		go_on(q, u);
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
			u->opened = !is_idle(u) || u->unsure || u->doubtful;
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
