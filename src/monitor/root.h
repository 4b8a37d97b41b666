/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Which folder a session's root is: the option root with %u and %h put in, else what the users file
 * says, else the home folder.  Pure.
 */
#ifndef WHARF_MONITOR_ROOT_H
#define WHARF_MONITOR_ROOT_H

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

enum root_error {
	ROOT_BAD = 1, /* not absolute, empty, or a part would leave the place it was meant for */
};

/*
 * Appends the root, with a NUL that b->len does not count.  option may be empty, from_file too.  A
 * user's name that is put in must be one component: not empty, no "/", not "." or "..".  Returns 0,
 * ROOT_BAD or -ENOMEM.
 */
int root_choose(struct slice option, struct slice from_file, struct slice user, struct slice home,
		struct buf *out);

#endif
