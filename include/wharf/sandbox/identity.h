/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Becoming a user for good, capabilities, and the proof that there is no way back.
 *
 * Identities are changed only while the process has one thread.  Nothing here fails silently: a
 * caller that gets an error ends its process, since it stands half-way between two identities.
 */
#ifndef WHARF_SANDBOX_IDENTITY_H
#define WHARF_SANDBOX_IDENTITY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/capability.h>

struct identity {
	uint32_t uid, gid;
	const uint32_t *groups; /* the supplementary groups, all of them */
	size_t n_groups;
};

/*
 * Leaves the process with these capabilities in its permitted and effective sets, none in the
 * inheritable and the ambient set, and a bounding set of no more than them.  A capability that it
 * does not hold is not gained.  The bounding set can be cut only with CAP_SETPCAP; without it, it
 * stays as it was inherited, and caps_bounding() tells. Returns 0 or a negative errno.
 */
int caps_limit(const cap_value_t *keep, size_t n);

/* How many capabilities the bounding set holds. */
int caps_bounding(void);

/*
 * As root: takes exactly these groups, then the gid, then the uid, all of real, effective and
 * saved; keeps the capabilities of `keep` (the agent's CAP_SYS_CHROOT, for its walk into a home of
 * mode 0700) and no other; and asks again to be killed with the parent, which a change of identity
 * forgets.  Returns 0 or a negative errno.
 */
int identity_become(const struct identity *who, const cap_value_t *keep, size_t n_keep);

/* The process is killed when its parent ends.  Returns 0 or a negative errno. */
int identity_die_with_parent(void);

/* No execve gives this process or its children a privilege.  Returns 0 or a negative errno. */
int identity_no_new_privs(void);

/*
 * Tries to get privileges back: another uid, another gid, other groups, another root folder, a
 * capability. Returns 0 when each attempt fails, or SANDBOX_NOT_TIGHT when one worked: the process
 * must end.
 */
enum { SANDBOX_NOT_TIGHT = 1 };
int identity_prove_dropped(void);

#endif
