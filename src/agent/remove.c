/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Removing a folder with all that is in it.  Two descriptors are open, whatever the depth (attack
 * E07): the way down is remembered as a row a level, and each step back up through ".." must end
 * where the way down came from. No link is followed and no mount is entered.  A hidden name is not
 * removed, so its folder stays; nor is a part that is written.
 *
 * Landlock looks at every folder above at each call, so a deep tree would take the square of its
 * depth.  What lies deeper than HOIST_DEPTH is moved to the top of the tree first: it is to be
 * removed anyway.  Not so under a retention: a file may be completed in there meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"
#include "folder.h"
#include "hold.h"
#include "part.h"
#include "retain.h"

#define DEPTH_MAX 100000
/* Where nothing is moved to the top. */
#define DEPTH_HELD  4096
#define HOIST_DEPTH 128

struct level {
	dev_t dev;
	ino_t ino;   /* of the folder that the way goes on from */
	size_t name; /* where, in walk.names, the name begins of what it went down to */
};

struct walk {
	struct agent *agent;
	struct change *change;
	struct folder folder; /* the deepest */
	int top;              /* the one to be removed */
	unsigned hoisted;     /* how many folders were moved there */
	bool again;           /* since the last look at it */
	struct level *levels;
	size_t depth, room;
	struct buf names; /* of the way down, each with a NUL behind */
	dev_t dev;
};

/* Opens a folder in another, and checks that it is on the same file system. */
static int
open_folder(const struct walk *w, int at, const char *name)
{
	struct stat st;
	int fd = jail_open_at(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	int r = fstat(fd, &st) < 0 ? -errno : st.st_dev != w->dev ? -EXDEV : 0;
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

/*
 * Moves a folder of the deepest one to the top, under a name that is free.  Returns whether that
 * was possible.
 */
static bool
hoist(struct walk *w, struct slice name)
{
	char there[32];
	int r;

	do {
		snprintf(there, sizeof(there), "removing.%u", w->hoisted++);
		r = rename_at(w->folder.fd, name.p, w->top, there, RENAME_NOREPLACE);
	} while (r < 0 && errno == EEXIST && w->hoisted);
	w->again = w->again || r == 0;
	return r == 0;
}

static int
go_down(struct walk *w, struct slice name)
{
	struct stat st;

	const bool held = retain_is_set(w->agent);

	if (w->depth == HOIST_DEPTH && !held && hoist(w, name))
		return 0;
	if (w->depth == (held ? DEPTH_HELD : DEPTH_MAX))
		return -ELOOP;
	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 16;
		struct level *levels = realloc(w->levels, room * sizeof(*levels));
		if (!levels)
			return -ENOMEM;
		w->levels = levels;
		w->room = room;
	}
	if (fstat(w->folder.fd, &st) < 0)
		return -errno;
	w->levels[w->depth] = (struct level){st.st_dev, st.st_ino, w->names.len};
	buf_add(&w->names, name.p, name.n + 1);
	if (buf_error(&w->names) < 0)
		return -ENOMEM;
	int fd = open_folder(w, w->folder.fd, w->names.data + w->levels[w->depth].name);
	if (fd < 0)
		return fd;
	w->depth++;
	folder_change(&w->folder, fd);
	return 0;
}

/* Back to the folder above, where the one that was left, empty now, is removed. */
static int
go_up(struct walk *w)
{
	const struct level *level = &w->levels[w->depth - 1];
	struct stat st;
	int fd = open_folder(w, w->folder.fd, "..");

	if (fd < 0)
		return fd;
	folder_change(&w->folder, fd);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_ino != level->ino || st.st_dev != level->dev)
		return -ESTALE;
	if (unlinkat(fd, w->names.data + level->name, AT_REMOVEDIR) < 0)
		return -errno;
	w->names.len = level->name;
	w->depth--;
	return 0;
}

/* Removes a name that may be one of a folder: -EISDIR then. */
static int
remove_name(struct walk *w, const char *name)
{
	struct stat st;
	int hold = hold_take(w->agent);
	int r = fstatat(w->folder.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;

	if (r == 0 && S_ISDIR(st.st_mode))
		r = -EISDIR;
	if (r == 0)
		r = retain_check_name(w->agent, w->folder.fd, name, &st);
	if (r == 0 && unlinkat(w->folder.fd, name, 0) < 0)
		r = -errno;
	if (r == 0)
		change_gone(w->change, &st);
	hold_release(w->agent, &hold);
	return r == -ENOENT ? 0 : r;
}

/* What was kept of replaced files does not go with the folder, or whoever has the password would
 * have a way to it. */
static bool
is_kept(const struct agent *agent, struct slice name)
{
	return agent->settings.versions > 0 && slice_equal(name, SLICE(VERSION_FOLDER));
}

/* Removes one name, or goes down into it. */
static int
remove_item(struct walk *w, const struct folder_item *item)
{
	int part = -1, r = -EISDIR;

	if (agent_hides(w->agent, item->name) || is_kept(w->agent, item->name))
		return -ENOTEMPTY;
	if (part_is_name(item->name)) {
		part = part_open_idle(w->agent, w->folder.fd, item->name.p);
		if (part == -EBUSY)
			return part;
	}
	if (item->type != DT_DIR)
		r = remove_name(w, item->name.p);
	fd_close(&part);
	return r == -EISDIR ? go_down(w, item->name) : r;
}

/* Begins once more with what was moved to the top. */
static int
look_again(struct walk *w)
{
	int fd = open_folder(w, w->top, ".");

	if (fd < 0)
		return fd;
	folder_change(&w->folder, fd);
	w->again = false;
	return 0;
}

/* Empties the folder that the walk begins with. */
static int
empty(struct walk *w)
{
	struct folder_item item;

	for (;;) {
		int r = folder_next(&w->folder, &item);
		if (r == 0)
			r = remove_item(w, &item);
		else if (r == FOLDER_END && w->depth > 0)
			r = go_up(w);
		else if (r == FOLDER_END && w->again)
			r = look_again(w);
		if (r != 0)
			return r == FOLDER_END ? 0 : r;
	}
}

int
remove_tree(struct agent *agent, int parent, const char *name, struct change *change)
{
	struct walk w = {.agent = agent, .change = change, .top = -1};
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	w.dev = st.st_dev;
	int r = retain_check_new(agent, parent, name, false);
	int fd = r < 0 ? r : open_folder(&w, parent, name);
	if (fd < 0)
		return fd;
	r = folder_init(&w.folder, fd);
	if (r == 0)
		r = w.top = open_folder(&w, fd, ".");
	/* Rather nothing than a half, where something must stay. */
	if (r >= 0)
		r = retain_check_tree(agent, w.top);
	if (r >= 0)
		r = empty(&w);
	folder_deinit(&w.folder);
	fd_close(&w.top);
	free(w.levels);
	buf_deinit(&w.names);
	if (r < 0)
		return r;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}
