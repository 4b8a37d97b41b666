/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Files of the monitor's own; see state_file.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "state_file.h"

#define FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* The descriptor of a file that is ours alone, or a negative errno. */
static int
open_own(int folder, const char *name, int flags, struct stat *st)
{
	int fd = openat(folder, name, flags | FLAGS, 0600);
	int r = fd < 0 || fstat(fd, st) < 0                           ? -errno
		: !S_ISREG(st->st_mode)                               ? -EINVAL
		: st->st_uid != geteuid() || (st->st_mode & 077) != 0 ? -EPERM
								      : 0;

	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	return fd;
}

int
state_file_read(int folder, const char *name, size_t max, struct buf *out)
{
	struct stat st;
	ssize_t n = 0;
	int fd = open_own(folder, name, O_RDONLY, &st);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && st.st_size > (off_t)max)
		r = -EFBIG;
	for (size_t got = 0; r == 0 && got <= max; got += (size_t)n) {
		r = buf_reserve(out, 4096);
		n = r < 0 ? 0 : read(fd, out->data + out->len, 4096);
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		out->len += (size_t)n;
	}
	fd_close(&fd);
	return r;
}

static int
sync_folder(int folder)
{
	/* A descriptor with O_PATH can't be synced; the file system may not know how to. */
	return fsync(folder) < 0 && errno != EINVAL ? -errno : 0;
}

int
state_file_write(int folder, const char *name, struct slice bytes)
{
	char new[64];
	int r = 0;

	snprintf(new, sizeof(new), "%.50s.new", name);
	/* One that was left behind, or that somebody else has put there. */
	if (unlinkat(folder, new, 0) < 0 && errno != ENOENT)
		return -errno;
	int fd = openat(folder, new, O_WRONLY | O_CREAT | O_EXCL | FLAGS, 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, bytes);
	if (r == 0 && (fchmod(fd, 0600) < 0 || fsync(fd) < 0))
		r = -errno;
	fd_close(&fd);
	if (r == 0 && renameat2(folder, new, folder, name, 0) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(folder, new, 0);
		return r;
	}
	return sync_folder(folder);
}

int
state_file_append(int folder, const char *name, struct slice bytes)
{
	struct stat st;
	int fd = open_own(folder, name, O_WRONLY | O_APPEND | O_CREAT, &st);

	if (fd < 0)
		return fd;
	int r = fd_write_all(fd, bytes);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	fd_close(&fd);
	return r == 0 && st.st_size == 0 ? sync_folder(folder) : r;
}
