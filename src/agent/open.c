/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* F_OPEN: a regular file for a worker, to read or to write. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/random.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"

/* How often a name may appear or vanish under our hands. */
#define RACES 16
/* RFC 1123 §4.1.2.9 leaves the name of STOU to the server. */
#define UNIQUE_PREFIX "ftp."
#define UNIQUE_TRIES  16

static int
open_new(const struct agent *agent, struct slice path, mode_t mode)
{
	return jail_open(agent->root, path, O_WRONLY | O_CREAT | O_EXCL, mode);
}

/* Opens a file that is there, and refuses what is not a regular file. */
static int
open_existing(const struct agent *agent, struct slice path, int flags, struct stat *st)
{
	int fd = jail_open(agent->root, path, flags, 0);

	if (fd < 0)
		return fd;
	int r = fstat(fd, st) < 0      ? -errno
		: S_ISREG(st->st_mode) ? 0
		: S_ISDIR(st->st_mode) ? -EISDIR
				       : -ENXIO;
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

/*
 * Opens to write.  Whether the file is new is known, not guessed: it is either made with O_EXCL or
 * opened without O_CREAT, and a name that comes or goes between the two is tried again.
 */
static int
open_to_write(const struct agent *agent, const struct f_open *in, bool *created, struct stat *st)
{
	const int flags = O_WRONLY | (in->how & OPEN_TRUNCATE ? O_TRUNC : 0);
	const bool may_make = (in->how & OPEN_CREATE) && agent_may(agent, RIGHT(write));
	int fd = -ENOENT;

	if ((in->how & OPEN_EXCLUSIVE) && !may_make)
		return -EACCES;
	for (int i = 0; i < RACES; i++) {
		if (may_make) {
			fd = open_new(agent, in->path, in->mode & 0777);
			*created = fd >= 0;
			if (fd != -EEXIST || (in->how & OPEN_EXCLUSIVE))
				break;
		}
		if (!agent_may(agent, RIGHT(overwrite)))
			return -EACCES;
		fd = open_existing(agent, in->path, flags, st);
		if (fd != -ENOENT || !may_make)
			break;
	}
	return fd == -ENOENT && (in->how & OPEN_CREATE) && !may_make ? -EACCES : fd;
}

/* Appends a slash and a name that nobody guesses to the folder's path. */
static int
add_unique_name(struct buf *path)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[12];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	if (path->len == 0 || path->data[path->len - 1] != '/')
		buf_add_byte(path, '/');
	buf_add_str(path, UNIQUE_PREFIX);
	for (size_t i = 0; i < sizeof(random); i++)
		buf_add_byte(path, letters[random[i] % 32]);
	return buf_error(path);
}

static int
open_unique(const struct agent *agent, const struct f_open *in, struct buf *path)
{
	int fd = -EEXIST;

	if (!agent_may(agent, RIGHT(write)))
		return -EACCES;
	for (int i = 0; i < UNIQUE_TRIES && fd == -EEXIST; i++) {
		buf_reset(path);
		buf_add_slice(path, in->path);
		int r = add_unique_name(path);
		if (r < 0)
			return r;
		fd = open_new(agent, buf_slice(path), in->mode & 0777);
	}
	return fd;
}

int
do_open(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	const struct f_open *f = &in->f_open;
	struct stat st = {0};
	bool created = false;
	int fd = -EINVAL;

	out->r_opened.name = f->path;
	if ((f->how & (OPEN_READ | OPEN_WRITE)) == OPEN_READ) {
		fd = agent_may(agent, RIGHT(read)) ? open_existing(agent, f->path, O_RDONLY, &st)
						   : -EACCES;
	} else if ((f->how & (OPEN_READ | OPEN_WRITE)) == OPEN_WRITE && (f->how & OPEN_UNIQUE)) {
		fd = open_unique(agent, f, scratch);
		created = fd >= 0;
		out->r_opened.name = buf_slice(scratch);
	} else if ((f->how & (OPEN_READ | OPEN_WRITE)) == OPEN_WRITE) {
		fd = open_to_write(agent, f, &created, &st);
	}
	if (fd < 0)
		return fd;
	out->fd = fd;
	out->r_opened.created = created;
	out->r_opened.size = created ? 0 : (uint64_t)st.st_size;
	return 0;
}
