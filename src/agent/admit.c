/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Admission to held folders; see admit.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "admit.h"
#include "agent.h"
#include "digest.h"
#include "part.h"
#include "retain.h"
#include "rule.h"
#include "tree.h"

/* Whether what comes from one folder into the other will be held there, and was not by that rule.
 * 1 or 0, or a negative errno. */
static int
is_new_to(const struct agent *agent, int from, int to)
{
	struct rule before, after;
	int r = rule_find(agent, to, &after);

	if (r <= 0 || after.seconds == 0)
		return r < 0 ? r : 0;
	r = rule_find(agent, from, &before);
	if (r < 0)
		return r;
	return r == 0 || !slice_equal(before.folder, after.folder);
}

/* Gives an open file the present time; the digest that is kept with it is still its own. */
static int
renew(int fd)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	struct buf digest = BUF_INIT;
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : 0;

	if (r == 0)
		digest_get(fd, &st, &digest);
	if (r == 0 && futimens(fd, times) < 0)
		r = -errno;
	if (r == 0 && digest.len && fstat(fd, &st) == 0)
		(void)digest_keep(fd, &st, buf_slice(&digest));
	buf_deinit(&digest);
	return r;
}

/* A part gets its time when it is whole. */
static int
admit_file(struct agent *agent, int folder, const char *name)
{
	int fd = part_open_idle(agent, folder, name);
	int r = fd < 0 || part_is_name(slice_of(name)) ? 0 : renew(fd);

	if (fd < 0)
		return fd;
	fd_close(&fd);
	return r;
}

static int
admit_tree(struct agent *agent, int from, const char *name)
{
	struct folder_item item;
	struct tree tree;
	int fd = jail_open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	int r = tree_init(&tree, fd, true);
	while (r == 0 && (r = tree_next(&tree, &item)) == 0) {
		if (item.type == DT_DIR)
			r = -EACCES;
		else if (item.type == DT_REG)
			r = admit_file(agent, tree.folder.fd, item.name.p);
		/* It has gone meanwhile. */
		if (r == -ENOENT)
			r = 0;
	}
	tree_deinit(&tree);
	return r == TREE_END ? 0 : r;
}

int
admit(struct agent *agent, int from, const char *name, const struct stat *st, int to)
{
	if (!retain_is_set(agent))
		return 0;
	int r = is_new_to(agent, from, to);
	if (r <= 0)
		return r;
	if (S_ISDIR(st->st_mode))
		return admit_tree(agent, from, name);
	return S_ISREG(st->st_mode) ? admit_file(agent, from, name) : 0;
}
