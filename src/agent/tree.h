/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Walking all that is in a folder, at any depth, one item at a time.  Few descriptors are open,
 * whatever the depth (attack E07): the first levels keep theirs, and each step up from below them
 * goes through "..", which must end where the way down came from.  No link is followed.  What is
 * kept of a folder is the names of those below it that are still to be entered.
 */
#ifndef WHARF_AGENT_TREE_H
#define WHARF_AGENT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <wharf/base/buf.h>

#include "folder.h"

struct tree_level;

struct tree {
	struct folder folder; /* the deepest */
	bool is_read;         /* it is, to its end */
	bool mounts;
	struct tree_level *levels;
	size_t depth, room;
	size_t start;     /* where, in names, those of the deepest begin */
	struct buf names; /* of folders to be entered, each with a NUL behind */
};

/*
 * Takes over fd, a folder that is open to read.  mounts: whether those in it are entered.  0 or
 * -ENOMEM.
 */
int tree_init(struct tree *tree, int fd, bool mounts);
void tree_deinit(struct tree *tree);

/*
 * The next item that is not a folder; or a folder that may not be read, with the type DT_DIR.  Its
 * type is never DT_UNKNOWN, and it is in tree->folder.fd.  Returns 0, TREE_END, or a negative
 * errno: -ESTALE where a folder was moved meanwhile and the way back is lost, -ENOMEM also for too
 * many names, -ELOOP for too deep a tree.
 */
enum { TREE_END = 1 };
int tree_next(struct tree *tree, struct folder_item *item);

#endif
