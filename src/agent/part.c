/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Parts of uploads; see part.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"
#include "part.h"

static bool
is_letters(struct slice s, size_t n)
{
	if (s.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '2' && s.p[i] <= '7'))
			return false;
	return true;
}

bool
part_is_name(struct slice name)
{
	if (!slice_starts(name, SLICE(STAGE_PREFIX)))
		return false;
	name = slice_from(name, sizeof(STAGE_PREFIX) - 1);
	if (name.n && name.p[0] == '~')
		return is_letters(slice_from(name, 1), PART_RANDOM_LETTERS);
	return is_letters(name, PART_LETTERS);
}

/* Locks what is open, and looks whether the name still means that. */
static int
lock(int folder, const char *name, int fd)
{
	struct flock range = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct stat is, named;

	if (fstat(fd, &is) < 0)
		return -errno;
	if (!S_ISREG(is.st_mode))
		return -ENOENT;
	if (fcntl(fd, F_OFD_SETLK, &range) < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	if (fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return named.st_ino == is.st_ino && named.st_dev == is.st_dev ? 0 : -ENOENT;
}

int
part_open_idle(int folder, const char *name)
{
	int fd = jail_open_at(folder, name, O_RDONLY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd == -ELOOP ? -ENOENT : fd;
	int r = lock(folder, name, fd);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}
