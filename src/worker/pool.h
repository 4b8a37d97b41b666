/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Threads for calls that may block.  Not libuv's pool: its few threads are all gone when a few
 * calls hang on a dead disk, and then every session waits.  Here a thread is made whenever a job
 * finds none idle, up to a bound; an idle one ends after ten seconds.  Jobs are done by the loop's
 * thread, in the order in which they ended.
 */
#ifndef WHARF_WORKER_POOL_H
#define WHARF_WORKER_POOL_H

#include <uv.h>

struct pool;

/*
 * A job, embedded in whatever it is about.  work() runs in a thread; then done() runs in the loop,
 * always, whether or not anybody still wants the result, and may free what the job is embedded in.
 */
struct pool_job {
	void (*work)(struct pool_job *job);
	void (*done)(struct pool_job *job);
	struct pool_job *next;
};

/* NULL when memory or descriptors are out. */
struct pool *pool_new(uv_loop_t *loop, unsigned max_threads);
/*
 * Waits at most so long for all jobs, does those that have ended, and lets go of the pool; the loop
 * must run once more for its handle.  Returns 0, or -ETIMEDOUT when jobs hang: then their threads
 * are still there, and the only safe thing left is _exit().
 */
int pool_free(struct pool *p, unsigned milliseconds);

/* Takes the job on.  When no thread at all can be made it works at once, in the loop: late is
 * better than never. */
void pool_run(struct pool *p, struct pool_job *job);

/* Closes a descriptor in a thread, where the file system may hang.  *fd becomes -1. */
void pool_close(struct pool *p, int *fd);

/* Threads that exist, and jobs that have not been done. */
unsigned pool_threads(struct pool *p);
unsigned pool_jobs(const struct pool *p);

#endif
