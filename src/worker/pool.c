/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * An elastic pool of threads; see pool.h.
 *
 * The loop is woken by an eventfd of ours.  With a uv_async_t it would spin whenever it wakes
 * before its waker has come back from the system call, which cost a third of a plain upload's CPU.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "pool.h"

#define POOL_MAGIC   MAGIC('p', 'o', 'o', 'l')
#define IDLE_SECONDS 10
#define STACK_BYTES  (128 * 1024)

struct jobs {
	struct pool_job *first, **last;
};

struct pool {
	uint32_t magic;
	uv_poll_t wake; /* on the eventfd */
	int eventfd;
	unsigned max, pending; /* the loop's own: no lock */

	pthread_mutex_t lock; /* for all below */
	pthread_cond_t work, gone;
	struct jobs waiting, ended;
	unsigned threads, idle, queued;
	bool stopping;
};

static void
jobs_init(struct jobs *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void
jobs_push(struct jobs *l, struct pool_job *job)
{
	job->next = NULL;
	*l->last = job;
	l->last = &job->next;
}

static struct pool_job *
jobs_pop(struct jobs *l)
{
	struct pool_job *job = l->first;

	if (job) {
		l->first = job->next;
		if (!l->first)
			l->last = &l->first;
	}
	return job;
}

static struct timespec
from_now(unsigned milliseconds)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += milliseconds / 1000;
	t.tv_nsec += (long)(milliseconds % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* Waits for a job, with the lock held.  NULL: this thread has been idle long enough, or the pool
 * stops. */
static struct pool_job *
wait_for_job(struct pool *p)
{
	struct timespec until = from_now(IDLE_SECONDS * 1000);
	int r = 0;

	p->idle++;
	while (!p->waiting.first && !p->stopping && r == 0)
		r = pthread_cond_timedwait(&p->work, &p->lock, &until);
	p->idle--;
	return jobs_pop(&p->waiting);
}

/* A job has ended.  The loop takes all that have whenever it wakes, so the first one wakes it. */
static void
end_job(struct pool *p, struct pool_job *job)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&p->lock);
	const bool first = !p->ended.first;
	jobs_push(&p->ended, job);
	pthread_mutex_unlock(&p->lock);
	/* It can't fail: the counter is far from its end. */
	if (first)
		CHECK(write(p->eventfd, &one, sizeof(one)) == sizeof(one));
}

static void *
thread_main(void *arg)
{
	struct pool *p = arg;
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	while ((job = wait_for_job(p))) {
		p->queued--;
		pthread_mutex_unlock(&p->lock);
		job->work(job);
		/* The eventfd stays as long as a thread does. */
		end_job(p, job);
		pthread_mutex_lock(&p->lock);
	}
	p->threads--;
	pthread_cond_signal(&p->gone);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* 0 or a negative errno.  Signals are the main thread's. */
static int
start_thread(struct pool *p)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&thread, &attr, thread_main, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r == 0)
		p->threads++;
	return -r;
}

/* Those that have ended by now: what these begin may end before the last is told, and the loop has
 * others to look after. */
static void
do_ended(struct pool *p)
{
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	struct pool_job *next = p->ended.first;
	jobs_init(&p->ended);
	pthread_mutex_unlock(&p->lock);
	while ((job = next)) {
		next = job->next;
		p->pending--;
		job->done(job);
	}
}

static void
on_wake(uv_poll_t *handle, int status, int events)
{
	struct pool *p = handle->data;
	uint64_t count;

	(void)status;
	(void)events;
	REQUIRE(p->magic == POOL_MAGIC);
	if (read(p->eventfd, &count, sizeof(count)) < 0)
		return;
	do_ended(p);
}

struct pool *
pool_new(uv_loop_t *loop, unsigned max_threads)
{
	struct pool *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	if (!p)
		return NULL;
	p->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->eventfd < 0 || uv_poll_init(loop, &p->wake, p->eventfd) < 0) {
		fd_close(&p->eventfd);
		free(p);
		return NULL;
	}
	p->magic = POOL_MAGIC;
	p->wake.data = p;
	uv_poll_start(&p->wake, UV_READABLE, on_wake);
	p->max = max_threads;
	jobs_init(&p->waiting);
	jobs_init(&p->ended);
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->work, &attr);
	pthread_cond_init(&p->gone, &attr);
	pthread_condattr_destroy(&attr);
	return p;
}

static void
on_closed(uv_handle_t *handle)
{
	struct pool *p = handle->data;

	fd_close(&p->eventfd);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->gone);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int
pool_free(struct pool *p, unsigned milliseconds)
{
	struct timespec until = from_now(milliseconds);
	int r = 0;

	/* A job that is done may begin another one (closing what it had), so more than one round.
	 */
	while (p->pending > 0 && r == 0) {
		do_ended(p);
		pthread_mutex_lock(&p->lock);
		while (p->pending > 0 && !p->ended.first && r == 0) {
			struct timespec soon = from_now(5);
			pthread_cond_timedwait(&p->gone, &p->lock, &soon);
			struct timespec now = from_now(0);
			if (now.tv_sec > until.tv_sec ||
			    (now.tv_sec == until.tv_sec && now.tv_nsec > until.tv_nsec))
				r = -ETIMEDOUT;
		}
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	while (p->threads > 0 && r == 0)
		r = -pthread_cond_timedwait(&p->gone, &p->lock, &until);
	pthread_mutex_unlock(&p->lock);
	if (r == 0)
		uv_close((uv_handle_t *)&p->wake, on_closed);
	return r;
}

void
pool_run(struct pool *p, struct pool_job *job)
{
	bool here = false;

	p->pending++;
	pthread_mutex_lock(&p->lock);
	if (p->queued >= p->idle && p->threads < p->max && start_thread(p) < 0)
		here = p->threads == 0;
	if (!here) {
		jobs_push(&p->waiting, job);
		p->queued++;
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	if (here) {
		job->work(job);
		end_job(p, job);
	}
}

/* A descriptor to be closed. */
struct closing {
	struct pool_job job;
	int fd;
};

static void
close_it(struct pool_job *job)
{
	fd_close(&((struct closing *)job)->fd);
}

static void
closed(struct pool_job *job)
{
	free(job);
}

void
pool_close(struct pool *p, int *fd)
{
	struct closing *c = *fd >= 0 ? malloc(sizeof(*c)) : NULL;

	if (c) {
		*c = (struct closing){{close_it, closed, NULL}, *fd};
		*fd = -1;
		pool_run(p, &c->job);
	}
	fd_close(fd);
}

unsigned
pool_threads(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	unsigned n = p->threads;
	pthread_mutex_unlock(&p->lock);
	return n;
}

unsigned
pool_jobs(const struct pool *p)
{
	return p->pending;
}
