/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Digests and copies; see job.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "job.h"

#define JOB_MAGIC  MAGIC('j', 'o', 'b', '!')
#define BLOCK      (256U * 1024)
#define COPY_PIECE (16U * 1024 * 1024)
#define TICK_MS    5000

struct job {
	uint32_t magic;
	struct pool_job job;
	uv_timer_t timer;
	const struct job_calls *calls;
	void *owner; /* NULL: abandoned */
	struct job_plan plan;
	struct hash hash;
	struct pool *pool;

	atomic_bool stop, abandoned;
	atomic_uint_fast64_t bytes;
	int error;
	char digest[HASH_TEXT];
	uint64_t size_before; /* of the target, before it was emptied */
	bool emptied, sure;
	int64_t grown;
};

/* Adds a file's bytes to the digest, from start to end.  0 or a negative errno. */
static int
hash_file(struct job *j, int fd, uint64_t start, uint64_t end, char *block)
{
	uint64_t at = start;

	while (at < end) {
		size_t n = end - at < BLOCK ? (size_t)(end - at) : BLOCK;
		ssize_t got = pread(fd, block, n, (off_t)at);
		if (atomic_load(&j->stop))
			return -ECANCELED;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		hash_add(&j->hash, block, (size_t)got);
		at += (uint64_t)got;
		if (j->plan.kind == JOB_DIGEST)
			atomic_fetch_add(&j->bytes, (uint64_t)got);
	}
	return 0;
}

static int
digest(struct job *j, char *block)
{
	int r = hash_file(j, j->plan.from, j->plan.start, j->plan.end, block);

	if (r == 0)
		r = hash_end(&j->hash, j->digest);
	return r < 0 ? r : 0;
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Where the kernel can't copy between the two itself. */
static int
copy_by_block(struct job *j, char *block, off_t at)
{
	while ((uint64_t)at < j->plan.end) {
		uint64_t left = j->plan.end - (uint64_t)at;
		ssize_t n = pread(j->plan.from, block, left < BLOCK ? (size_t)left : BLOCK, at);
		if (atomic_load(&j->stop))
			return -ECANCELED;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		int r = write_all(j->plan.to, block, (size_t)n);
		if (r < 0)
			return r;
		at += n;
		atomic_fetch_add(&j->bytes, (uint64_t)n);
	}
	return 0;
}

/* Empties the target, which must not be the source.  0 or a negative errno. */
static int
make_room(struct job *j)
{
	struct statx from, to;

	if (statx(j->plan.from, "", AT_EMPTY_PATH, STATX_INO, &from) < 0 ||
	    statx(j->plan.to, "", AT_EMPTY_PATH, STATX_INO | STATX_SIZE, &to) < 0)
		return -errno;
	if (from.stx_ino == to.stx_ino && from.stx_dev_major == to.stx_dev_major &&
	    from.stx_dev_minor == to.stx_dev_minor)
		return -EEXIST;
	j->size_before = to.stx_size;
	j->emptied = true;
	return ftruncate(j->plan.to, 0) < 0 ? -errno : 0;
}

static int
copy(struct job *j, char *block)
{
	off_t at = (off_t)j->plan.start;

	while ((uint64_t)at < j->plan.end) {
		uint64_t left = j->plan.end - (uint64_t)at;
		ssize_t n = copy_file_range(j->plan.from, &at, j->plan.to, NULL,
					    left < COPY_PIECE ? (size_t)left : COPY_PIECE, 0);
		if (atomic_load(&j->stop))
			return -ECANCELED;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 &&
		    (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
			return copy_by_block(j, block, at);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		atomic_fetch_add(&j->bytes, (uint64_t)n);
	}
	return 0;
}

/* All is written: what the disk says of it, or, where no sync is wanted, what close(2) would: it
 * may be the first to know that the disk is full. */
static int
settle(const struct job *j)
{
	int r, fd;

	if (j->plan.sync) {
		do
			r = fdatasync(j->plan.to);
		while (r < 0 && errno == EINTR);
	} else {
		fd = fcntl(j->plan.to, F_DUPFD_CLOEXEC, 0);
		r = fd < 0 ? -1 : close(fd);
	}
	return r < 0 && errno != EINTR ? -errno : 0;
}

static int
empty_and_copy(struct job *j, char *block)
{
	struct statx to;
	int r = make_room(j);

	if (r == 0)
		r = copy(j, block);
	if (r == 0)
		r = settle(j);
	/* What can't be read has no digest. */
	bool reads = (fcntl(j->plan.to, F_GETFL) & O_ACCMODE) == O_RDWR;
	if (r == 0 && j->hash.on && reads) {
		r = hash_file(j, j->plan.to, 0, UINT64_MAX, block);
		if (r == 0)
			hash_end_named(&j->hash, j->plan.digest, j->digest);
	}
	j->sure = statx(j->plan.to, "", AT_EMPTY_PATH, STATX_SIZE, &to) == 0;
	if (j->emptied && j->sure)
		j->grown = (int64_t)(to.stx_size - j->size_before);
	return r;
}

static void
work(struct pool_job *pj)
{
	struct job *j = (struct job *)((char *)pj - offsetof(struct job, job));
	char *block = malloc(BLOCK);

	REQUIRE(j->magic == JOB_MAGIC);
	if (!block)
		j->error = -ENOMEM;
	else if (j->plan.kind == JOB_COPY)
		j->error = empty_and_copy(j, block);
	else
		j->error = digest(j, block);
	free(block);
	hash_deinit(&j->hash);
	fd_close(&j->plan.from);
	/* Nobody waits for the copy any more: closing it may take its time. */
	if (atomic_load(&j->abandoned))
		fd_close(&j->plan.to);
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
done(struct pool_job *pj)
{
	struct job *j = (struct job *)((char *)pj - offsetof(struct job, job));
	const struct job_result result = {
		.error = j->error,
		.digest = j->error == 0 ? slice_of(j->digest) : SLICE_NULL,
		.copied = j->plan.kind == JOB_COPY,
		.fd = j->plan.to,
		.grown = j->grown,
		.sure = j->sure,
	};

	uv_close((uv_handle_t *)&j->timer, on_closed);
	if (j->owner)
		j->calls->done(j->owner, &result);
	else
		pool_close(j->pool, &j->plan.to);
}

static void
on_tick(uv_timer_t *timer)
{
	struct job *j = timer->data;

	REQUIRE(j->magic == JOB_MAGIC);
	if (j->owner)
		j->calls->runs(j->owner, atomic_load(&j->bytes));
}

static int
begin_digest(struct job *j, const struct digests *digests)
{
	if (j->plan.kind == JOB_COPY)
		return hash_begin_named(&j->hash, digests, j->plan.digest);
	enum digest_algorithm algorithm = digest_by_name(slice_of(j->plan.algorithm));
	REQUIRE(algorithm != DIGEST_COUNT);
	return hash_begin(&j->hash, digests->md[algorithm]);
}

struct job *
job_start(uv_loop_t *loop, struct pool *pool, const struct digests *digests,
	  const struct job_plan *plan, const struct job_calls *calls, void *owner)
{
	struct job *j = calloc(1, sizeof(*j));
	struct job_plan p = *plan;

	if (!j) {
		fd_close(&p.from);
		fd_close(&p.to);
		return NULL;
	}
	j->magic = JOB_MAGIC;
	j->job = (struct pool_job){work, done, NULL};
	j->calls = calls;
	j->owner = owner;
	j->plan = p;
	if (begin_digest(j, digests) < 0) {
		fd_close(&p.from);
		fd_close(&p.to);
		free(j);
		return NULL;
	}
	j->plan.algorithm = NULL;
	j->pool = pool;
	uv_timer_init(loop, &j->timer);
	j->timer.data = j;
	uv_timer_start(&j->timer, on_tick, TICK_MS, TICK_MS);
	pool_run(pool, &j->job);
	return j;
}

void
job_stop(struct job *job)
{
	atomic_store(&job->stop, true);
}

void
job_abandon(struct job *job)
{
	job->owner = NULL;
	atomic_store(&job->abandoned, true);
	job_stop(job);
}
