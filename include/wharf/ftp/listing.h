/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * LIST: lines in the form of "ls -l", which is what clients parse, and the options that they put
 * before the path.
 */
#ifndef WHARF_FTP_LISTING_H
#define WHARF_FTP_LISTING_H

#include <stdbool.h>
#include <time.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>
#include <wharf/ftp/entry.h>

/*
 * Appends "-rw-r--r--   1 owner    group        1234 Mar  5 14:02 name" and CRLF: exactly one blank
 * before the name, and " -> target" after a link's.  Control characters in both become "?", so that
 * an entry is always one line.
 */
void listing_format(struct buf *out, const struct entry *e, time_t now);

struct list_options {
	bool all;       /* -a, -A */
	bool recursive; /* -R */
	bool names;     /* -1 without -l: names only */
	bool by_time;   /* -t */
	bool reverse;   /* -r */
	bool itself;    /* -d: a folder, not what is in it */
};

/*
 * Takes groups like "-la" off the front of LIST's, NLST's or STAT's argument: a "-" and letters, or
 * the digit 1.  "--" ends them.  Letters without a meaning here are taken and ignored.  *rest is
 * what comes after them and the blanks behind them, or, so that a path may begin with blanks, after
 * "--" and one blank; it is empty when only options were there.  Returns whether there was an
 * option: then a file whose name is the whole argument may have been meant.
 */
bool listing_parse_options(struct slice arg, struct list_options *out, struct slice *rest);

#endif
