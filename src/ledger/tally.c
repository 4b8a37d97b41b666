/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The tally of one user; see tally.h. */
#include "tally.h"

/* So much is granted at once when there is little left: no upload binds what another one needs. */
#define GRANT_LEAST    (64U << 10)
#define GRANT_FRACTION 16

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

struct amount
amount_add(struct amount a, struct amount b)
{
	return (struct amount){add(a.bytes, b.bytes), add(a.files, b.files)};
}

bool
amount_is_something(struct amount a)
{
	return a.bytes || a.files;
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

/* --- rows and reservations --- */

void
tally_load(struct tally *t, const struct quota_row *row)
{
	t->used = (struct amount){row->bytes, row->files};
	t->scanned = row->scanned;
	t->known = row->scanned > 0;
	t->stale = t->unsure = row->open;
}

struct quota_row
tally_row(const struct tally *t, struct amount held, bool open)
{
	const struct amount r = tally_reserved(t, held);

	return (struct quota_row){.bytes = t->used.bytes,
				  .files = t->used.files,
				  .reserved_bytes = r.bytes,
				  .reserved_files = r.files,
				  .scanned = t->known ? t->scanned : 0,
				  .open = open};
}

struct amount
tally_reserved(const struct tally *t, struct amount held)
{
	return amount_add(t->lost, held);
}

bool
tally_grant(const struct tally *t, struct amount held, const struct q_reserve *want,
	    uint64_t *bytes)
{
	const struct amount bound = amount_add(t->used, tally_reserved(t, held));
	const uint64_t left = sub(want->limit_bytes, bound.bytes);
	uint64_t n = want->bytes > want->least ? want->bytes : want->least;

	*bytes = 0;
	if (want->limit_files != UINT64_MAX && !want->force && want->files &&
	    add(bound.files, want->files) > want->limit_files)
		return false;
	if (want->limit_bytes != UINT64_MAX) {
		const uint64_t part = left / GRANT_FRACTION;
		const uint64_t most = part > GRANT_LEAST ? part : GRANT_LEAST;
		n = n < most ? n : most;
		n = n < left ? n : left;
		n = n > want->least ? n : want->least;
		if (n > left)
			return false;
	}
	*bytes = n;
	return true;
}

/* --- counts --- */

bool
tally_is_doubtful(const struct tally *t)
{
	return t->unsure || t->over;
}

bool
tally_wants_count(const struct tally *t, struct amount held, bool exact, uint64_t us)
{
	if (!t->known)
		return true;
	if (us < t->retry_at)
		return false;
	if (t->stale)
		return true;
	return !amount_is_something(held) && (t->unsure || (t->over && exact));
}

void
tally_begin_count(struct tally *t, uint64_t us)
{
	t->scanning = true;
	t->scan_began = us;
	t->changed = t->moved = t->missed = false;
	t->added = (struct amount){0};
}

/* Whether nobody did anything any more that he did not tell of when the count began. */
static bool
is_settled(const struct tally *t, uint64_t lost_until)
{
	return t->scan_began >= t->lost_until && t->scan_began >= lost_until;
}

void
tally_drop_count(struct tally *t)
{
	t->scanning = false;
}

bool
tally_fail_count(struct tally *t, uint64_t us, uint64_t lost_until)
{
	t->scanning = false;
	t->retry_at = t->missed || !is_settled(t, lost_until) ? 0 : us + TALLY_RETRY_US;
	return t->known;
}

void
tally_take_count(struct tally *t, struct amount held, const struct q_scanned *found, int64_t wall,
		 uint64_t lost_until)
{
	const bool settled = is_settled(t, lost_until);

	t->before = t->known ? amount_add(t->used, t->lost) : (struct amount){0};
	/* Where they never stop to change, what was added counts twice rather than not at all. */
	t->used = amount_add((struct amount){found->bytes, found->files}, t->added);
	if (t->moved || !settled)
		t->used = higher(t->used, t->before);
	t->lost = (struct amount){0};
	t->unsure = t->missed || !settled;
	t->over = t->changed || amount_is_something(held);
	t->stale = t->scanning = false;
	t->known = true;
	t->retry_at = 0;
	t->scanned = wall;
	t->scanned_until = found->until;
}

bool
tally_wants_another(const struct tally *t, bool exact)
{
	return t->missed || (t->changed && exact);
}

/* --- changes --- */

void
tally_age(struct tally *t, uint64_t rescan, int64_t wall)
{
	if (wall < t->scanned || ((uint64_t)wall - (uint64_t)t->scanned) / 1000 >= rescan)
		t->unsure = true;
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

bool
tally_change(struct tally *t, int64_t bytes, int64_t files, uint64_t since, bool moved)
{
	if (!bytes && !files && !moved)
		return false;
	if (t->scanning) {
		t->changed = true;
		t->moved = t->moved || moved;
		t->added = amount_add(t->added, (struct amount){(uint64_t)what_grows(bytes),
								(uint64_t)what_grows(files)});
	}
	if (!t->known)
		return false;
	apply_both(&t->before, bytes, files);
	if (since > t->scanned_until) {
		if (!apply_both(&t->used, bytes, files))
			t->unsure = true;
		return true;
	}
	/* What the last count may have seen, or not. */
	apply_both(&t->used, what_grows(bytes), what_grows(files));
	if (moved)
		t->used = higher(t->used, t->before);
	t->over = true;
	return true;
}

void
tally_release(struct tally *t, struct amount *held, const struct q_change *change)
{
	const struct amount told = {(uint64_t)what_grows(change->bytes),
				    (uint64_t)what_grows(change->files)};
	const struct amount wanted = {change->release_bytes, change->release_files};
	const struct amount free = lower(wanted, *held);

	/* What was reserved at a process before this one, and was not told. */
	if (free.bytes < wanted.bytes || free.files < wanted.files)
		t->unsure = true;
	held->bytes -= free.bytes;
	held->files -= free.files;
	if (change->unsure)
		t->lost = amount_add(t->lost, (struct amount){sub(free.bytes, told.bytes),
							      sub(free.files, told.files)});
}

void
tally_miss(struct tally *t, uint64_t us)
{
	t->unsure = t->missed = t->changed = true;
	t->lost_until = us + TALLY_LOST_US;
}

void
tally_lose(struct tally *t, struct amount held, uint64_t us)
{
	t->lost = amount_add(t->lost, held);
	tally_miss(t, us);
}
