/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The set of inodes.h: open addressing, at most half full.  No file has the inode number 0. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "inodes.h"

#define ROWS_FIRST 64
#define ROWS_MAX   (8UL * 1024 * 1024)

struct inode {
	uint64_t dev, ino;
};

void
inodes_deinit(struct inodes *set)
{
	free(set->rows);
	*set = INODES_INIT;
}

/* The row where it is, or is to be. */
static struct inode *
find(struct inode *rows, size_t room, struct inode sought)
{
	uint64_t hash = (sought.ino ^ sought.dev << 40) * 0x9e3779b97f4a7c15ULL;
	size_t at = (size_t)(hash >> 20) & (room - 1);

	while (rows[at].ino && (rows[at].ino != sought.ino || rows[at].dev != sought.dev))
		at = (at + 1) & (room - 1);
	return &rows[at];
}

static int
grow(struct inodes *set)
{
	size_t room = set->room ? set->room * 2 : ROWS_FIRST;
	struct inode *rows = room > ROWS_MAX ? NULL : calloc(room, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < set->room; i++)
		if (set->rows[i].ino)
			*find(rows, room, set->rows[i]) = set->rows[i];
	free(set->rows);
	set->rows = rows;
	set->room = room;
	return 0;
}

int
inodes_add(struct inodes *set, const struct stat *st)
{
	const struct inode it = {st->st_dev, st->st_ino};

	if (set->n * 2 >= set->room && grow(set) < 0)
		return -ENOMEM;
	struct inode *row = find(set->rows, set->room, it);
	if (row->ino)
		return INODES_SEEN;
	*row = it;
	set->n++;
	return 0;
}
