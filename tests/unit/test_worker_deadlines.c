/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Deadlines come in the order of their times, whatever was set, moved and removed before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deadlines.h"

#define MANY 500

static uv_loop_t loop;
static struct deadlines all;

struct thing {
	struct deadline deadline;
	uint64_t wanted, came; /* ms behind the start; came: when, and 0 before */
	unsigned order, again; /* again: how often it sets itself once more */
};

static struct thing things[MANY];
static uint64_t start;
static unsigned came;

static void
on_time(struct deadline *d)
{
	struct thing *t = (struct thing *)d;

	assert_true(d->at == DEADLINE_NEVER);
	t->came = uv_now(&loop) - start;
	t->order = ++came;
	if (t->again > 0) {
		t->again--;
		deadlines_set(&all, d, uv_now(&loop) + 1);
	}
}

static void
begin(size_t n)
{
	assert_int_equal(uv_loop_init(&loop), 0);
	deadlines_init(&all, &loop, on_time);
	uv_update_time(&loop);
	start = uv_now(&loop);
	came = 0;
	memset(things, 0, sizeof(things));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(deadlines_add(&all, &things[i].deadline), 0);
}

static void
end(void)
{
	deadlines_close(&all);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	deadlines_deinit(&all);
}

static void
test_order(void **state)
{
	uint64_t x = 88172645463325252;

	(void)state;
	begin(MANY);
	/* Each is moved a few times; a third is taken out, and a third has no time. */
	for (size_t i = 0; i < MANY * 4; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		things[i % MANY].wanted = 1 + x % 40;
		if (i % 3 != 2)
			deadlines_set(&all, &things[i % MANY].deadline,
				      start + things[i % MANY].wanted);
	}
	for (size_t i = 0; i < MANY; i += 3)
		deadlines_remove(&all, &things[i].deadline);
	for (size_t i = 1; i < MANY; i += 3)
		deadlines_set(&all, &things[i].deadline, start + things[i].wanted);
	for (size_t i = 2; i < MANY; i += 3)
		deadlines_set(&all, &things[i].deadline, DEADLINE_NEVER);
	uv_run(&loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < MANY; i++) {
		assert_true((things[i].came > 0) == (i % 3 == 1));
		if (i % 3 != 1)
			continue;
		assert_true(things[i].came >= things[i].wanted);
		for (size_t j = 1; j < i; j += 3)
			if (things[j].wanted < things[i].wanted)
				assert_true(things[j].order < things[i].order);
	}
	end();
}

static void
test_again(void **state)
{
	(void)state;
	begin(2);
	things[0].again = 3;
	deadlines_set(&all, &things[0].deadline, 0); /* long ago: in the next turn */
	deadlines_set(&all, &things[1].deadline, start + 1000);
	deadlines_remove(&all, &things[1].deadline);
	assert_int_equal(came, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(came, 4);
	assert_int_equal(things[1].came, 0);
	/* After the end none comes. */
	deadlines_close(&all);
	deadlines_set(&all, &things[0].deadline, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(came, 4);
	assert_int_equal(uv_loop_close(&loop), 0);
	deadlines_deinit(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),
					   cmocka_unit_test(test_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
