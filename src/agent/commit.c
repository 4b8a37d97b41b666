/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * F_COMMIT, the end of an upload that is proved: a staged file gets its name.
 *
 * With COMMIT_SYNC, the order is what the answer stands for: the file and what it inherits are
 * synced, then it is renamed, then the folder is synced; and only then comes the answer.  Until the
 * folder is, the file that is replaced stays beside it, and comes back where that fails.  A sync
 * that fails is not tried again, because the kernel then says that all is well: what is staged is
 * removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "digest.h"
#include "hold.h"
#include "inherit.h"
#include "part.h"
#include "retain.h"
#include "stage.h"

/* How often a name may come or go between the look at it and the rename. */
#define RACES 16

struct commit {
	struct agent *agent;
	const struct f_commit *f;
	int fd; /* of the file; the message's own */
	struct stat st;
	struct place place;
	bool reads_folder; /* place.folder is open to read; the user may */
	bool is_new;       /* there was no file of that name when it was prepared */
	char stage[STAGE_NAME_SIZE];
	/* Where the old file is until the folder is synced, or nothing. */
	char aside[STAGE_NAME_SIZE];
	bool old_is_gone; /* it could not be put aside */
	struct stat old;
	struct change change; /* by the rename */
	struct change kept;   /* by versions */
};

static bool
wants_sync(const struct commit *c)
{
	return c->f->how & COMMIT_SYNC;
}

static int
commit_init(struct commit *c)
{
	int r = fstat(c->fd, &c->st) < 0 ? -errno : S_ISREG(c->st.st_mode) ? 0 : -EINVAL;

	if (r < 0)
		return r;
	c->reads_folder = place_open(&c->place, c->agent, c->f->path, O_RDONLY) == 0;
	return c->reads_folder ? 0 : place_init(&c->place, c->agent, c->f->path);
}

static void
commit_deinit(struct commit *c)
{
	place_deinit(&c->place);
}

/*
 * On disk is the name too.  Where the user may not read the folder, it can't be synced itself; but
 * the rename has changed the file's own ctime, and a journal that writes that writes the rename.
 */
static int
sync_folder(struct commit *c)
{
	if (c->reads_folder)
		return syncs_folder(&c->agent->syncs, c->place.folder);
	return fsync(c->fd) < 0 ? -errno : 0;
}

/* Its time is that of its completion, whoever has asked for another meanwhile. */
static int
seal_in_place(struct commit *c)
{
	int hold = hold_take(c->agent);
	int r = retain_seal(c->agent, -1, c->fd);

	hold_release(c->agent, &hold);
	return r == 0 && fstat(c->fd, &c->st) < 0 ? -errno : r;
}

/* What was written in place is the file already, and must still be it. */
static int
commit_in_place(struct commit *c)
{
	struct stat st;
	int now = jail_open(c->agent->root, c->f->path, O_PATH, 0);
	int r = now < 0 ? now : fstat(now, &st) < 0 ? -errno : 0;

	fd_close(&now);
	if (r == 0 && (st.st_ino != c->st.st_ino || st.st_dev != c->st.st_dev))
		r = -ESTALE;
	if (r == 0)
		r = seal_in_place(c);
	if (r == 0)
		r = digest_keep(c->fd, &c->st, c->f->digest);
	if (r == 0 && wants_sync(c) && fsync(c->fd) < 0)
		r = -errno;
	if (r == 0 && wants_sync(c))
		r = sync_folder(c);
	return r;
}

/* Opens the file that is to be replaced, to learn what it hands down.  -ENOENT where there is none.
 */
static int
open_old(const struct commit *c, struct stat *st)
{
	int fd = jail_open_at(c->place.folder, c->place.name, O_RDONLY | O_NOFOLLOW, 0);

	if (fd == -EACCES)
		fd = jail_open_at(c->place.folder, c->place.name, O_WRONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd == -ELOOP ? -ENOENT : fd;
	int r = fstat(fd, st) < 0 ? -errno : S_ISREG(st->st_mode) ? 0 : -EEXIST;
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

static int
inherit(struct commit *c, mode_t *mode)
{
	struct stat st;
	int old = open_old(c, &st);

	c->is_new = old == -ENOENT;
	if (c->is_new)
		return inherit_from_folder(&c->st, c->reads_folder ? c->place.folder : -1, mode);
	if (old < 0)
		return old;
	int r = inherit_from_file(c->fd, &c->st, old, &st, mode);
	fd_close(&old);
	return r;
}

/* All that is to be on disk before the name is.  0 or a negative errno. */
static int
prepare(struct commit *c)
{
	mode_t mode = c->f->mode & 0777;
	int r = 0;

	if (!stage_is_named(c->place.folder, c->stage, &c->st))
		return -ESTALE;
	/* A mode that was wished of the part may forbid to give it attributes. */
	if (!(c->st.st_mode & S_IWUSR) && fchmod(c->fd, STAGE_MODE) < 0)
		r = -errno;
	if (r == 0)
		r = inherit(c, &mode);
	if (r == 0)
		r = retain_seal(c->agent, c->place.folder, c->fd);
	if (r == 0 && retain_is_set(c->agent) && fstat(c->fd, &c->st) < 0)
		r = -errno;
	if (r == 0)
		r = digest_keep(c->fd, &c->st, c->f->digest);
	if (r == 0 && fchmod(c->fd, mode) < 0)
		r = -errno;
	if (r == 0 && wants_sync(c) && fsync(c->fd) < 0) {
		r = -errno;
		if (unlinkat(c->place.folder, c->stage, 0) == 0)
			change_gone(&c->change, &c->st);
	}
	return r;
}

/*
 * Puts the file in the place of the old one, which is aside then, under a random name: nobody takes
 * it for a part.  Where the file system can't exchange two names, the old one is gone at once.
 */
static int
exchange(struct commit *c)
{
	const int folder = c->place.folder;
	int r = stage_random_name(c->aside);

	if (r == 0)
		r = rename_to_free(folder, c->stage, folder, c->aside);
	if (r == 0 && rename_at(folder, c->aside, folder, c->place.name, RENAME_EXCHANGE) == 0)
		return 0;
	if (r == 0) {
		r = errno == EINVAL ? rename_at(folder, c->aside, folder, c->place.name, 0) : -1;
		r = r < 0 ? -errno : 0;
		c->old_is_gone = r == 0;
		if (r < 0)
			(void)rename_to_free(folder, c->aside, folder, c->stage);
	}
	c->aside[0] = '\0';
	return r;
}

/* There is a file, and it may be replaced.  0 or a negative errno. */
static int
replace(struct commit *c)
{
	const int folder = c->place.folder;
	int r = 0;

	if (!(c->f->how & COMMIT_REPLACE))
		return -EEXIST;
	if (!agent_may(c->agent, RIGHT(overwrite)))
		return -EACCES;
	if (S_ISDIR(c->old.st_mode))
		return -EISDIR;
	if (S_ISREG(c->old.st_mode)) {
		r = retain_check_in(c->agent, folder, &c->old);
		if (r == 0)
			r = version_keep(c->agent, folder, c->place.name, false, &c->kept);
		/* What is kept as a version does not go. */
		if (r == 0 && fstatat(folder, c->place.name, &c->old, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
	}
	if (r < 0)
		return r;
	if (wants_sync(c))
		r = exchange(c);
	else
		r = rename_at(folder, c->stage, folder, c->place.name, 0) < 0 ? -errno : 0;
	if (r == 0)
		change_gone(&c->change, &c->old);
	return r;
}

/* Gives the file its name.  0 or a negative errno. */
static int
publish(struct commit *c)
{
	const int folder = c->place.folder;
	const bool may_make = agent_may(c->agent, RIGHT(write));
	int hold = hold_take(c->agent);
	int r = retain_check_place(c->agent, c->f->path, folder, c->place.name);

	if (r == 0)
		r = -EEXIST;
	for (int i = 0; i < RACES && (r == -EEXIST || r == -ENOENT); i++) {
		/* What was new a moment ago is not looked for again: the rename finds out. */
		const bool seems_new = c->is_new && may_make && i == 0;
		if (!seems_new && fstatat(folder, c->place.name, &c->old, AT_SYMLINK_NOFOLLOW) == 0)
			r = replace(c);
		else if (!seems_new && errno != ENOENT)
			r = -errno;
		else
			r = may_make ? rename_to_free(folder, c->stage, folder, c->place.name)
				     : -EACCES;
		if (!(c->f->how & COMMIT_REPLACE))
			break;
	}
	hold_release(c->agent, &hold);
	return r;
}

/* The folder could not be synced: all is as before, as far as nobody else has changed it.  Where
 * the old file is gone, the new one is better than none. */
static void
take_back(struct commit *c)
{
	const int folder = c->place.folder;

	if (c->old_is_gone)
		return;
	int hold = hold_take(c->agent);

	if (stage_is_named(folder, c->place.name, &c->st)) {
		if (!c->aside[0]) {
			(void)rename_to_free(folder, c->place.name, folder, c->stage);
		} else if (rename_at(folder, c->aside, folder, c->place.name, RENAME_EXCHANGE) ==
			   0) {
			(void)rename_to_free(folder, c->aside, folder, c->stage);
			c->aside[0] = '\0';
			c->change = (struct change){0};
		}
	}
	hold_release(c->agent, &hold);
}

static int
commit_staged(struct commit *c)
{
	int r = prepare(c);

	if (r == 0)
		r = publish(c);
	if (r == 0 && wants_sync(c)) {
		r = sync_folder(c);
		if (r < 0)
			take_back(c);
	}
	if (c->aside[0])
		unlinkat(c->place.folder, c->aside, 0);
	return r;
}

int
do_commit(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct commit c = {.agent = agent, .f = &in->f_commit, .fd = in->fd};
	const bool staged = c.f->stage.n > 0;

	(void)scratch;
	int r = staged ? stage_parse(c.f->stage, c.stage) : 0;
	if (r == 0 && !(agent->settings.rights & (RIGHT(write) | RIGHT(overwrite))))
		r = -EACCES;
	if (r == 0)
		r = retain_check_way(agent, c.f->path);
	if (r == 0)
		r = commit_init(&c);
	if (r < 0)
		return r;
	r = staged ? commit_staged(&c) : commit_in_place(&c);
	commit_deinit(&c);
	out->r_closed.size = (uint64_t)c.st.st_size;
	out->r_closed.bytes = c.change.bytes + c.kept.bytes;
	out->r_closed.files = c.change.files + c.kept.files;
	return r;
}
