/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A heap of times; see deadlines.h. */
#include <errno.h>
#include <stdlib.h>

#include "deadlines.h"

static void on_timer(uv_timer_t *timer);

/* The timer is moved only to an earlier time: one that fires too soon finds nothing to do. */
static void
arm(struct deadlines *ds)
{
	uint64_t now = uv_now(ds->timer.loop);

	if (ds->n == 0 || ds->heap[0]->at == DEADLINE_NEVER)
		return;
	uint64_t in = ds->heap[0]->at > now ? ds->heap[0]->at - now : 0;
	if (!uv_is_active((uv_handle_t *)&ds->timer) || uv_timer_get_due_in(&ds->timer) > in)
		uv_timer_start(&ds->timer, on_timer, in, 0);
}

static void
put(struct deadlines *ds, struct deadline *d, size_t place)
{
	ds->heap[place] = d;
	d->place = place;
}

/* Moves it to where its time belongs, from where it is. */
static void
settle(struct deadlines *ds, struct deadline *d)
{
	size_t place = d->place;

	for (size_t up; place > 0 && ds->heap[up = (place - 1) / 2]->at > d->at; place = up)
		put(ds, ds->heap[up], place);
	for (size_t down; (down = 2 * place + 1) < ds->n; place = down) {
		if (down + 1 < ds->n && ds->heap[down + 1]->at < ds->heap[down]->at)
			down++;
		if (ds->heap[down]->at >= d->at)
			break;
		put(ds, ds->heap[down], place);
	}
	put(ds, d, place);
}

static void
on_timer(uv_timer_t *timer)
{
	struct deadlines *ds = timer->data;
	uint64_t now = uv_now(timer->loop);

	while (ds->n > 0 && ds->heap[0]->at <= now) {
		struct deadline *d = ds->heap[0];
		d->at = DEADLINE_NEVER;
		settle(ds, d);
		ds->run(d);
	}
	arm(ds);
}

void
deadlines_init(struct deadlines *ds, uv_loop_t *loop, void (*run)(struct deadline *d))
{
	*ds = (struct deadlines){.run = run};
	uv_timer_init(loop, &ds->timer);
	ds->timer.data = ds;
}

void
deadlines_close(struct deadlines *ds)
{
	uv_close((uv_handle_t *)&ds->timer, NULL);
}

void
deadlines_deinit(struct deadlines *ds)
{
	free(ds->heap);
	ds->heap = NULL;
	ds->n = ds->room = 0;
}

int
deadlines_add(struct deadlines *ds, struct deadline *d)
{
	if (ds->n == ds->room) {
		size_t room = ds->room ? ds->room * 2 : 64;
		struct deadline **heap = reallocarray(ds->heap, room, sizeof(struct deadline *));
		if (!heap)
			return -ENOMEM;
		ds->heap = heap;
		ds->room = room;
	}
	d->at = DEADLINE_NEVER;
	put(ds, d, ds->n++);
	return 0;
}

void
deadlines_set(struct deadlines *ds, struct deadline *d, uint64_t at)
{
	d->at = at;
	settle(ds, d);
	arm(ds);
}

void
deadlines_remove(struct deadlines *ds, struct deadline *d)
{
	struct deadline *last = ds->heap[--ds->n];

	if (last == d)
		return;
	put(ds, last, d->place);
	settle(ds, last);
}
