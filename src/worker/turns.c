/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Turns at costly steps; see turns.h. */
#include "turns.h"

static void
on_prepare(uv_prepare_t *prepare)
{
	struct turns *ts = prepare->data;

	ts->left = ts->budget;
}

static void
on_idle(uv_idle_t *idle)
{
	(void)idle;
}

/* What of this turn's budget was not used goes to those who wait. */
static void
on_check(uv_check_t *check)
{
	struct turns *ts = check->data;
	struct turn *t;

	while (ts->left > 0 && (t = TAILQ_FIRST(&ts->waiting))) {
		ts->left--;
		turns_leave(ts, t);
		t->run(t->owner);
	}
}

int
turns_init(struct turns *ts, uv_loop_t *loop, unsigned budget)
{
	int r = uv_prepare_init(loop, &ts->prepare);

	if (r == 0)
		r = uv_check_init(loop, &ts->check);
	if (r == 0)
		r = uv_idle_init(loop, &ts->idle);
	ts->prepare.data = ts->check.data = ts->idle.data = ts;
	TAILQ_INIT(&ts->waiting);
	ts->budget = ts->left = budget;
	return r;
}

void
turns_close(struct turns *ts)
{
	uv_close((uv_handle_t *)&ts->prepare, NULL);
	uv_close((uv_handle_t *)&ts->check, NULL);
	uv_close((uv_handle_t *)&ts->idle, NULL);
}

bool
turns_take(struct turns *ts, struct turn *t, bool ahead)
{
	/* Counting begins with the first who needs it. */
	if (!uv_is_active((uv_handle_t *)&ts->prepare)) {
		uv_prepare_start(&ts->prepare, on_prepare);
		uv_check_start(&ts->check, on_check);
	}
	if (ts->left > 0 && (ahead || TAILQ_EMPTY(&ts->waiting))) {
		ts->left--;
		return true;
	}
	t->waits = true;
	if (ahead)
		TAILQ_INSERT_HEAD(&ts->waiting, t, link);
	else
		TAILQ_INSERT_TAIL(&ts->waiting, t, link);
	uv_idle_start(&ts->idle, on_idle);
	return false;
}

void
turns_leave(struct turns *ts, struct turn *t)
{
	if (!t->waits)
		return;
	t->waits = false;
	TAILQ_REMOVE(&ts->waiting, t, link);
	if (TAILQ_EMPTY(&ts->waiting))
		uv_idle_stop(&ts->idle);
}
