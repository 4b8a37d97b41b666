/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Turns at costly steps: how many a turn of the loop, in which order, and leaving the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "turns.h"

#define N 7

static uv_loop_t loop;
static struct turns turns;
static uint64_t moved;
static struct turn turn[N];
static char order[N + 1];

static void
on_turn(void *owner)
{
	size_t n = strlen(order);

	order[n] = (char)('0' + ((struct turn *)owner - turn));
	order[n + 1] = '\0';
}

static int
begin(void **state)
{
	(void)state;
	memset(order, 0, sizeof(order));
	for (size_t i = 0; i < N; i++)
		turn[i] = (struct turn){.run = on_turn, .owner = &turn[i]};
	assert_int_equal(uv_loop_init(&loop), 0);
	moved = 0;
	return turns_init(&turns, &loop, 2, &moved);
}

static int
end(void **state)
{
	(void)state;
	turns_close(&turns);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void
assert_runs(const char *expected)
{
	order[0] = '\0';
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_string_equal(order, expected);
}

static void
so_many_a_turn(void **state)
{
	(void)state;
	for (size_t i = 0; i < N; i++)
		assert_int_equal(turns_take(&turns, &turn[i], false), i < 2);
	assert_runs("23");
	assert_runs("45");
	assert_runs("6");
	assert_runs("");
	assert_true(turns_take(&turns, &turn[0], false));
}

static void
those_ahead_come_first(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++)
		turns_take(&turns, &turn[i], false);
	assert_false(turns_take(&turns, &turn[5], true));
	assert_false(turns_take(&turns, &turn[6], true));
	assert_runs("25");
	assert_runs("36");
	assert_runs("4");
}

/* However many come ahead in a turn, one of the others is let through at its end. */
static void
nobody_waits_for_ever(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		turns_take(&turns, &turn[i], false);
	turns.left = 2;
	assert_true(turns_take(&turns, &turn[4], true));
	assert_false(turns_take(&turns, &turn[5], true));
	assert_runs("25");
	assert_runs("3");
}

static void
who_leaves_is_not_called(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6; i++)
		turns_take(&turns, &turn[i], false);
	turns_leave(&turns, &turn[2]);
	turns_leave(&turns, &turn[4]);
	turns_leave(&turns, &turn[4]);
	turns_leave(&turns, &turn[6]);
	assert_runs("35");
	assert_runs("");
}

/* Transfers want all of the time: newcomers wait for their share of it, those ahead do not. */
static void
newcomers_have_a_share(void **state)
{
	(void)state;
	turns_take(&turns, &turn[0], true);
	assert_runs("");
	turns.share.beside = turns.share.wanted = true;
	turns.share.since = UINT64_MAX >> 1; /* nothing is looked at anew */
	turns.share.next = moved + 1000;
	assert_false(turns_take(&turns, &turn[1], false));
	assert_true(turns_take(&turns, &turn[2], true));
	assert_false(turns_take(&turns, &turn[3], true));
	assert_runs("3");
	assert_runs("");
	/* Transfers wake the loop, or a timer does: it need not spin. */
	assert_false(uv_is_active((uv_handle_t *)&turns.idle));
	assert_true(uv_is_active((uv_handle_t *)&turns.timer));
	moved += 1000;
	assert_runs("1");
	assert_false(uv_is_active((uv_handle_t *)&turns.timer));
}

static void
on_alarm(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* Transfers that wanted all of the time end while a newcomer waits, and nothing else happens. */
static void
nobody_sleeps_behind_transfers_that_end(void **state)
{
	uv_timer_t alarm;

	(void)state;
	turns_take(&turns, &turn[0], true);
	assert_runs("");
	turns.share.beside = turns.share.wanted = true;
	turns.share.next = moved + 1000;
	assert_false(turns_take(&turns, &turn[1], false));
	uv_timer_init(&loop, &alarm);
	uv_timer_start(&alarm, on_alarm, 5000, 0);
	uint64_t begin = uv_hrtime();
	while (!order[0] && uv_is_active((uv_handle_t *)&alarm))
		uv_run(&loop, UV_RUN_ONCE);
	assert_true(uv_hrtime() - begin < 2000000000);
	assert_string_equal(order, "1");
	uv_close((uv_handle_t *)&alarm, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* Nobody waits: the loop may sleep. */
static void
an_empty_line_costs_nothing(void **state)
{
	(void)state;
	assert_true(turns_take(&turns, &turn[0], false));
	assert_false(uv_is_active((uv_handle_t *)&turns.idle));
	turns_take(&turns, &turn[1], false);
	turns_take(&turns, &turn[2], false);
	assert_true(uv_is_active((uv_handle_t *)&turns.idle));
	assert_runs("2");
	assert_false(uv_is_active((uv_handle_t *)&turns.idle));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(so_many_a_turn),
		TEST(those_ahead_come_first),
		TEST(nobody_waits_for_ever),
		TEST(who_leaves_is_not_called),
		TEST(newcomers_have_a_share),
		TEST(nobody_sleeps_behind_transfers_that_end),
		TEST(an_empty_line_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
