/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What an agent knows, which does not change once it is in its jail, so that its threads share it
 * without locks, and what it can be asked for.
 *
 * A handler does what a request asks and fills in the fields of its answer, but for `id` and
 * `error`.  It returns 0 or a negative errno, which becomes `error`.  Rights, paths and hidden
 * names were checked before, from the table in serve.c; a handler looks only at what the table
 * can't know.  Slices in the answer may point into *scratch.
 */
#ifndef WHARF_AGENT_AGENT_H
#define WHARF_AGENT_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <wharf/base/buf.h>
#include <wharf/conf/settings.h>
#include <wharf/sandbox/identity.h>
#include <wharf/wire/wire.h>

#include "names.h"

/* Rights that change something. */
#define RIGHTS_TO_CHANGE                                                                  \
	(RIGHT(write) | RIGHT(overwrite) | RIGHT(delete) | RIGHT(rename) | RIGHT(mkdir) | \
	 RIGHT(chmod))

struct agent {
	int root; /* of the jail, O_PATH */
	bool as_root;
	struct identity who;
	char *folder; /* the jail's path on the host */
	struct settings settings;
	struct names users, groups;
	atomic_int listers; /* threads that write listings */
};

static inline bool
agent_may(const struct agent *agent, unsigned right)
{
	return (agent->settings.rights & right) == right;
}

/* Whether a name of a folder is neither shown nor served. */
bool agent_hides(const struct agent *agent, struct slice name);

/* Serves a worker's channel with threads of its own, and takes over fd.  0 or a negative errno. */
int serve_channel(struct agent *agent, int fd);

/* The names of a file's owner and group, as listings may show them. */
void look_owners(const struct agent *agent, uint32_t uid, uint32_t gid, struct slice *owner,
		 struct slice *group);
/* enum entry_perm of a file in the folder `parent`, or of the root where parent is NULL. */
unsigned look_perm(const struct agent *agent, const struct stat *st, const struct stat *parent);

/* Copies a name and puts a NUL behind it; it was checked to be short enough by jail_parent(). */
void name_terminate(struct slice name, char out[]);

int do_open(struct agent *agent, const struct message *in, struct message *out,
	    struct buf *scratch);
int do_stat(struct agent *agent, const struct message *in, struct message *out,
	    struct buf *scratch);
int do_space(struct agent *agent, const struct message *in, struct message *out,
	     struct buf *scratch);
int do_list(struct agent *agent, const struct message *in, struct message *out,
	    struct buf *scratch);
int do_mkdir(struct agent *agent, const struct message *in, struct message *out,
	     struct buf *scratch);
int do_rmdir(struct agent *agent, const struct message *in, struct message *out,
	     struct buf *scratch);
int do_unlink(struct agent *agent, const struct message *in, struct message *out,
	      struct buf *scratch);
int do_rename(struct agent *agent, const struct message *in, struct message *out,
	      struct buf *scratch);
int do_chmod(struct agent *agent, const struct message *in, struct message *out,
	     struct buf *scratch);
int do_chgrp(struct agent *agent, const struct message *in, struct message *out,
	     struct buf *scratch);
int do_utime(struct agent *agent, const struct message *in, struct message *out,
	     struct buf *scratch);
int do_symlink(struct agent *agent, const struct message *in, struct message *out,
	       struct buf *scratch);

/*
 * Removes the folder `name` of the folder `parent` with all that is in it.  0 or a negative errno.
 */
int remove_tree(const struct agent *agent, int parent, const char *name);

#endif
