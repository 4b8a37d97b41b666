/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Files that may block; see file.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "file.h"

#define FILE_MAGIC MAGIC('f', 'i', 'l', 'e')
/* A device number may come to mean another file system, so what is known of it grows old. */
#define CLASS_MS 10000
/* Where a window is probed for being in memory: read-ahead comes in runs of at least this. */
#define PROBE_STEP (128U * 1024)
/* Room for the CR that ascii_decode() may have held back. */
#define BLOCK_SLACK 16

#define XFS_MAGIC 0x58465342
#define ZFS_MAGIC 0x2fc12fc1

static const struct {
	uint32_t magic;
	enum file_class class;
} kinds[] = {
	{TMPFS_MAGIC, FILE_MEMORY},          {RAMFS_MAGIC, FILE_MEMORY},
	{EXT4_SUPER_MAGIC, FILE_LOCAL},      {XFS_MAGIC, FILE_LOCAL},
	{BTRFS_SUPER_MAGIC, FILE_LOCAL},     {F2FS_SUPER_MAGIC, FILE_LOCAL},
	{OVERLAYFS_SUPER_MAGIC, FILE_LOCAL}, {ZFS_MAGIC, FILE_LOCAL},
};

static ssize_t
task_classify(struct file *f)
{
	struct statfs fs;

	if (fstatfs(f->fd, &fs) < 0)
		return FILE_REMOTE;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].magic == (uint32_t)fs.f_type)
			return kinds[i].class;
	return FILE_REMOTE;
}

static ssize_t
task_read(struct file *f)
{
	ssize_t n;

	do
		n = pread(f->fd, f->bytes, f->n, (off_t)f->offset);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		hash_add(&f->hash, f->bytes, (size_t)n);
	return n < 0 ? -errno : n;
}

static ssize_t
task_write(struct file *f)
{
	size_t at = 0;

	while (at < f->n) {
		struct iovec iov = {f->bytes + at, f->n - at};
		ssize_t n = pwritev2(f->fd, &iov, 1, (off_t)(f->offset + at), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	hash_add(&f->hash, f->bytes, at);
	return (ssize_t)at;
}

static ssize_t
task_cut(struct file *f)
{
	return ftruncate(f->fd, (off_t)f->offset) < 0 ? -errno : 0;
}

/* Linux frees the descriptor in every case, also when close() reports that earlier writes failed.
 */
static ssize_t
task_close(struct file *f)
{
	int fd = f->fd;

	f->fd = -1;
	return fd >= 0 && close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t
task_sync(struct file *f)
{
	int r;

	do
		r = fdatasync(f->fd);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Each close() of a file flushes it, not only the last one: so a copy of the descriptor does. */
static ssize_t
task_flush(struct file *f)
{
	int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t
task_hash(struct file *f)
{
	size_t at = 0;

	while (at < f->n) {
		size_t left = f->n - at;
		ssize_t n = pread(f->fd, f->bytes, left < FILE_BLOCK ? left : FILE_BLOCK,
				  (off_t)(f->offset + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		hash_add(&f->hash, f->bytes, (size_t)n);
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static ssize_t (*const tasks[FILE_TASKS])(struct file *) = {
	[FILE_CLASSIFY] = task_classify, [FILE_READ] = task_read,   [FILE_WRITE] = task_write,
	[FILE_CUT] = task_cut,           [FILE_CLOSE] = task_close, [FILE_SYNC] = task_sync,
	[FILE_FLUSH] = task_flush,       [FILE_HASH] = task_hash,
};

static struct file *
of_job(struct pool_job *job)
{
	struct file *f = (struct file *)((char *)job - offsetof(struct file, job));

	REQUIRE(f->magic == FILE_MAGIC);
	return f;
}

static void
work(struct pool_job *job)
{
	struct file *f = of_job(job);

	f->result = tasks[f->task](f);
}

static void
destroy(struct file *f)
{
	fd_close(&f->fd);
	free(f->block[0]);
	free(f->block[1]);
	hash_deinit(&f->hash);
	f->magic = 0;
	free(f);
}

/* What is left to do for a file that nobody waits for: its last bytes, then its end. */
static void
wind_up(struct file *f)
{
	if (f->tail) {
		size_t n = f->tail;
		f->tail = 0;
		file_start(f, FILE_WRITE, f->tail_block, n, f->tail_offset);
	} else if (f->fd >= 0 && (f->class != FILE_MEMORY || f->size > FILE_FREED_AT_ONCE)) {
		file_start(f, FILE_CLOSE, NULL, 0, 0);
	} else {
		destroy(f);
	}
}

static void
work_done(struct pool_job *job)
{
	struct file *f = of_job(job);

	f->busy = false;
	if (f->done)
		f->done(f, f->owner);
	else
		wind_up(f);
}

static enum file_class
known_class(const struct file_classes *c, uint64_t device, uint64_t now)
{
	for (size_t i = 0; i < sizeof(c->row) / sizeof(c->row[0]); i++)
		if (c->row[i].class != FILE_UNKNOWN && c->row[i].device == device &&
		    now - c->row[i].seen < CLASS_MS)
			return c->row[i].class;
	return FILE_UNKNOWN;
}

struct file *
file_new(struct pool *pool, struct file_classes *classes, int fd, uint64_t now,
	 void (*done)(struct file *f, void *owner), void *owner)
{
	struct file *f = calloc(1, sizeof(*f));
	struct statx facts;

	if (!f) {
		fd_close(&fd);
		return NULL;
	}
	f->magic = FILE_MAGIC;
	f->pool = pool;
	f->classes = classes;
	f->job = (struct pool_job){work, work_done, NULL};
	f->fd = fd;
	f->done = done;
	f->owner = owner;
	/* DONT_SYNC: a file system that hangs is not asked. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE | STATX_NLINK, &facts) ==
	    0) {
		f->device = makedev(facts.stx_dev_major, facts.stx_dev_minor);
		f->size = facts.stx_size;
		f->has_name = facts.stx_nlink > 0;
		f->class = known_class(classes, f->device, now);
	} else {
		f->class = FILE_REMOTE;
	}
	return f;
}

void
file_free(struct file **pf, char *block, size_t tail, uint64_t tail_offset)
{
	struct file *f = *pf;

	*pf = NULL;
	if (!f)
		return;
	f->done = NULL;
	f->owner = NULL;
	f->tail = tail;
	f->tail_block = block;
	f->tail_offset = tail_offset;
	if (!f->busy)
		wind_up(f);
}

int
file_take(struct file **pf)
{
	struct file *f = *pf;
	int fd = f->fd;

	REQUIRE(!f->busy);
	*pf = NULL;
	f->fd = -1;
	destroy(f);
	return fd;
}

uint64_t
file_size(const struct file *f, bool *is_gone)
{
	struct statx facts;

	*is_gone = false;
	if (statx(f->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE | STATX_NLINK, &facts) <
	    0)
		return f->size;
	*is_gone = f->has_name && facts.stx_nlink == 0;
	return facts.stx_size;
}

int
file_block(struct file *f, unsigned i)
{
	if (!f->block[i])
		f->block[i] = malloc(FILE_BLOCK + BLOCK_SLACK);
	return f->block[i] ? 0 : -ENOMEM;
}

static void
set_task(struct file *f, enum file_task task, char *bytes, size_t n, uint64_t offset)
{
	REQUIRE(!f->busy);
	f->task = task;
	f->bytes = bytes;
	f->n = n;
	f->offset = offset;
}

void
file_start(struct file *f, enum file_task task, char *bytes, size_t n, uint64_t offset)
{
	set_task(f, task, bytes, n, offset);
	f->busy = true;
	f->started = uv_hrtime() / 1000000;
	pool_run(f->pool, &f->job);
}

ssize_t
file_do(struct file *f, enum file_task task, char *bytes, size_t n, uint64_t offset)
{
	set_task(f, task, bytes, n, offset);
	f->result = tasks[task](f);
	return f->result;
}

void
file_classified(struct file *f, uint64_t now)
{
	struct file_classes *c = f->classes;

	f->class = (enum file_class)f->result;
	c->row[c->next].device = f->device;
	c->row[c->next].seen = now;
	c->row[c->next].class = f->class;
	c->next = (c->next + 1) % (sizeof(c->row) / sizeof(c->row[0]));
}

bool
file_is_cold(const struct file *f, uint64_t offset, size_t n)
{
	uint64_t end = offset + n;
	char byte;

	for (uint64_t at = offset; at < end; at += PROBE_STEP) {
		struct iovec iov = {&byte, 1};
		ssize_t r = preadv2(f->fd, &iov, 1, (off_t)at, RWF_NOWAIT);
		if (r == 0)
			return false;
		if (r < 0)
			return true;
	}
	return false;
}

ssize_t
file_write_nowait(struct file *f, const char *bytes, size_t n, uint64_t offset)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	ssize_t r = pwritev2(f->fd, &iov, 1, (off_t)offset, RWF_NOWAIT);

	if (r >= 0) {
		hash_add(&f->hash, bytes, (size_t)r);
		return r;
	}
	return errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR ? 0 : -errno;
}
