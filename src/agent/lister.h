/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A listing on its way into a pipe.  lister_run() writes until the pipe is full and goes on from
 * there at the next call, so that the thread that was asked for it can begin, and a thread of its
 * own has to go on only with a long one.
 *
 * A folder of up to 10,000 names is sorted, by name or by time; a larger one comes in the order of
 * the file system, so that memory stays flat: one block of names and one of lines.  For MLSD, whose
 * clients sort themselves, it is 1,000 names, and none where the folder itself is so large that it
 * has more, or once had, so that the first of them leave at once.  A recursive listing enters
 * folders up to 16 deep, remembers 16,384 of them at a time, and ends after 1,000,000 names.
 *
 * Names with CR or LF are left out where a line is a name (NLST, MLSD): a client would take them
 * for two.
 */
#ifndef WHARF_AGENT_LISTER_H
#define WHARF_AGENT_LISTER_H

#include <stdbool.h>
#include <time.h>

#include "agent.h"
#include "folder.h"
#include "retain.h"

#define LISTER_SORTED_MAX  10000
#define LISTER_SORTED_MLSD 1000
/* A folder that is itself larger has more names than those, or once had. */
#define LISTER_LARGE       (512 * 1024)
#define LISTER_DEPTH_MAX   16
#define LISTER_WAITING_MAX 16384
#define LISTER_NAMES_MAX   1000000

/* A name that waits to be sorted and written. */
struct lister_row {
	uint32_t at, len; /* in lister.names */
	unsigned char type;
	time_t mtime; /* where the listing is by time */
};

/* What an entry's mode and owners mean: the same for the next entry, as a rule. */
struct lister_known {
	bool is_set;
	mode_t mode;
	uint32_t uid, gid;
	struct slice owner, group;
	unsigned perm;
};

/* A folder that waits to be entered: its path below the listing's own, "sub/sub". */
struct lister_below {
	char *path;
	unsigned depth;
};

struct lister {
	const struct agent *agent;
	int pipe; /* the end to write to */
	enum list_form form;
	unsigned flags, facts;
	char *path, *pattern, *prefix;
	time_t now;

	struct folder folder; /* fd is -1 when there is none */
	struct stat st;       /* of the folder */
	struct buf below;     /* the folder's path below the listing's own, empty at first */
	unsigned depth;
	struct lister_known known; /* of the last entry in this folder */
	struct retain_term held;   /* of its files, where the fact perm is wanted */
	bool begun;                /* some of it was made */
	bool is_large;             /* by the size of the folder itself */
	bool wants_dots;           /* begins with the folder itself and the one above */
	bool streaming;            /* too many names to sort: rows are written as they come */

	struct lister_row *rows;
	size_t n_rows, next_row;
	struct buf names;
	struct lister_below *waiting; /* the next one last */
	size_t n_waiting, n_below;    /* all, and those of this folder */
	size_t total;

	struct buf out;
	bool done;
};

/*
 * Begins the listing that f asks for: opens the folder, or writes the one line of a file into
 * l->out.  Takes over `pipe`, also in case of an error, the write end of a pipe.  0 or a negative
 * errno; *is_file tells what the path was.
 */
int lister_init(struct lister *l, const struct agent *agent, const struct f_list *f, int pipe,
		bool *is_file);
void lister_deinit(struct lister *l);

/*
 * Goes on.  0 when the listing is complete; LISTER_MORE when the pipe is full, or after so many
 * chunks of work (64 KiB of lines, or 10,000 names where a pattern fits few); or a negative errno.
 */
enum { LISTER_MORE = 1 };
int lister_run(struct lister *l, size_t chunks);

#endif
