/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The jail; see wharf/sandbox/jail.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

/* openat2() gives EAGAIN while something in the tree is renamed: a ".." can't be proved then. */
#define RETRIES 128

/* The next component of *path, without slashes; an empty slice at the end. */
static struct slice
next_component(struct slice *path)
{
	while (path->n && path->p[0] == '/')
		*path = slice_from(*path, 1);

	const char *slash = path->n ? memchr(path->p, '/', path->n) : NULL;
	struct slice one = slice_head(*path, slash ? (size_t)(slash - path->p) : path->n);

	*path = slice_from(*path, one.n);
	return one;
}

static bool
is_dots(struct slice name)
{
	return slice_equal(name, SLICE(".")) || slice_equal(name, SLICE(".."));
}

/*
 * Opens a path of folders from "/" on, through no link.  A descriptor (O_PATH) or a negative errno.
 */
static int
walk(struct slice path)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int at = open("/", flags);

	if (at < 0)
		return -errno;
	for (struct slice one = next_component(&path); one.n; one = next_component(&path)) {
		char name[NAME_MAX + 1];
		if (one.n > NAME_MAX || is_dots(one)) {
			fd_close(&at);
			return one.n > NAME_MAX ? -ENAMETOOLONG : -EINVAL;
		}
		memcpy(name, one.p, one.n);
		name[one.n] = '\0';
		int next = openat(at, name, flags);
		int error = errno;
		fd_close(&at);
		if (next < 0)
			return -error;
		at = next;
	}
	return at;
}

int
jail_enter(const char *root, bool as_root)
{
	if (root[0] != '/')
		return -EINVAL;
	int fd = walk(slice_of(root));
	if (fd < 0)
		return fd;
	if (fchdir(fd) < 0 || (as_root && chroot(".") < 0)) {
		int r = -errno;
		fd_close(&fd);
		return r;
	}
	return fd;
}

/*
 * File systems whose files are not files: what is read from or written to them acts on the system.
 */
static bool
is_of_kernel(int fd)
{
	static const uint32_t magics[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,        DEBUGFS_MAGIC,
					  SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
					  TRACEFS_MAGIC,    DEVPTS_SUPER_MAGIC, BPF_FS_MAGIC,
					  BINFMTFS_MAGIC,   PSTOREFS_MAGIC,     EFIVARFS_MAGIC,
					  NSFS_MAGIC};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if ((uint32_t)fs.f_type == magics[i])
			return true;
	return false;
}

static int
open_with(int at, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve};
	int fd = -1;

	if (!(flags & O_PATH))
		how.flags |= O_NOCTTY | O_NONBLOCK;
	if (flags & O_CREAT)
		how.mode = mode;
	for (int i = 0; i < RETRIES; i++) {
		fd = (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : fd;
}

int
jail_open_at(int folder, const char *name, int flags, mode_t mode)
{
	return open_with(folder, name, flags, mode, 0);
}

int
jail_open_same(int folder, const char *name)
{
	return open_with(folder, name, O_RDONLY | O_DIRECTORY, 0,
			 RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
}

static int
open_terminated(int root, const char *path, int flags, mode_t mode)
{
	int fd = open_with(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0)
		return fd;
	if (is_of_kernel(fd)) {
		fd_close(&fd);
		return -EACCES;
	}
	return fd;
}

/* Copies a path with a NUL behind.  0 or a negative errno. */
static int
terminate(struct slice path, char out[PATH_MAX])
{
	if (path.n >= PATH_MAX)
		return -ENAMETOOLONG;
	if (path.n && memchr(path.p, '\0', path.n))
		return -EINVAL;
	/* The empty path is the root, as "/" is. */
	memcpy(out, path.n ? path.p : "/", path.n ? path.n : 1);
	out[path.n ? path.n : 1] = '\0';
	return 0;
}

int
jail_open(int root, struct slice path, int flags, mode_t mode)
{
	char text[PATH_MAX];
	int r = terminate(path, text);

	return r < 0 ? r : open_terminated(root, text, flags, mode);
}

int
jail_parent(int root, struct slice path, int flags, struct slice *base)
{
	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	if (path.n == 0)
		return -EPERM;

	const char *slash = memrchr(path.p, '/', path.n);
	*base = slash ? slice_from(path, (size_t)(slash + 1 - path.p)) : path;
	if (is_dots(*base) || memchr(base->p, '\0', base->n))
		return -EINVAL;
	if (base->n > NAME_MAX)
		return -ENAMETOOLONG;
	return jail_open(root, slice_head(path, path.n - base->n), flags | O_DIRECTORY, 0);
}
