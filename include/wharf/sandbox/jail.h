/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The jail of an agent: the folder that is "/" to a client, and the only ways to a file in it. Each
 * path goes through openat2(2) from the root's descriptor with RESOLVE_IN_ROOT, inside a chroot as
 * well as without one: a link, absolute or with "..", ends inside.  Paths are virtual: "/" is the
 * root, with or without a leading slash.
 */
#ifndef WHARF_SANDBOX_JAIL_H
#define WHARF_SANDBOX_JAIL_H

#include <stdbool.h>
#include <sys/types.h>

#include <wharf/base/slice.h>

/*
 * Enters the jail: walks to the absolute path `root` of the host with this process's own rights,
 * one component at a time and through no link, makes it the working directory and, where as_root,
 * the root folder (which needs CAP_SYS_CHROOT).  Returns its descriptor (O_PATH), which the caller
 * closes, or a negative errno: -ELOOP or -ENOTDIR for a link or a file on the way, -EACCES for a
 * folder that may not be entered, -EINVAL for a path that is not absolute or has "..".
 */
int jail_enter(const char *root, bool as_root);

/*
 * Opens a path with the flags of open(2); O_CLOEXEC, O_NOCTTY and O_NONBLOCK are added (but for
 * O_PATH).  Returns a descriptor or a negative errno: -EACCES for a file of procfs, sysfs and their
 * like, -ENAMETOOLONG, -EINVAL for a path with a NUL in it.
 */
int jail_open(int root, struct slice path, int flags, mode_t mode);

/*
 * Opens the folder of a path's last component (flags: O_PATH or O_RDONLY) and points *base at that
 * component, within `path`, without slashes behind it.  The base is not NUL-terminated.  Returns a
 * descriptor or a negative errno: as jail_open(), and -EPERM for the root itself, -EINVAL for a
 * last component of
 * "." or "..", -ENAMETOOLONG for one above NAME_MAX.
 */
int jail_parent(int root, struct slice path, int flags, struct slice *base);

/*
 * Opens one name in a folder, or "..", with the flags of open(2) and those that jail_open() adds:
 * openat(2) by openat2(2), the one call to open with that an agent's filter leaves.  A descriptor
 * or a negative errno.
 */
int jail_open_at(int folder, const char *name, int flags, mode_t mode);

/*
 * Opens a folder of a folder to read, where it is no link (-ELOOP) and no other mount (-EXDEV).  A
 * descriptor or a negative errno.
 */
int jail_open_same(int folder, const char *name);

#endif
