/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Parts of uploads that nobody writes: what may be removed of what stage.h makes. */
#ifndef WHARF_AGENT_PART_H
#define WHARF_AGENT_PART_H

#include <stdbool.h>

#include <wharf/base/slice.h>

struct agent;

/* The letters behind STAGE_PREFIX of a user's part of a name, and of a second one behind a tilde.
 */
#define PART_LETTERS        26
#define PART_RANDOM_LETTERS 12

/* Whether a name is that of a part, of either kind. */
bool part_is_name(struct slice name);

/*
 * Opens a part that nobody writes, and keeps who wants to from it until the descriptor is closed.
 * A descriptor; -EBUSY where it is written; -ENOENT where the name is another file by now or no
 * regular one; -EACCES for one whose mode or owner forbids that; or another negative errno.
 */
int part_open_idle(struct agent *agent, int folder, const char *name);

#endif
