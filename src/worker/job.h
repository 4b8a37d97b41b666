/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Digests and copies of files, in the pool. */
#ifndef WHARF_WORKER_JOB_H
#define WHARF_WORKER_JOB_H

#include <stdint.h>
#include <uv.h>

#include <wharf/ftp/digest.h>
#include <wharf/ftp/session.h>

#include "hash.h"
#include "pool.h"

struct job;

struct job_result {
	int error;           /* 0 or a negative errno */
	struct slice digest; /* in hexadecimal, of a copy "crc32:9ae0daaf"; or empty */
	bool copied;         /* it was a copy */
	/* The copy, which becomes the owner's, also where it failed; else -1.  By how many bytes it
	 * is larger than what was there, as far as that is known (sure). */
	int fd;
	int64_t grown;
	bool sure;
};

struct job_calls {
	/* Every five seconds: how many bytes are done. */
	void (*runs)(void *owner, uint64_t bytes);
	/* Once.  The job is gone after it. */
	void (*done)(void *owner, const struct job_result *result);
};

/* Takes the plan's descriptors over.  NULL: memory is out, and they are closed. */
struct job *job_start(uv_loop_t *loop, struct pool *pool, const struct digests *digests,
		      const struct job_plan *plan, const struct job_calls *calls, void *owner);
/* Ends it as soon as it can; done() comes with -ECANCELED. */
void job_stop(struct job *job);
/* The same without done(): nobody waits any more. */
void job_abandon(struct job *job);

#endif
