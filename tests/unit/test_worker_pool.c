/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The pool: jobs that hang do not hold up others, all are done, and its end waits for what ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "pool.h"

struct probe {
	struct pool_job job;
	int pipe[2]; /* work() waits for a byte, unless it is -1 */
	atomic_int *worked;
	int *done;
};

static void
work(struct pool_job *job)
{
	struct probe *p = (struct probe *)job;
	char byte;

	if (p->pipe[0] >= 0)
		assert_int_equal(read(p->pipe[0], &byte, 1), 1);
	atomic_fetch_add(p->worked, 1);
}

static void
done(struct pool_job *job)
{
	struct probe *p = (struct probe *)job;

	(*p->done)++;
}

static void
run_until(uv_loop_t *loop, const int *count, int want)
{
	for (int i = 0; i < 20000 && *count < want; i++) {
		uv_run(loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(*count, want);
}

static void
end(uv_loop_t *loop, struct pool *pool)
{
	assert_int_equal(pool_free(pool, 2000), 0);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

static void
hanging_jobs_hold_up_nobody(void **state)
{
	enum { HANGING = 40, QUICK = 500 };
	static struct probe hang[HANGING], quick[QUICK];
	atomic_int worked = 0;
	int hung_done = 0, quick_done = 0, pipes[2];
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	struct pool *pool = pool_new(&loop, 64);
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < HANGING; i++) {
		hang[i] = (struct probe){{work, done, NULL}, {pipes[0], 0}, &worked, &hung_done};
		pool_run(pool, &hang[i].job);
	}
	for (int i = 0; i < QUICK; i++) {
		quick[i] = (struct probe){{work, done, NULL}, {-1, 0}, &worked, &quick_done};
		pool_run(pool, &quick[i].job);
	}
	run_until(&loop, &quick_done, QUICK);
	assert_int_equal(hung_done, 0);
	assert_in_range(pool_threads(pool), HANGING + 1, 64);
	assert_int_equal(pool_jobs(pool), HANGING);
	for (int i = 0; i < HANGING; i++)
		assert_int_equal(write(pipes[1], "x", 1), 1);
	run_until(&loop, &hung_done, HANGING);
	assert_int_equal(pool_jobs(pool), 0);
	close(pipes[0]);
	close(pipes[1]);
	end(&loop, pool);
}

/* A job that begins the next one when it is done, and by then that has ended, too. */
struct chain {
	struct pool_job job;
	struct pool *pool;
	atomic_int worked;
	int done;
};

static void
work_on(struct pool_job *job)
{
	atomic_fetch_add(&((struct chain *)job)->worked, 1);
}

static void
begin_next(struct pool_job *job)
{
	struct chain *c = (struct chain *)job;

	if (++c->done == 10)
		return;
	pool_run(c->pool, &c->job);
	while (atomic_load(&c->worked) <= c->done)
		usleep(100);
	/* It is told to have ended a moment later. */
	usleep(10000);
}

/* Others on the loop have their turn between. */
static void
jobs_that_beget_jobs_leave_the_loop(void **state)
{
	struct chain c = {.job = {work_on, begin_next, NULL}};
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	c.pool = pool_new(&loop, 2);
	pool_run(c.pool, &c.job);
	while (c.done < 10) {
		int before = c.done;
		uv_run(&loop, UV_RUN_ONCE);
		assert_in_range(c.done - before, 0, 2);
	}
	end(&loop, c.pool);
}

static void
the_bound_holds(void **state)
{
	static struct probe probe[6];
	atomic_int worked = 0;
	int count = 0, pipes[2];
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	struct pool *pool = pool_new(&loop, 2);
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < 6; i++) {
		probe[i] = (struct probe){{work, done, NULL}, {pipes[0], 0}, &worked, &count};
		pool_run(pool, &probe[i].job);
	}
	assert_int_equal(pool_threads(pool), 2);
	assert_int_equal(write(pipes[1], "123456", 6), 6);
	run_until(&loop, &count, 6);
	assert_int_equal(pool_threads(pool), 2);
	close(pipes[0]);
	close(pipes[1]);
	end(&loop, pool);
}

static void
its_end_does_what_is_left(void **state)
{
	static struct probe probe[100];
	atomic_int worked = 0;
	int count = 0;
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	struct pool *pool = pool_new(&loop, 4);
	for (int i = 0; i < 100; i++) {
		probe[i] = (struct probe){{work, done, NULL}, {-1, 0}, &worked, &count};
		pool_run(pool, &probe[i].job);
	}
	end(&loop, pool);
	assert_int_equal(count, 100);
	assert_int_equal(worked, 100);
}

static void
its_end_does_not_wait_for_ever(void **state)
{
	static struct probe probe;
	atomic_int worked = 0;
	int count = 0, pipes[2];
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	struct pool *pool = pool_new(&loop, 4);
	assert_int_equal(pipe(pipes), 0);
	probe = (struct probe){{work, done, NULL}, {pipes[0], 0}, &worked, &count};
	pool_run(pool, &probe.job);
	assert_int_equal(pool_free(pool, 50), -ETIMEDOUT);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	end(&loop, pool);
	assert_int_equal(count, 1);
	close(pipes[0]);
	close(pipes[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hanging_jobs_hold_up_nobody),
		cmocka_unit_test(jobs_that_beget_jobs_leave_the_loop),
		cmocka_unit_test(the_bound_holds),
		cmocka_unit_test(its_end_does_what_is_left),
		cmocka_unit_test(its_end_does_not_wait_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
