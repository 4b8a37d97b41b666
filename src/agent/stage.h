/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Staging files: what an upload is written to, beside the file that it is to be.
 *
 * A user has one for each name, ".wharfd-" and 26 letters that only who has the key can compute; it
 * is found again when he goes on with a broken upload.  Who uploads the same name at the same time
 * gets one with a random name, ".wharfd-~" and 12 letters.
 *
 * Whoever writes it holds a lock of its open file description, which ends with the last descriptor.
 * Its mode is STAGE_MODE until somebody wishes another.
 */
#ifndef WHARF_AGENT_STAGE_H
#define WHARF_AGENT_STAGE_H

#include "agent.h"

#define STAGE_NAME_SIZE 40 /* with the NUL */

/* The sticky bit says that nobody has wished a mode. */
#define STAGE_MODE 01600

/* The name of the user's own staging file for a name. */
void stage_name(const struct agent *agent, struct slice target, char out[STAGE_NAME_SIZE]);
/* A random one.  0 or -EIO. */
int stage_random_name(char out[STAGE_NAME_SIZE]);
/* Whether a name is a random one; part_is_name() is for both. */
bool stage_is_random(struct slice name);

/* Takes the name of a staging file from a worker, who may name nothing else.  0 or -EINVAL. */
int stage_parse(struct slice name, char out[STAGE_NAME_SIZE]);

/*
 * The virtual path of the user's own staging file for a path, in *out, which is reset first.  0 or
 * -ENOMEM.
 */
int stage_path(const struct agent *agent, struct slice path, struct buf *out);

/*
 * Waits until no descriptor is open here that was sent to a worker: it may have closed its own
 * already, and nobody has the lock then who writes.
 */
void stage_await_handed(struct agent *agent);
/* Takes the lock.  0, -EBUSY where somebody else has it, or a negative errno. */
int stage_lock(struct agent *agent, int fd);

/* Whether the name in the folder is that of the file with these facts. */
bool stage_is_named(int folder, const char *name, const struct stat *st);

/*
 * A new staging file, locked, open to read and to write.  A descriptor, or a negative errno:
 * -EEXIST; -EBUSY where somebody else took it at once.
 */
int stage_make(struct agent *agent, int folder, const char *name);

/*
 * A staging file of the user's that is there, likewise.  Its facts are in *st then.  -ENOENT, or
 * -EBUSY where somebody writes it.
 */
int stage_take(struct agent *agent, int folder, const char *name, struct stat *st);

/*
 * Removes the user's part of a name that has nothing else.  Adds to *change.  0 or a negative
 * errno: -ENOENT, -EBUSY.
 */
int stage_remove(struct agent *agent, const struct place *place, struct change *change);

#endif
