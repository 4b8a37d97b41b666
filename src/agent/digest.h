/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The digest that is kept with a file, in an extended attribute with the size and the time that the
 * file had: "crc32:9ae0daaf size=123 mtime=1700000000.000000000".  Where either is another now, it
 * is not the file's.
 */
#ifndef WHARF_AGENT_DIGEST_H
#define WHARF_AGENT_DIGEST_H

#include <sys/stat.h>

#include <wharf/base/buf.h>

#define DIGEST_ATTRIBUTE "user.wharfd.digest"

/*
 * Writes "algorithm:hexadecimal" for a file with these facts; an empty digest makes the one that is
 * there say nothing.  0 or a negative errno; a file system that keeps none is no error.
 */
int digest_keep(int fd, const struct stat *st, struct slice digest);

/* Appends the digest where there is one of a file with these facts, else nothing. */
void digest_get(int fd, const struct stat *st, struct buf *out);

#endif
