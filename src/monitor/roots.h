/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The root folders that parts of broken uploads may be in, each with who acts there; and the file
 * that remembers them, a line of JSON each.  Pure.
 */
#ifndef WHARF_MONITOR_ROOTS_H
#define WHARF_MONITOR_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

/* Somebody in his root folder.  groups is what wire_ids_add() makes; group_names has a NUL behind
 * each. */
struct root_owner {
	struct slice user, groups, group_names, folder;
	uint32_t uid, gid;
};

struct root {
	struct buf key;          /* of all of the owner */
	struct root_owner owner; /* its slices point into key */
	uint64_t staged; /* the number of the last time that an agent began to stage there */
	uint64_t due;    /* when it is to be swept, on the monitor's clock in milliseconds */
	bool refused;    /* it was told that nobody may act so any more */
	UT_hash_handle hh;
};

struct roots {
	struct root *all;
};

/* One alone, with a copy of the owner.  0 or -ENOMEM. */
int root_init(struct root *root, const struct root_owner *owner);
void root_deinit(struct root *root);

void roots_deinit(struct roots *roots);

/* The root of that owner, or NULL. */
struct root *roots_find(const struct roots *roots, const struct root_owner *owner);
/* The same; a new one if it is not there.  NULL when memory is out. */
struct root *roots_add(struct roots *roots, const struct root_owner *owner);
void roots_drop(struct roots *roots, struct root **root);
bool root_owner_same(const struct root_owner *a, const struct root_owner *b);

/*
 * Adds what the text has, a root a line, and counts in *bad the lines that are none.  Returns 0 or
 * -ENOMEM.
 */
int roots_read(struct roots *roots, struct slice text, size_t *bad);
/* Appends one, and all, as lines; errors show in buf_error(). */
void root_format(const struct root_owner *owner, struct buf *out);
void roots_format(const struct roots *roots, struct buf *out);

#endif
