/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Into the sandbox, one call a role, each a checklist whose order matters.  A role calls it while
 * it has one thread.
 *
 * `confined` is false for `sandbox = none`, which leaves out seccomp and Landlock and nothing else.
 * `as_root` is false where the daemon was not started as root: no chroot and no other uid then, and
 * all the rest.
 *
 * Each returns 0 (sandbox_agent: a descriptor) or a negative errno, and then got->failed names the
 * step; the process must end.  -EPERM from the step "prove" means that a privilege could be had
 * back.
 */
#ifndef WHARF_SANDBOX_SANDBOX_H
#define WHARF_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/sandbox/confine.h>
#include <wharf/sandbox/identity.h>

/* What is in force. */
struct protections {
	bool chroot;
	bool setuid;
	bool no_new_privs;
	bool bounding_empty; /* no capability is in the bounding set */
	bool seccomp;
	int landlock_abi;   /* 0: the kernel has none, or it is off */
	const char *failed; /* the step that failed, or NULL */
};

struct sandbox_worker {
	bool as_root, confined;
	uint32_t uid, gid;           /* of run_as */
	const char *empty_directory; /* the new root folder */
};

struct sandbox_agent {
	bool as_root, confined;
	struct identity who;
	const char *root; /* the jail, a path of the host */
	bool read_only;   /* no right to change anything */
};

/*
 * The worker: no file at all, no capability.  What it still needs of the disk (TLS keys, the time
 * zone) is open or read before.  RLIMIT_NOFILE is the caller's to raise before.
 */
int sandbox_worker(const struct sandbox_worker *want, struct protections *got);

/*
 * The agent: the user, in the jail.  Returns the descriptor (O_PATH) of the jail's root, for
 * jail_open().
 */
int sandbox_agent(const struct sandbox_agent *want, struct protections *got);

/*
 * The auth process of the users file: an ordinary user who reads files (NSS does) and changes none.
 */
int sandbox_users(bool as_root, bool confined, uint32_t uid, uint32_t gid, struct protections *got);

/*
 * The ledger: an ordinary user who has one folder, with what is in it, and the channels that he is
 * sent.
 */
int sandbox_ledger(bool as_root, bool confined, uint32_t uid, uint32_t gid, const char *folder,
		   struct protections *got);

/*
 * The auth process of PAM: it stays who it is.  keep: the capabilities that it and its agent need;
 * an agent of its own needs CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT and CAP_SETPCAP.
 */
int sandbox_pam(bool confined, const cap_value_t *keep, size_t n, struct protections *got);

/*
 * The monitor: it stays who it is.  keep: as for sandbox_pam(), for itself and all its children,
 * who can't have more; without CAP_SETPCAP they can't empty their bounding sets.
 */
int sandbox_monitor(bool confined, const cap_value_t *keep, size_t n, struct protections *got);

/* Writes one line of the log that says which protections are in force. */
void protections_log(const struct protections *got);

#endif
