/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Retention: a completed file must stay as it is until its own time plus that of its rule (rule.h)
 * has passed.  Completed is every regular file that has its name; a staged part is not.
 *
 * A file is where it is in truth, by whatever way of links a client came: so the questions are
 * about a folder's descriptor.  A file with several names is held by the longest of all rules,
 * because its other names can't be found.
 *
 * Each answer holds as long as the caller keeps the hold (hold.h).  0; -EPERM where it must stay;
 * or another negative errno where that can't be known, and then it must stay as well.
 */
#ifndef WHARF_AGENT_RETAIN_H
#define WHARF_AGENT_RETAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <wharf/base/slice.h>
#include <wharf/ftp/entry.h>

struct agent;

/* What can't be done with a held file, and with one that a link leads to. */
#define PERM_HELD_CONTENT (PERM_APPEND | PERM_STORE)
#define PERM_HELD         (PERM_HELD_CONTENT | PERM_DELETE | PERM_RENAME)

/* Whether there are rules at all; where there are none, all below is done at once. */
bool retain_is_set(const struct agent *agent);

/*
 * For how many seconds the files of a folder are held, and for how many those that have other names
 * elsewhere; 0 for none.  For listings, which ask it once and keep no hold.
 */
struct retain_term {
	uint64_t here, longest;
};

struct retain_term retain_term_of(const struct agent *agent, int folder);
/* Whether the file with these facts is held in the folder with that term. */
bool retain_term_holds(const struct retain_term *term, const struct stat *st);

/* The file with these facts, which has a name in that folder. */
int retain_check_in(const struct agent *agent, int folder, const struct stat *st);

/* The file with these facts, which that virtual path leads to, perhaps through a link. */
int retain_check(const struct agent *agent, struct slice path, const struct stat *st);

/* A folder, before its mode or group is changed: all that is in it. */
int retain_check_tree(const struct agent *agent, int folder);

/*
 * What has that name in that folder, before it is renamed or removed: a file; a folder with all
 * that is in it; or any name on the way to a rule's folder.  *st: its own facts.
 */
int retain_check_name(const struct agent *agent, int folder, const char *name,
		      const struct stat *st);

/*
 * A name that a link or something that was renamed is to have: not one on the way to a rule's
 * folder, which would lead elsewhere then; and a link not in such a folder.
 */
int retain_check_new(const struct agent *agent, int folder, const char *name, bool is_link);

/*
 * A path that is to be written: what it names as below a rule's folder must be there in truth, not
 * behind a link.  The second is about a folder that is open: path is completed by that name in it.
 */
int retain_check_way(const struct agent *agent, struct slice path);
int retain_check_place(const struct agent *agent, struct slice path, int folder, const char *name);

/*
 * A part in that folder, before it is given a time: not where it will be held when it is whole,
 * because its time is to be that of its completion then.
 */
int retain_check_part(const struct agent *agent, int folder);

/*
 * Gives a file that is completed in that folder the present time, where it will be held; its part
 * may have been given another, elsewhere.  Before its digest is stored and before it is synced.
 * folder: -1 for one that was written in place, wherever it is.
 */
int retain_seal(const struct agent *agent, int folder, int fd);

#endif
