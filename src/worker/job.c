/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Digests and copies; see job.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <isa-l/crc.h>

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
	enum digest_algorithm algorithm;
	const EVP_MD *md;

	atomic_bool stop;
	atomic_uint_fast64_t bytes;
	int error;
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t digest_len;
};

int
digests_init(struct digests *d)
{
	static const char *const names[DIGEST_COUNT] = {
		[DIGEST_SHA256] = "SHA256",
		[DIGEST_SHA512] = "SHA512",
		[DIGEST_SHA1] = "SHA1",
		[DIGEST_MD5] = "MD5",
	};

	*d = (struct digests){{NULL}};
	/* No configuration file: nothing of the system's shall load a module into this process. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	for (size_t i = 0; i < DIGEST_COUNT; i++) {
		if (!names[i])
			continue;
		d->md[i] = EVP_MD_fetch(NULL, names[i], NULL);
		if (!d->md[i]) {
			digests_deinit(d);
			return -ENOENT;
		}
	}
	return 0;
}

void
digests_deinit(struct digests *d)
{
	for (size_t i = 0; i < DIGEST_COUNT; i++) {
		EVP_MD_free(d->md[i]);
		d->md[i] = NULL;
	}
}

/* Reads the file block by block from start to end.  0 or a negative errno. */
static int
read_blocks(struct job *j, char *block, void (*use)(void *state, const char *block, size_t n),
	    void *state)
{
	uint64_t at = j->plan.start;

	while (at < j->plan.end) {
		size_t n = j->plan.end - at < BLOCK ? (size_t)(j->plan.end - at) : BLOCK;
		ssize_t got = pread(j->plan.from, block, n, (off_t)at);
		if (atomic_load(&j->stop))
			return -ECANCELED;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		use(state, block, (size_t)got);
		at += (uint64_t)got;
		atomic_fetch_add(&j->bytes, (uint64_t)got);
	}
	return 0;
}

static void
use_crc(void *state, const char *block, size_t n)
{
	uint32_t *crc = state;

	*crc = crc32_gzip_refl(*crc, (const unsigned char *)block, n);
}

static void
use_md(void *state, const char *block, size_t n)
{
	EVP_DigestUpdate(state, block, n);
}

static int
digest_crc(struct job *j, char *block)
{
	uint32_t crc = 0;
	int r = read_blocks(j, block, use_crc, &crc);

	for (unsigned i = 0; i < 4; i++)
		j->digest[i] = (unsigned char)(crc >> (24 - 8 * i));
	j->digest_len = 4;
	return r;
}

static int
digest_md(struct job *j, char *block)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned len = 0;
	int r = -ENOMEM;

	if (ctx && EVP_DigestInit_ex2(ctx, j->md, NULL) == 1) {
		r = read_blocks(j, block, use_md, ctx);
		if (r == 0 && EVP_DigestFinal_ex(ctx, j->digest, &len) != 1)
			r = -EIO;
	}
	j->digest_len = len;
	EVP_MD_CTX_free(ctx);
	return r;
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
		ssize_t n = pread(j->plan.from, block, BLOCK, at);
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
make_room(const struct job *j)
{
	struct statx from, to;

	if (statx(j->plan.from, "", AT_EMPTY_PATH, STATX_INO, &from) < 0 ||
	    statx(j->plan.to, "", AT_EMPTY_PATH, STATX_INO, &to) < 0)
		return -errno;
	if (from.stx_ino == to.stx_ino && from.stx_dev_major == to.stx_dev_major &&
	    from.stx_dev_minor == to.stx_dev_minor)
		return -EEXIST;
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

static int
empty_and_copy(struct job *j, char *block)
{
	int r = make_room(j);

	return r < 0 ? r : copy(j, block);
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
	else if (j->algorithm == DIGEST_CRC32)
		j->error = digest_crc(j, block);
	else
		j->error = digest_md(j, block);
	free(block);
	/* What close() says of the copy counts: it may be the first to know that the disk is full.
	 */
	int to = j->plan.to;
	j->plan.to = -1;
	if (to >= 0 && close(to) < 0 && errno != EINTR && j->error == 0)
		j->error = -errno;
	fd_close(&j->plan.from);
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
done(struct pool_job *pj)
{
	static const char digits[] = "0123456789abcdef";
	struct job *j = (struct job *)((char *)pj - offsetof(struct job, job));
	char hex[2 * EVP_MAX_MD_SIZE];
	size_t n = 0;

	for (size_t i = 0; i < j->digest_len && j->error == 0; i++) {
		hex[n++] = digits[j->digest[i] >> 4];
		hex[n++] = digits[j->digest[i] & 15];
	}
	uv_close((uv_handle_t *)&j->timer, on_closed);
	if (j->owner)
		j->calls->done(j->owner, j->error, (struct slice){hex, n});
}

static void
on_tick(uv_timer_t *timer)
{
	struct job *j = timer->data;

	REQUIRE(j->magic == JOB_MAGIC);
	if (j->owner)
		j->calls->runs(j->owner, atomic_load(&j->bytes));
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
	if (p.kind == JOB_DIGEST) {
		j->algorithm = digest_by_name(slice_of(p.algorithm));
		REQUIRE(j->algorithm != DIGEST_COUNT);
		j->md = digests->md[j->algorithm];
	}
	j->plan.algorithm = NULL;
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
	job_stop(job);
}
