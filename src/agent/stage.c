/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The staging files of stage.h. */
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <sys/random.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "part.h"
#include "stage.h"

#define RANDOM_PREFIX STAGE_PREFIX "~"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

void
stage_name(const struct agent *agent, struct slice target, char out[STAGE_NAME_SIZE])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX context;
	size_t n = sizeof(STAGE_PREFIX) - 1;

	SHA256Init(&context);
	SHA256Update(&context, agent->key, sizeof(agent->key));
	SHA256Update(&context, (const uint8_t *)agent->user, strlen(agent->user) + 1);
	SHA256Update(&context, (const uint8_t *)target.p, target.n);
	SHA256Final(digest, &context);
	memcpy(out, STAGE_PREFIX, n);
	for (size_t bit = 0; bit < PART_LETTERS * 5; bit += 5) {
		/* Five bits, which may lie in two bytes. */
		unsigned two = (unsigned)digest[bit / 8] << 8 | digest[bit / 8 + 1];
		out[n++] = alphabet[two >> (11 - bit % 8) & 31];
	}
	out[n] = '\0';
}

int
stage_random_name(char out[STAGE_NAME_SIZE])
{
	unsigned char random[PART_RANDOM_LETTERS];
	size_t n = sizeof(RANDOM_PREFIX) - 1;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	memcpy(out, RANDOM_PREFIX, n);
	for (size_t i = 0; i < sizeof(random); i++)
		out[n++] = alphabet[random[i] % 32];
	out[n] = '\0';
	return 0;
}

int
stage_parse(struct slice name, char out[STAGE_NAME_SIZE])
{
	if (!part_is_name(name))
		return -EINVAL;
	name_terminate(name, out);
	return 0;
}

bool
stage_is_random(struct slice name)
{
	return part_is_name(name) && slice_starts(name, SLICE(RANDOM_PREFIX));
}

int
stage_path(const struct agent *agent, struct slice path, struct buf *out)
{
	char name[STAGE_NAME_SIZE];

	stage_name(agent, path_base(path), name);
	buf_reset(out);
	buf_add_slice(out, path_parent(path));
	buf_add_byte(out, '/');
	buf_add_str(out, name);
	return buf_error(out);
}

static int
try_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

void
stage_await_handed(struct agent *agent)
{
	pthread_rwlock_wrlock(&agent->handing);
	pthread_rwlock_unlock(&agent->handing);
}

int
stage_lock(struct agent *agent, int fd)
{
	int r = try_lock(fd);

	if (r != -EBUSY)
		return r;
	stage_await_handed(agent);
	return try_lock(fd);
}

bool
stage_is_named(int folder, const char *name, const struct stat *st)
{
	struct stat now;

	return fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == st->st_ino &&
	       now.st_dev == st->st_dev;
}

/* Locks what was opened; it may have got another name, or none, before that. */
static int
lock_named(struct agent *agent, int folder, const char *name, int fd, struct stat *st)
{
	int r = stage_lock(agent, fd);

	if (r == 0 && fstat(fd, st) < 0)
		r = -errno;
	return r == 0 && !stage_is_named(folder, name, st) ? -EBUSY : r;
}

int
stage_make(struct agent *agent, int folder, const char *name)
{
	struct stat st;
	int fd = jail_open_at(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, STAGE_MODE);

	if (fd < 0)
		return fd;
	/* A default ACL of the folder may have taken the bit away. */
	int r = lock_named(agent, folder, name, fd, &st);
	if (r == 0 && (st.st_mode & 07777) != STAGE_MODE && fchmod(fd, STAGE_MODE) < 0)
		r = -errno;
	if (r < 0 && r != -EBUSY)
		unlinkat(folder, name, 0);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

/*
 * Opens a part whose wished mode forbids its user to write it: with another mode, which is set back
 * at once.
 */
static int
open_closed(int folder, const char *name, mode_t mode)
{
	int way = jail_open_at(folder, name, O_RDONLY | O_NOFOLLOW, 0);

	if (way == -EACCES)
		way = jail_open_at(folder, name, O_WRONLY | O_NOFOLLOW, 0);
	if (way < 0)
		return way;
	int fd = fchmod(way, mode | 0600) < 0 ? -errno : 0;
	if (fd == 0)
		fd = jail_open_at(folder, name, O_RDWR | O_NOFOLLOW, 0);
	if (fd >= 0 && fchmod(way, mode) < 0) {
		int r = -errno;
		fd_close(&fd);
		fd = r;
	}
	fd_close(&way);
	return fd;
}

int
stage_take(struct agent *agent, int folder, const char *name, struct stat *st)
{
	if (fstatat(folder, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* Whoever else may write to the folder can put something there. */
	if (!S_ISREG(st->st_mode) || st->st_uid != agent->who.uid || st->st_nlink != 1)
		return -EACCES;
	int fd = jail_open_at(folder, name, O_RDWR | O_NOFOLLOW, 0);
	if (fd == -EACCES)
		fd = open_closed(folder, name, st->st_mode & 07777);
	if (fd < 0)
		return fd;
	int r = lock_named(agent, folder, name, fd, st);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

int
stage_remove(struct agent *agent, const struct place *place, struct change *change)
{
	char name[STAGE_NAME_SIZE];
	struct stat st;

	stage_name(agent, slice_of(place->name), name);
	int fd = stage_take(agent, place->folder, name, &st);
	if (fd < 0)
		return fd;
	int r = unlinkat(place->folder, name, 0) < 0 ? -errno : 0;
	if (r == 0)
		change_gone(change, &st);
	fd_close(&fd);
	return r;
}
