/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Times in commands and listings, always UTC and always English.  The calendar is computed here:
 * libc's gmtime_r and timegm read TZ and /etc/localtime when they are first called, which in a jail
 * is a file of the client (attacks E03).
 */
#ifndef WHARF_FTP_WHEN_H
#define WHARF_FTP_WHEN_H

#include <time.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

enum when_error {
	WHEN_BAD = 1,
};

/*
 * Reads RFC 3659 §2.3's time-val: YYYYMMDDHHMMSS, a date that exists, of the years 1970 to 9999,
 * and perhaps a point and 1 to 32 digits, of which nine count.  Second 60, which the RFC allows for
 * leap seconds, is read as 59: time_t has no leap seconds, and so the time stays in its minute.
 * Returns 0, or WHEN_BAD; *out is set only by 0.
 */
int when_parse(struct slice s, struct timespec *out);

/*
 * Appends YYYYMMDDHHMMSS.  Times outside the years 1 to 9999 are shown as the first or last second
 * of these.  when_put() writes them at a pointer, and returns what follows.
 */
#define WHEN_BYTES 14
void when_format(struct buf *out, time_t t);
char *when_put(char *p, time_t t);

/*
 * The same for the twelve bytes of "ls -l": "Mar  5 14:02", or "Mar  5  2024" when the time is more
 * than 182 days before now or more than an hour after it.
 */
#define WHEN_LIST_BYTES 12
char *when_put_list(char *p, time_t mtime, time_t now);

#endif
