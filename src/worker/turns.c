/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Turns at costly steps; see turns.h. */
#include <limits.h>

#include "turns.h"

/* How soon it is looked again whether transfers want all of the time still. */
#define LOOK_MS 1

static void
on_prepare(uv_prepare_t *prepare)
{
	struct turns *ts = prepare->data;

	ts->left = ts->budget;
	share_look(&ts->share, uv_hrtime(), *ts->moved);
}

static void
on_idle(uv_idle_t *idle)
{
	(void)idle;
}

static void
on_timer(uv_timer_t *timer)
{
	(void)timer;
}

/*
 * The loop must not sleep while somebody waits who may come next.  Where newcomers have had their
 * share it may: transfers wake it, and a loop that spins beside them moves less a call.
 */
static void
set_pace(struct turns *ts)
{
	bool waits = !TAILQ_EMPTY(&ts->behind);

	if (!TAILQ_EMPTY(&ts->ahead) || (waits && share_allows(&ts->share, *ts->moved)))
		uv_idle_start(&ts->idle, on_idle);
	else
		uv_idle_stop(&ts->idle);
	if (!waits)
		uv_timer_stop(&ts->timer);
	else if (!uv_is_active((uv_handle_t *)&ts->timer))
		uv_timer_start(&ts->timer, on_timer, LOOK_MS, LOOK_MS);
}

static void
let_ahead(struct turns *ts)
{
	struct turn *t;

	while (ts->left > 0 && (t = TAILQ_FIRST(&ts->ahead))) {
		ts->left--;
		turns_leave(ts, t);
		t->run(t->owner);
	}
}

static void
let_behind(struct turns *ts, unsigned most)
{
	struct turn *t;

	for (; most > 0 && ts->left > 0 && (t = TAILQ_FIRST(&ts->behind)); most--) {
		if (!share_allows(&ts->share, *ts->moved))
			return;
		ts->left--;
		turns_leave(ts, t);
		uint64_t begin = uv_hrtime();
		t->run(t->owner);
		share_spend(&ts->share, *ts->moved, uv_hrtime() - begin);
	}
}

/* What of this turn's budget was not used goes to those who wait. */
static void
on_check(uv_check_t *check)
{
	struct turns *ts = check->data;

	let_behind(ts, 1);
	let_ahead(ts);
	let_behind(ts, UINT_MAX);
	set_pace(ts);
}

int
turns_init(struct turns *ts, uv_loop_t *loop, unsigned budget, const uint64_t *moved)
{
	int r = uv_prepare_init(loop, &ts->prepare);

	if (r == 0)
		r = uv_check_init(loop, &ts->check);
	if (r == 0)
		r = uv_idle_init(loop, &ts->idle);
	if (r == 0)
		r = uv_timer_init(loop, &ts->timer);
	ts->prepare.data = ts->check.data = ts;
	TAILQ_INIT(&ts->ahead);
	TAILQ_INIT(&ts->behind);
	ts->budget = ts->left = budget;
	ts->share = (struct share){0};
	ts->moved = moved;
	return r;
}

void
turns_close(struct turns *ts)
{
	uv_close((uv_handle_t *)&ts->prepare, NULL);
	uv_close((uv_handle_t *)&ts->check, NULL);
	uv_close((uv_handle_t *)&ts->idle, NULL);
	uv_close((uv_handle_t *)&ts->timer, NULL);
}

bool
turns_take(struct turns *ts, struct turn *t, bool ahead)
{
	struct turn_list *line = ahead ? &ts->ahead : &ts->behind;

	/* Counting begins with the first who needs it. */
	if (!uv_is_active((uv_handle_t *)&ts->prepare)) {
		uv_prepare_start(&ts->prepare, on_prepare);
		uv_check_start(&ts->check, on_check);
	}
	unsigned kept = TAILQ_EMPTY(&ts->behind) ? 0 : 1;
	/* Where there are transfers it is to be known what the step of a newcomer costs. */
	bool at_once = ahead || !ts->share.beside;
	if (at_once && TAILQ_EMPTY(line) && ts->left > kept) {
		ts->left--;
		return true;
	}
	t->waits = true;
	t->ahead = ahead;
	TAILQ_INSERT_TAIL(line, t, link);
	set_pace(ts);
	return false;
}

void
turns_leave(struct turns *ts, struct turn *t)
{
	if (!t->waits)
		return;
	t->waits = false;
	TAILQ_REMOVE(t->ahead ? &ts->ahead : &ts->behind, t, link);
	set_pace(ts);
}
