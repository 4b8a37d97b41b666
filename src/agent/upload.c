/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Opening a staging file for an upload: a new one for a whole file; to go on, the user's own part,
 * or a copy of the file that shares its blocks.  What can't be staged is written in place, and the
 * log says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/sandbox/jail.h>

#include "open.h"
#include "retain.h"
#include "stage.h"

/* A condition of this module: the file is to be opened in place, why is in upload.why. */
#define IN_PLACE 1

struct upload {
	struct agent *agent;
	const struct f_open *f;
	struct place place;
	bool exists;    /* what it is to be */
	struct stat st; /* of that */
	char stage[STAGE_NAME_SIZE];
	int fd; /* of the staging file */
	uint64_t size;
	bool taken; /* it was there: the user's own part */
	struct change change;
	const char *why;
};

static int
in_place(struct upload *u, const char *why)
{
	u->why = why;
	return IN_PLACE;
}

/* What is there under the upload's name.  0 or a negative errno. */
static int
look(struct upload *u)
{
	u->exists = fstatat(u->place.folder, u->place.name, &u->st, AT_SYMLINK_NOFOLLOW) == 0;
	return u->exists || errno == ENOENT ? 0 : -errno;
}

/* What rights and retention say.  0 or a negative errno. */
static int
check(const struct upload *u)
{
	const uint32_t how = u->f->how;
	const bool may_make = agent_may(u->agent, RIGHT(write));

	if (!u->exists || (how & OPEN_EXCLUSIVE))
		return !may_make ? -EACCES : u->exists ? -EEXIST : 0;
	if (!agent_may(u->agent, RIGHT(overwrite)))
		return -EACCES;
	if (S_ISDIR(u->st.st_mode))
		return -EISDIR;
	/* Opening in place follows a link, and asks then. */
	if (S_ISLNK(u->st.st_mode))
		return 0;
	return S_ISREG(u->st.st_mode) ? retain_check(u->agent, u->f->path, &u->st) : -ENXIO;
}

static bool
may_give_group(const struct agent *agent, gid_t gid, const struct stat *folder)
{
	/* A folder with that bit gives its group to what is made in it. */
	bool may = gid == (folder->st_mode & S_ISGID ? folder->st_gid : agent->who.gid) ||
		   gid == agent->who.gid;

	for (size_t i = 0; i < agent->who.n_groups && !may; i++)
		may = agent->who.groups[i] == gid;
	return may;
}

/* Whether another file could take the place of this one, and nobody would know.  0 or IN_PLACE. */
static int
check_replaceable(struct upload *u)
{
	struct stat folder;

	if (S_ISLNK(u->st.st_mode))
		return in_place(u, "it is a symbolic link");
	if (u->st.st_nlink > 1 && !version_is_twin(u->place.folder, u->place.name, &u->st))
		return in_place(u, "the file has several hard links");
	if (u->st.st_uid != u->agent->who.uid)
		return in_place(u, "the file has another owner");
	if (fstat(u->place.folder, &folder) < 0)
		return -errno;
	if (!may_give_group(u->agent, u->st.st_gid, &folder))
		return in_place(u, "the file has a group that the user is not in");
	return 0;
}

/*
 * Opens what is to be replaced: who may not write to it may not replace it.  A descriptor or a
 * negative errno.
 */
static int
open_target(const struct upload *u)
{
	int fd = jail_open_at(u->place.folder, u->place.name, O_RDWR | O_NOFOLLOW, 0);

	return fd == -EACCES
		       ? jail_open_at(u->place.folder, u->place.name, O_WRONLY | O_NOFOLLOW, 0)
		       : fd;
}

/* The user's own part.  0 or a negative errno. */
static int
take_part(struct upload *u)
{
	struct stat st;

	u->fd = stage_take(u->agent, u->place.folder, u->stage, &st);
	if (u->fd < 0)
		return u->fd;
	u->size = (uint64_t)st.st_size;
	u->taken = true;
	return 0;
}

/* A new staging file was made, or could not be: under a random name where the ordinary one is
 * taken. */
static int
made(struct upload *u)
{
	if (u->fd == -EEXIST || u->fd == -EBUSY) {
		/* Who has taken the new one counts when it goes, not that it came. */
		u->change.files += u->fd == -EBUSY;
		int r = stage_random_name(u->stage);
		if (r < 0)
			return r;
		u->fd = stage_make(u->agent, u->place.folder, u->stage);
	}
	switch (u->fd) {
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return u->exists ? in_place(u, "its folder can't be written") : u->fd;
	case -ENOLCK:
	case -EOPNOTSUPP:
		return in_place(u, "the file system has no locks");
	default:
		break;
	}
	if (u->fd < 0)
		return u->fd;
	u->change.files++;
	return 0;
}

static int
make(struct upload *u)
{
	sweep_expect(u->agent);
	u->fd = stage_make(u->agent, u->place.folder, u->stage);
	return made(u);
}

/*
 * A new file for a whole upload.  An old part goes, where nobody writes it: it would only be in the
 * way.
 */
static int
begin_whole(struct upload *u)
{
	sweep_expect(u->agent);
	u->fd = stage_make(u->agent, u->place.folder, u->stage);
	if (u->fd != -EEXIST)
		return made(u);
	int r = stage_remove(u->agent, &u->place, &u->change);
	if (r < 0 && r != -ENOENT && r != -EBUSY)
		r = stage_random_name(u->stage);
	return r == -EIO ? r : make(u);
}

/* A copy of the file that is there. */
static int
begin_copy(struct upload *u, int target)
{
	struct stat st = {0};
	int r = make(u);

	if (r != 0)
		return r;
	r = ioctl(u->fd, FICLONE, target) < 0 ? -errno : fstat(u->fd, &st) < 0 ? -errno : 0;
	if (r == 0) {
		u->size = (uint64_t)st.st_size;
		u->change.bytes += st.st_size;
		return 0;
	}
	if (unlinkat(u->place.folder, u->stage, 0) == 0)
		u->change.files--;
	fd_close(&u->fd);
	if (r == -ENOSPC || r == -EDQUOT || r == -EIO)
		return r;
	return in_place(u, "the file system can't share a copy's blocks");
}

/* With a file that is there.  0, IN_PLACE or a negative errno. */
static int
begin_beside(struct upload *u)
{
	int r = check_replaceable(u);
	int target = r != 0 ? -1 : open_target(u);

	if (r == 0)
		r = target < 0               ? target
		    : u->f->how & OPEN_WHOLE ? begin_whole(u)
					     : begin_copy(u, target);
	fd_close(&target);
	return r;
}

/* Opens the staging file.  0, IN_PLACE or a negative errno. */
static int
begin(struct upload *u)
{
	int r = look(u);

	stage_name(u->agent, slice_of(u->place.name), u->stage);
	if (r == 0)
		r = check(u);
	if (r == 0 && !(u->f->how & OPEN_WHOLE)) {
		r = take_part(u);
		if (r != -ENOENT)
			return r;
		r = 0;
	}
	if (r < 0)
		return r;
	if (u->exists)
		return begin_beside(u);
	return u->f->how & OPEN_CREATE ? begin_whole(u) : -ENOENT;
}

int
open_staged(struct agent *agent, const struct f_open *f, struct r_opened *out, struct buf *scratch)
{
	struct upload u = {.agent = agent, .f = f, .fd = -1};
	int r = retain_check_way(agent, f->path);

	if (r == 0)
		r = place_init(&u.place, agent, f->path);
	if (r < 0)
		return r;
	r = begin(&u);
	/* A part that was there is a file already, and takes the place of what is kept. */
	out->versions = r == 0 && u.exists && !u.taken &&
			version_is_due(agent, u.place.folder, u.place.name, false, &u.st);
	place_deinit(&u.place);
	if (r == IN_PLACE) {
		LOG(INFO, "an upload is written in place", LOG_BYTES("path", f->path),
		    LOG_STR("why", u.why));
		r = open_in_place(agent, f, out);
		out->bytes += u.change.bytes;
		out->files += u.change.files;
		return r;
	}
	/* Also of what failed half-way. */
	out->bytes = u.change.bytes;
	out->files = u.change.files;
	if (r < 0)
		return r;
	const size_t at = scratch->len;
	buf_add_str(scratch, u.stage);
	if (buf_error(scratch) < 0) {
		fd_close(&u.fd);
		return -ENOMEM;
	}
	out->stage = slice_from(buf_slice(scratch), at);
	out->created = !u.exists && u.size == 0;
	out->replaces = u.exists;
	out->made = !u.taken;
	out->size = u.size;
	return u.fd;
}
