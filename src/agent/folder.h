/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Reading a folder's names: getdents64(2) in blocks. */
#ifndef WHARF_AGENT_FOLDER_H
#define WHARF_AGENT_FOLDER_H

#include <stddef.h>

#include <wharf/base/slice.h>

struct folder {
	int fd; /* the reader's own */
	char *block;
	size_t at, len; /* in block */
};

struct folder_item {
	struct slice name;  /* with a NUL behind; holds until the next call */
	unsigned char type; /* DT_DIR, ... or DT_UNKNOWN */
};

/* Takes over fd, a folder that is open to read.  0 or -ENOMEM. */
int folder_init(struct folder *folder, int fd);
void folder_deinit(struct folder *folder);

/* The next name, "." and ".." left out.  0, FOLDER_END, or a negative errno. */
enum { FOLDER_END = 1 };
int folder_next(struct folder *folder, struct folder_item *item);

/* Goes on with another folder.  Takes over fd. */
void folder_change(struct folder *folder, int fd);

#endif
