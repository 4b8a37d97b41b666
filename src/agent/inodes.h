/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A set of files that were seen, by device and inode number. */
#ifndef WHARF_AGENT_INODES_H
#define WHARF_AGENT_INODES_H

#include <stddef.h>
#include <sys/stat.h>

struct inode;

struct inodes {
	struct inode *rows;
	size_t n, room;
};

#define INODES_INIT ((struct inodes){0})

void inodes_deinit(struct inodes *set);

/* Adds a file.  0; INODES_SEEN where it was in there; or -ENOMEM, also beyond 4 million. */
enum { INODES_SEEN = 1 };
int inodes_add(struct inodes *set, const struct stat *st);

#endif
