/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The files of one host: which its options name, whether they changed, and copies of them.  A copy
 * is in memory and sealed, so that all workers read the same, also when the file is written over
 * in its place meanwhile.  Nothing in them is looked at here.
 */
#ifndef WHARF_MONITOR_HOST_FILES_H
#define WHARF_MONITOR_HOST_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <wharf/conf/settings.h>
#include <wharf/wire/wire.h>

/* One file by its name, and what it was when it was looked at last. */
struct host_source {
	enum host_file kind;
	unsigned index;
	const char *path; /* of the settings */
	struct host_stamp {
		bool known;
		dev_t dev;
		ino_t ino;
		off_t size;
		int64_t seconds, nanoseconds; /* of its ctime */
	} stamp;
};

struct host_sources {
	struct host_source *item;
	size_t n;
};

/* Descriptors of the copies, in the order of the sources. */
struct host_copies {
	int *fd;
	size_t n;
};

/* What the settings of a host name; they must outlive it.  0 or -ENOMEM. */
int host_sources_init(struct host_sources *sources, const struct settings *host);
void host_sources_deinit(struct host_sources *sources);
/* Looks at all of them, through symbolic links, and tells whether any is not what it was. */
bool host_sources_changed(struct host_sources *sources);

/*
 * Copies all of them, and notes what they are.  Returns 0, or a negative errno and sets *wrong to
 * the source that can't be copied: -EINVAL for no regular file, -EFBIG above 16 MiB.
 */
int host_copies_init(struct host_copies *copies, struct host_sources *sources,
		     const struct host_source **wrong);
void host_copies_deinit(struct host_copies *copies);

#endif
