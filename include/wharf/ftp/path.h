/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Virtual paths: what a client sees, from the jail's root on.  Absolute and normal means "/" or
 * "/a/b": no slash at the end, no empty part, no "." and no "..".  A path is bytes: nothing is
 * decoded, and "/" alone parts names, so an overlong UTF-8 slash, a backslash and "%2e" are names
 * (attacks C11, E01).
 */
#ifndef WHARF_FTP_PATH_H
#define WHARF_FTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

#define PATH_LENGTH_MAX 4095               /* bytes of a path */
#define PATH_NAME_MAX   255                /* bytes of one part */
#define PATH_RESERVED   ".wharfd-"         /* how names begin that no client may use */
#define PATH_VERSIONS   ".wharfd-versions" /* the one of them that may be shown */

enum path_error {
	PATH_TOO_LONG = 1, /* at any time while it is put together */
	PATH_BAD,          /* a NUL, CR or LF */
};

/*
 * out := the absolute normal path that arg means in the folder cwd.  ".." at the root stays there;
 * an empty arg means cwd.  out is reset first, so neither slice may lie in it, and is empty after
 * an error.  Returns 0, an enum path_error, or -ENOMEM.
 */
int path_join(struct buf *out, struct slice cwd, struct slice arg);

/* The last part of a normal path; nothing for "/". */
struct slice path_base(struct slice path);
/* The folder that a normal path's last part is in; "/" for "/". */
struct slice path_parent(struct slice path);

/* Appends "path" in quotes, its own quotes doubled, as 257 wants it (RFC 959 appendix II). */
void path_quote(struct buf *out, struct slice path);

/* Does any part of a normal path match any of the n patterns (wharf/ftp/glob.h)? */
bool path_hidden(struct slice path, const char *const *patterns, size_t n);
/* Is any part of a normal path a reserved name?  PATH_VERSIONS is none where versions are shown. */
bool path_reserved(struct slice path, bool shows_versions);

#endif
