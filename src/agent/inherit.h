/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What a staged file is given before it takes its name: from the file that it replaces its mode,
 * group, POSIX ACL and user.* attributes; else the mode that is asked for, as far as the folder's
 * default ACL allows.  A mode that was wished of the staged part comes before both.
 */
#ifndef WHARF_AGENT_INHERIT_H
#define WHARF_AGENT_INHERIT_H

#include <sys/stat.h>

/*
 * The file that is replaced: `old` is open, with the facts *old_st, on the same file system.  0 or
 * a negative errno.  *mode is what is left to be set, after all other attributes: it may forbid
 * them.
 */
int inherit_from_file(int fd, const struct stat *st, int old, const struct stat *old_st,
		      mode_t *mode);

/*
 * None is: `folder` is open to read, or -1 where that is not allowed.  *mode: the one that is asked
 * for, and then the one that is to be set.  0 or a negative errno.
 */
int inherit_from_folder(const struct stat *st, int folder, mode_t *mode);

#endif
