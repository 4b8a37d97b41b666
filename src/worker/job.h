/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Digests and copies of files, in the pool. */
#ifndef WHARF_WORKER_JOB_H
#define WHARF_WORKER_JOB_H

#include <openssl/evp.h>
#include <stdint.h>
#include <uv.h>

#include <wharf/ftp/digest.h>
#include <wharf/ftp/session.h>

#include "pool.h"

/* OpenSSL's digests, loaded before the sandbox; CRC32 is ISA-L's. */
struct digests {
	EVP_MD *md[DIGEST_COUNT];
};

/* 0 or -ENOENT. */
int digests_init(struct digests *d);
void digests_deinit(struct digests *d);

struct job;

struct job_calls {
	/* Every five seconds: how many bytes are done. */
	void (*runs)(void *owner, uint64_t bytes);
	/* Once: 0 or a negative errno, and the digest in hexadecimal.  The job is gone after it. */
	void (*done)(void *owner, int error, struct slice digest);
};

/* Takes the plan's descriptors over.  NULL: memory is out, and they are closed. */
struct job *job_start(uv_loop_t *loop, struct pool *pool, const struct digests *digests,
		      const struct job_plan *plan, const struct job_calls *calls, void *owner);
/* Ends it as soon as it can; done() comes with -ECANCELED. */
void job_stop(struct job *job);
/* The same without done(): nobody waits any more. */
void job_abandon(struct job *job);

#endif
