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

#include <pthread.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <wharf/base/buf.h>
#include <wharf/conf/settings.h>
#include <wharf/ftp/path.h>
#include <wharf/sandbox/identity.h>
#include <wharf/wire/wire.h>

#include "names.h"
#include "syncs.h"

struct sweeper;

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
	char *user;               /* his name, which staging files are his by */
	unsigned char key[32];    /* a secret that their names are made with */
	pthread_mutex_t changing; /* see hold.h */
	struct syncs syncs;
	/* Who hands over a descriptor reads; who must know that he has closed his own writes. */
	pthread_rwlock_t handing;
	struct sweeper *sweeper;
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

/* A last component and its folder. */
struct place {
	int folder;
	char name[NAME_MAX + 1];
};

/* Opens the folder of a virtual path, as O_PATH; or as the flags say, O_PATH or O_RDONLY.  0 or a
 * negative errno, as jail_parent(). */
int place_init(struct place *p, const struct agent *agent, struct slice path);
int place_open(struct place *p, const struct agent *agent, struct slice path, int flags);
void place_deinit(struct place *p);

/* renameat2(2). */
int rename_at(int from_folder, const char *from, int to_folder, const char *to, unsigned flags);
/* Renames to a name that is free.  0 or a negative errno: -EEXIST. */
int rename_to_free(int from_folder, const char *from, int to_folder, const char *to);

/* By how much a request has changed what the user's files take in all. */
struct change {
	int64_t bytes, files;
};

/*
 * Counts that one of a file's names goes.  Only the last one counts: while there are others the
 * file is still there, in the root for all we know.  *st: from before, with that name.
 */
static inline void
change_gone(struct change *change, const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || st->st_nlink > 1)
		return;
	change->bytes -= st->st_size;
	change->files--;
}

/*
 * Staging (stage.c).  Names with this prefix are wharfd's own: no command reaches them and no
 * listing shows them (path_reserved() in wharf/ftp/path.h), but for those of versions where
 * show_versions is set.
 */
#define STAGE_PREFIX   PATH_RESERVED
#define VERSION_FOLDER PATH_VERSIONS

/*
 * Versions (version.c).  Keeps the file `name` of the folder aside, which is about to be replaced
 * or written over: by a link where it will be replaced, by a copy where `copied`.  Nothing happens
 * where versions = 0.  Removes the oldest beyond the number.  Adds to *change what that means by
 * itself: nothing for a link, because the file counts once; who replaces it then looks at its facts
 * after this, and change_gone() counts nothing either.  0 or a negative errno, and then the file
 * must not be touched.
 */
int version_keep(const struct agent *agent, int folder, const char *name, bool copied,
		 struct change *change);
/* Whether version_keep() would add one, of the file with these facts, which has that name. */
bool version_is_due(const struct agent *agent, int folder, const char *name, bool copied,
		    const struct stat *st);
/* Whether a file with two names is but one, and its newest version: nobody else's. */
bool version_is_twin(int folder, const char *name, const struct stat *st);

/*
 * Sweeping (sweep.c): removes staged parts older than staging_keep that nobody writes, now and
 * whenever one may have grown old, and tells the monitor by R_SWEPT.  Makes its own thread.  0 or a
 * negative errno.  sweep_expect(): from now on there may be parts; the monitor is told R_STAGES,
 * once.
 */
int sweep_start(struct agent *agent, struct wire *monitor, bool now);
void sweep_expect(struct agent *agent);

int do_prepare(struct agent *agent, const struct message *in, struct message *out,
	       struct buf *scratch);
int do_commit(struct agent *agent, const struct message *in, struct message *out,
	      struct buf *scratch);
int do_keep(struct agent *agent, const struct message *in, struct message *out,
	    struct buf *scratch);
int do_usage(struct agent *agent, const struct message *in, struct message *out,
	     struct buf *scratch);
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
 * Removes the folder `name` of the folder `parent` with all that is in it, and counts that, also
 * where it fails half-way.  0 or a negative errno: -EBUSY where an upload is written in there,
 * -EPERM where something must stay (retain.h).
 */
int remove_tree(struct agent *agent, int parent, const char *name, struct change *change);

#endif
