/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Changes the users file: the lock, the new file beside the old one, and the rename.  The lock is
 * on the folder, because the file itself is replaced, and a lock file would stay behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/conf/users.h>

#include "text.h"

struct edit {
	int folder;       /* locked */
	const char *name; /* in the folder */
	char *fresh;      /* the new file's name */
	struct stat old;  /* st_nlink is 0 when there is none */
	struct buf before, after;
};

static int
lock_folder(const char *path, struct edit *e)
{
	const char *slash = strrchr(path, '/');
	char *folder = !slash          ? strdup(".")
		       : slash == path ? strdup("/")
				       : strndup(path, (size_t)(slash - path));

	if (!folder)
		return -ENOMEM;
	e->name = slash ? slash + 1 : path;
	e->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (e->folder < 0)
		return -errno;
	while (flock(e->folder, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int
read_old(struct edit *e)
{
	int fd = openat(e->folder, e->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &e->old) < 0)
		r = -errno;
	else
		r = conf_text_read_fd(fd, &e->before);
	fd_close(&fd);
	return r;
}

static int
fill_fresh(const struct edit *e, int fd)
{
	int r = fd_write_all(fd, buf_slice(&e->after));

	if (r < 0)
		return r;
	if (e->old.st_nlink && fchown(fd, e->old.st_uid, e->old.st_gid) < 0)
		return -errno;
	/* Not left to the umask, which may take bits away even from 0600. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int
replace(struct edit *e)
{
	int fd, r;

	/* We hold the lock, so one that is there was left by a process that died. */
	unlinkat(e->folder, e->fresh, 0);
	fd = openat(e->folder, e->fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    S_IRUSR | S_IWUSR);
	if (fd < 0)
		return -errno;
	r = fill_fresh(e, fd);
	fd_close(&fd);
	if (r == 0 && renameat(e->folder, e->fresh, e->folder, e->name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(e->folder, e->fresh, 0);
	else if (fsync(e->folder) < 0)
		r = -errno;
	return r;
}

int
users_edit(const char *path, users_change_fn change, void *arg)
{
	struct edit e = {.folder = -1};
	struct buf fresh = BUF_INIT;
	int r = lock_folder(path, &e);

	if (r == 0)
		r = read_old(&e);
	if (r == 0)
		r = change(buf_slice(&e.before), &e.after, arg);
	if (r == 0)
		r = buf_error(&e.after);
	if (r == 0) {
		buf_printf(&fresh, "%s.new%c", e.name, '\0');
		e.fresh = fresh.data;
		r = buf_error(&fresh) < 0 ? -ENOMEM : replace(&e);
	}
	fd_close(&e.folder);
	buf_wipe(&e.before);
	buf_wipe(&e.after);
	buf_deinit(&fresh);
	return r;
}
