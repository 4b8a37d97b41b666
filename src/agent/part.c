/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Parts of uploads; see part.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "part.h"
#include "stage.h"

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
lock(int folder, const char *name, int fd, short type)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	if (fcntl(fd, F_OFD_SETLK, &range) < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return stage_is_named(folder, name, &st) ? 0 : -ENOENT;
}

static int
open_idle(int folder, const char *name)
{
	short type = F_RDLCK;
	int fd = jail_open_at(folder, name, O_RDONLY | O_NOFOLLOW, 0);

	if (fd == -EACCES) {
		type = F_WRLCK;
		fd = jail_open_at(folder, name, O_WRONLY | O_NOFOLLOW, 0);
	}
	if (fd < 0)
		return fd == -ELOOP ? -ENOENT : fd;
	int r = lock(folder, name, fd, type);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

int
part_open_idle(struct agent *agent, int folder, const char *name)
{
	int fd = open_idle(folder, name);

	if (fd != -EBUSY)
		return fd;
	stage_await_handed(agent);
	return open_idle(folder, name);
}
