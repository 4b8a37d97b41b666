/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Watches: told once, told never again when they are off, whatever else is told in the same turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "watch.h"

/* More than one batch. */
#define PAIRS (WATCH_BATCH + 10)

struct end {
	struct watch watch;
	int near, far;
	unsigned told;
	struct end *closes;   /* when it is told */
	unsigned again, read; /* how often it waits again; whether it reads first */
	unsigned once_more;   /* how often it asks for the next turn */
	int what;             /* a standing one was told last */
};

static uv_loop_t loop;
static struct watcher watcher;
static struct end end[PAIRS];

static void
end_close(struct end *e)
{
	watch_close(&e->watch);
	close(e->near);
	close(e->far);
	e->near = -1;
}

static void
on_ready(void *owner)
{
	struct end *e = owner;
	char byte;

	e->told++;
	assert_int_equal(e->watch.events, 0);
	if (e->read)
		assert_int_equal(read(e->near, &byte, 1), 1);
	if (e->closes && e->closes->near >= 0)
		end_close(e->closes);
	if (e->again && e->again-- > 0)
		assert_int_equal(watch_wait(&e->watch, UV_READABLE), 0);
	if (e->once_more && e->once_more-- > 0)
		watch_again(&e->watch);
}

static int
begin(void **state)
{
	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(watcher_init(&watcher, &loop), 0);
	memset(end, 0, sizeof(end));
	for (unsigned i = 0; i < PAIRS; i++) {
		int pair[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		end[i].near = pair[0];
		end[i].far = pair[1];
		watch_init(&end[i].watch, &watcher, end[i].near, on_ready, &end[i]);
	}
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PAIRS; i++)
		if (end[i].near >= 0)
			end_close(&end[i]);
	watcher_close(&watcher);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

static void
turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void
tells_once(void **state)
{
	(void)state;
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE), 0);
	turn();
	assert_int_equal(end[0].told, 0);
	assert_int_equal(write(end[0].far, "ab", 2), 2);
	turn();
	turn();
	assert_int_equal(end[0].told, 1);
	/* What is still there is told when it is asked for again. */
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE), 0);
	turn();
	assert_int_equal(end[0].told, 2);
	assert_int_equal(watch_wait(&end[0].watch, UV_WRITABLE), 0);
	turn();
	assert_int_equal(end[0].told, 3);
}

static void
is_off_when_it_waits_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE), 0);
	assert_int_equal(watch_wait(&end[0].watch, 0), 0);
	assert_int_equal(write(end[0].far, "a", 1), 1);
	turn();
	/* Nor is it told that the other end has gone. */
	shutdown(end[0].far, SHUT_RDWR);
	turn();
	assert_int_equal(end[0].told, 0);
	assert_int_equal(watch_wait(&end[0].watch, UV_WRITABLE), 0);
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE), 0);
	turn();
	assert_int_equal(end[0].told, 1);
}

/* Both are ready in the same turn; whoever is first closes the other one. */
static void
is_not_told_what_another_one_has_closed(void **state)
{
	(void)state;
	end[0].closes = &end[1];
	end[1].closes = &end[0];
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(watch_wait(&end[i].watch, UV_READABLE), 0);
		assert_int_equal(write(end[i].far, "a", 1), 1);
	}
	turn();
	turn();
	assert_int_equal(end[0].told + end[1].told, 1);
}

static unsigned
told_in_all(void)
{
	unsigned told = 0;

	for (unsigned i = 0; i < PAIRS; i++)
		told += end[i].told;
	return told;
}

/* Nobody is left out, and nobody is told twice before all were told once, however many are ready
 * and however few of them a turn has time for. */
static void
is_fair(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PAIRS; i++) {
		end[i].again = 3;
		assert_int_equal(watch_wait(&end[i].watch, UV_READABLE), 0);
		assert_int_equal(write(end[i].far, "a", 1), 1);
	}
	for (unsigned before = 0; told_in_all() < PAIRS; before = told_in_all()) {
		/* Those that the last turn had no time for. */
		size_t waits = watcher.n;
		turn();
		assert_in_range(told_in_all(), before + 1, before + waits + WATCH_BATCH);
	}
	for (unsigned i = 0; i < PAIRS; i++)
		assert_in_range(end[i].told, 1, 2);
	while (told_in_all() < 4 * PAIRS)
		turn();
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(end[i].told, 4);
}

/* Who always has more to tell does so once a turn, and leaves others theirs. */
static void
tells_again_in_the_next_turn(void **state)
{
	(void)state;
	end[0].once_more = 3;
	watch_again(&end[0].watch);
	assert_int_equal(end[0].told, 0);
	assert_int_equal(watch_wait(&end[1].watch, UV_READABLE), 0);
	assert_int_equal(write(end[1].far, "a", 1), 1);
	for (unsigned i = 1; i <= 4; i++) {
		turn();
		assert_int_equal(end[0].told, i);
	}
	assert_int_equal(end[1].told, 1);
	turn();
	assert_int_equal(end[0].told, 4);
}

static void
takes_back_what_it_had_to_tell(void **state)
{
	(void)state;
	watch_again(&end[0].watch);
	assert_int_equal(watch_wait(&end[0].watch, 0), 0);
	watch_again(&end[1].watch);
	end_close(&end[1]);
	/* Nobody waits: the loop may sleep. */
	assert_false(uv_is_active((uv_handle_t *)&watcher.idle));
	turn();
	assert_int_equal(end[0].told + end[1].told, 0);
	/* And it can wait for its descriptor as before, and for both. */
	watch_again(&end[0].watch);
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE), 0);
	turn();
	assert_int_equal(end[0].told, 0);
	assert_int_equal(write(end[0].far, "a", 1), 1);
	turn();
	assert_int_equal(end[0].told, 1);
}

/* A descriptor that goes from one owner to the next. */
static void
follows_another_watch(void **state)
{
	(void)state;
	end[0].read = 1;
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE), 0);
	assert_int_equal(write(end[0].far, "a", 1), 1);
	turn();
	assert_int_equal(end[0].told, 1);
	watch_close(&end[0].watch);

	struct end next = {.near = end[0].near};
	watch_init(&next.watch, &watcher, next.near, on_ready, &next);
	assert_int_equal(watch_wait(&next.watch, UV_READABLE), 0);
	turn();
	assert_int_equal(next.told, 0);
	assert_int_equal(write(end[0].far, "b", 1), 1);
	turn();
	assert_int_equal(next.told, 1);
	assert_int_equal(end[0].told, 1);
	watch_close(&next.watch);
}

static void
on_standing(void *owner)
{
	struct end *e = owner;
	char byte;

	e->told++;
	e->what = e->watch.told;
	if (e->read && (e->what & UV_READABLE))
		assert_int_equal(read(e->near, &byte, 1), 1);
	if (e->closes && e->closes->near >= 0)
		end_close(e->closes);
}

static void
stand(struct end *e, int events)
{
	watch_init_standing(&e->watch, &watcher, e->near, on_standing, e);
	assert_int_equal(watch_wait(&e->watch, events), 0);
}

static void
stands_and_says_what_there_is(void **state)
{
	(void)state;
	stand(&end[0], UV_READABLE);
	turn();
	assert_int_equal(end[0].told, 0);
	assert_int_equal(write(end[0].far, "ab", 2), 2);
	/* Until it is read. */
	end[0].read = 1;
	for (unsigned i = 1; i <= 2; i++) {
		turn();
		assert_int_equal(end[0].told, i);
		assert_int_equal(end[0].what, UV_READABLE);
	}
	turn();
	assert_int_equal(end[0].told, 2);
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE | UV_WRITABLE), 0);
	turn();
	assert_int_equal(end[0].what, UV_WRITABLE);
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE), 0);
	turn();
	assert_int_equal(end[0].told, 3);
	assert_int_equal(watch_wait(&end[0].watch, 0), 0);
	shutdown(end[0].far, SHUT_RDWR);
	turn();
	assert_int_equal(end[0].told, 3);
}

/* Of a dead connection an error is told, or, where that was fetched, what was asked for: whoever
 * asks for something is never woken for nothing. */
static void
stands_until_the_connection_is_dead(void **state)
{
	char byte;

	(void)state;
	stand(&end[0], UV_READABLE);
	/* What the other end has not read makes its end a reset. */
	assert_int_equal(write(end[0].near, "a", 1), 1);
	close(end[0].far);
	turn();
	assert_int_equal(end[0].told, 1);
	assert_true(end[0].what & WATCH_BROKEN);
	assert_int_equal(read(end[0].near, &byte, 1), -1);
	assert_int_equal(watch_wait(&end[0].watch, UV_WRITABLE), 0);
	turn();
	assert_int_equal(end[0].told, 2);
	assert_int_equal(end[0].what, UV_WRITABLE);
}

/* They are told first, and may close each other and whoever was fetched with them. */
static void
stands_ahead_of_others(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(write(end[i].far, "a", 1), 1);
	assert_int_equal(watch_wait(&end[0].watch, UV_READABLE), 0);
	stand(&end[1], UV_READABLE);
	end[1].closes = &end[0];
	turn();
	assert_int_equal(end[0].told, 0);
	assert_int_equal(end[1].told, 1);
	end_close(&end[1]);
	stand(&end[2], UV_READABLE);
	stand(&end[3], UV_READABLE);
	end[2].closes = &end[3];
	end[3].closes = &end[2];
	turn();
	assert_int_equal(end[2].told + end[3].told, 1);
}

static void
on_slow(void *owner)
{
	struct end *e = owner;
	const uint64_t until = uv_hrtime() + 300000;
	char byte;

	e->told++;
	assert_int_equal(read(e->near, &byte, 1), 1);
	while (uv_hrtime() < until)
		;
}

/* However long each of them takes, all else has its turn in between; and none is forgotten. */
static void
stands_and_leaves_time(void **state)
{
	(void)state;
	assert_int_equal(watch_wait(&end[3].watch, UV_READABLE), 0);
	end[3].again = 3;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(write(end[i].far, "a", 1), 1);
	for (unsigned i = 0; i < 3; i++) {
		watch_init_standing(&end[i].watch, &watcher, end[i].near, on_slow, &end[i]);
		assert_int_equal(watch_wait(&end[i].watch, UV_READABLE), 0);
	}
	for (unsigned i = 1; i <= 3; i++) {
		turn();
		assert_int_equal(end[0].told + end[1].told + end[2].told, i);
		assert_int_equal(end[3].told, i);
	}
	turn();
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(end[i].told, 1);
}

static void
says_that_it_cannot(void **state)
{
	struct watch w;

	(void)state;
	watch_init(&w, &watcher, -1, on_ready, NULL);
	assert_true(watch_wait(&w, UV_READABLE) < 0);
	watch_close(&w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_once),
		TEST(is_off_when_it_waits_for_nothing),
		TEST(is_not_told_what_another_one_has_closed),
		TEST(is_fair),
		TEST(tells_again_in_the_next_turn),
		TEST(takes_back_what_it_had_to_tell),
		TEST(follows_another_watch),
		TEST(stands_and_says_what_there_is),
		TEST(stands_until_the_connection_is_dead),
		TEST(stands_ahead_of_others),
		TEST(stands_and_leaves_time),
		TEST(says_that_it_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
