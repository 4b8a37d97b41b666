/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The walk of tree.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "tree.h"

#define DEPTH_MAX   100000
#define DEPTH_KEPT  16
#define NAMES_BYTES (64UL * 1024 * 1024)

struct tree_level {
	int fd; /* or -1: it is found again by ".." */
	dev_t dev;
	ino_t ino;
	size_t start;
};

int
tree_init(struct tree *tree, int fd, bool mounts)
{
	*tree = (struct tree){.mounts = mounts};
	return folder_init(&tree->folder, fd);
}

void
tree_deinit(struct tree *tree)
{
	folder_deinit(&tree->folder);
	while (tree->depth)
		fd_close(&tree->levels[--tree->depth].fd);
	free(tree->levels);
	tree->levels = NULL;
	buf_deinit(&tree->names);
}

/* A row for the deepest folder, which is left for one in it. */
static int
add_level(struct tree *t)
{
	struct stat st;

	if (t->depth == DEPTH_MAX)
		return -ELOOP;
	if (t->depth == t->room) {
		size_t room = t->room ? t->room * 2 : 16;
		struct tree_level *levels = realloc(t->levels, room * sizeof(*levels));
		if (!levels)
			return -ENOMEM;
		t->levels = levels;
		t->room = room;
	}
	if (fstat(t->folder.fd, &st) < 0)
		return -errno;
	t->levels[t->depth] = (struct tree_level){-1, st.st_dev, st.st_ino, t->start};
	if (t->depth < DEPTH_KEPT) {
		t->levels[t->depth].fd = t->folder.fd;
		t->folder.fd = -1;
	}
	t->depth++;
	return 0;
}

/*
 * Enters the last of the names that are left.  Returns 0 also where it is no folder any more or one
 * of another mount, and -EACCES, with the name in *item, where it may not be read.
 */
static int
go_down(struct tree *t, struct folder_item *item)
{
	size_t at = t->names.len - 1;

	while (at > t->start && t->names.data[at - 1])
		at--;
	const char *name = t->names.data + at;
	t->names.len = at;
	*item = (struct folder_item){slice_of(name), DT_DIR};
	int fd = t->mounts
			 ? jail_open_at(t->folder.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
			 : jail_open_same(t->folder.fd, name);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV)
		return 0;
	int r = fd < 0 ? fd : add_level(t);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	folder_change(&t->folder, fd);
	t->is_read = false;
	t->start = t->names.len;
	return 0;
}

static int
go_up(struct tree *t)
{
	struct tree_level *level = &t->levels[t->depth - 1];
	struct stat st;
	int fd = level->fd;

	if (fd < 0) {
		fd = jail_open_at(t->folder.fd, "..", O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0)
			return fd == -EACCES ? -ESTALE : fd;
		int r = fstat(fd, &st) < 0                                   ? -errno
			: st.st_ino != level->ino || st.st_dev != level->dev ? -ESTALE
									     : 0;
		if (r < 0) {
			fd_close(&fd);
			return r;
		}
	}
	t->depth--;
	folder_change(&t->folder, fd);
	t->is_read = true;
	t->start = level->start;
	return 0;
}

/* What a folder's own list does not tell. */
static int
ask_type(const struct tree *t, struct folder_item *item)
{
	struct stat st;

	if (item->type != DT_UNKNOWN)
		return 0;
	if (fstatat(t->folder.fd, item->name.p, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	item->type = (unsigned char)IFTODT(st.st_mode);
	return 0;
}

int
tree_next(struct tree *tree, struct folder_item *item)
{
	for (;;) {
		int r = tree->is_read ? FOLDER_END : folder_next(&tree->folder, item);
		if (r < 0)
			return r;
		if (r == FOLDER_END) {
			tree->is_read = true;
			if (tree->names.len > tree->start)
				r = go_down(tree, item);
			else if (tree->depth == 0)
				return TREE_END;
			else
				r = go_up(tree);
			if (r == -EACCES)
				return 0;
			if (r < 0)
				return r;
			continue;
		}
		r = ask_type(tree, item);
		if (r == 0 && item->type != DT_DIR)
			return 0;
		if (r < 0 && r != -ENOENT)
			return r;
		if (r < 0)
			continue;
		buf_add(&tree->names, item->name.p, item->name.n + 1);
		if (buf_error(&tree->names) < 0 || tree->names.len > NAMES_BYTES)
			return -ENOMEM;
	}
}
