/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * F_LIST: a pipe and what fills it.  The thread that was asked begins at once, and where the pipe
 * takes the whole listing that was all; a longer one goes on in a thread of its own, which ends
 * with EPIPE when nobody reads any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "lister.h"

#define LISTERS_MAX 256
#define STACK_BYTES (256UL * 1024)
#define PIPE_BYTES  (256 * 1024)
#define CHUNKS      1 /* of work in a thread that others wait for */

/* A listing that has a thread. */
struct job {
	struct agent *agent;
	struct lister lister;
};

static void
job_free(struct job *job)
{
	lister_deinit(&job->lister);
	free(job);
}

static void *
go_on(void *arg)
{
	struct job *job = arg;
	struct agent *agent = job->agent;

	/* Room in the pipe wakes this thread: not before the worker has sent what it took. */
	(void)sched_setscheduler(0, SCHED_BATCH, &(const struct sched_param){0});
	/* Nobody is there to be told of an error: the pipe ends. */
	int r = fd_set_nonblocking(job->lister.pipe, false);
	/*
	 * The pipe is full, so this waits until the worker has taken the first lines, which leave
	 * before this thread takes a turn of the processor for more.
	 */
	if (r == 0)
		r = lister_run(&job->lister, 0);
	/* A larger pipe saves turns, where the user may have one. */
	if (r == LISTER_MORE) {
		(void)fcntl(job->lister.pipe, F_SETPIPE_SZ, PIPE_BYTES);
		(void)lister_run(&job->lister, SIZE_MAX);
	}
	job_free(job);
	atomic_fetch_sub(&agent->listers, 1);
	return NULL;
}

/* Hands the job over to a thread.  0, or a negative errno and the job is still the caller's. */
static int
start_thread(struct job *job)
{
	struct agent *agent = job->agent;
	pthread_attr_t attr;
	pthread_t thread;

	if (atomic_fetch_add(&agent->listers, 1) >= LISTERS_MAX) {
		atomic_fetch_sub(&agent->listers, 1);
		return -EAGAIN;
	}
	int r = pthread_attr_init(&attr);
	if (r == 0)
		r = pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (r == 0)
		r = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (r == 0)
		r = pthread_create(&thread, &attr, go_on, job);
	pthread_attr_destroy(&attr);
	if (r)
		atomic_fetch_sub(&agent->listers, 1);
	return -r;
}

/*
 * Begins, and takes care of the rest.  0 or a negative errno; the job is not the caller's any more.
 */
static int
run(struct job *job)
{
	int r = lister_run(&job->lister, CHUNKS);

	if (r == LISTER_MORE) {
		r = start_thread(job);
		if (r == 0)
			return 0;
	}
	job_free(job);
	return r;
}

int
do_list(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct job *job = calloc(1, sizeof(*job));
	int ends[2];
	bool is_file;

	(void)scratch;
	if (!job)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		int error = errno;
		free(job);
		return -error;
	}
	job->agent = agent;
	int r = lister_init(&job->lister, agent, &in->f_list, ends[1], &is_file);
	if (r < 0) {
		job_free(job);
		fd_close(&ends[0]);
		return r;
	}
	/* The dispatcher closes it, after it was sent or where it is not. */
	out->fd = ends[0];
	out->r_listing.is_file = is_file;
	return run(job);
}
