/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* An item of the option retain: how long a completed file is held as it is.  Pure. */
#ifndef WHARF_CONF_RETAIN_H
#define WHARF_CONF_RETAIN_H

#include <stdint.h>

#include <wharf/base/slice.h>

/* A hundred years, in seconds: no sum of it and a file's time overflows. */
#define RETAIN_MAX 3155760000ULL

enum retain_error {
	RETAIN_BAD = 1, /* not a time, nor "folder = time" with a plain absolute path */
};

/*
 * Reads "30d", "30 days" or "/folder = 30d"; the last "=" parts folder and time, so that a folder
 * may have some itself.  *folder is without a slash at its end; it points into item, and is empty
 * for all files, as "/ = 30d" also says.  *seconds is from 0, which holds nothing, to RETAIN_MAX.
 * Returns 0 or RETAIN_BAD.
 */
int retain_parse(struct slice item, struct slice *folder, uint64_t *seconds);

#endif
