/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * F_USAGE: what the files of the root take in all, as "find -type f" lists them, with mounts and
 * hidden names; a file with several names in the root counts once.  Apparent sizes.  A folder of
 * somebody else that may not be read is left out; with one of his own, or a tree that is moved
 * about while it is counted, nobody knows, and the answer is an error.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"
#include "inodes.h"
#include "tree.h"

/* How often it is begun again where a folder was moved meanwhile. */
#define TRIES 8

/* What it means that a folder may not be read or entered. */
static int
judge_closed(const struct agent *agent, const struct stat *folder)
{
	return folder->st_uid == agent->who.uid ? -EACCES : 0;
}

static int
count_item(const struct agent *agent, const struct tree *tree, const struct folder_item *item,
	   struct inodes *seen, struct r_usage *out)
{
	struct stat st;

	if (item->type != DT_REG && item->type != DT_DIR)
		return 0;
	if (fstatat(tree->folder.fd, item->name.p, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == EACCES && fstat(tree->folder.fd, &st) == 0)
			return judge_closed(agent, &st);
		return errno == ENOENT ? 0 : -errno;
	}
	if (S_ISDIR(st.st_mode))
		return judge_closed(agent, &st);
	if (!S_ISREG(st.st_mode))
		return 0;
	int r = st.st_nlink > 1 ? inodes_add(seen, &st) : 0;
	if (r != 0)
		return r == INODES_SEEN ? 0 : r;
	out->bytes += (uint64_t)st.st_size;
	out->files++;
	return 0;
}

static int
count(const struct agent *agent, struct r_usage *out)
{
	struct inodes seen = INODES_INIT;
	struct folder_item item;
	struct tree tree;
	int fd = jail_open(agent->root, SLICE("/"), O_RDONLY | O_DIRECTORY, 0);

	out->bytes = out->files = 0;
	if (fd < 0)
		return fd;
	int r = tree_init(&tree, fd, true);
	while (r == 0 && (r = tree_next(&tree, &item)) == 0)
		r = count_item(agent, &tree, &item, &seen, out);
	tree_deinit(&tree);
	inodes_deinit(&seen);
	return r == TREE_END ? 0 : r;
}

int
do_usage(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	int r = -ESTALE;

	(void)in;
	(void)scratch;
	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = count(agent, &out->r_usage);
	return r;
}
