/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A checklist for each role; see wharf/sandbox/sandbox.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/sandbox/jail.h>
#include <wharf/sandbox/sandbox.h>

/* Notes the name of the step that fails.  Returns r. */
static int
step(struct protections *got, const char *name, int r)
{
	if (r < 0 && !got->failed)
		got->failed = name;
	return r;
}

/* No core, no debugger, killed with the parent, no privilege by execve: what all roles have. */
static int
begin(struct protections *got)
{
	const struct rlimit none = {0, 0};
	int r;

	*got = (struct protections){0};
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return step(got, "core limit", -errno);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return step(got, "not dumpable", -errno);
	r = step(got, "no new privileges", identity_no_new_privs());
	got->no_new_privs = r == 0;
	return r;
}

static int
prove(struct protections *got)
{
	return step(got, "prove", identity_prove_dropped() ? -EPERM : 0);
}

/* A change of identity may make a process dumpable again. */
static int
become(struct protections *got, const struct identity *who, const cap_value_t *keep, size_t n)
{
	int r = step(got, "identity", identity_become(who, keep, n));

	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = step(got, "not dumpable", -errno);
	got->setuid = r == 0;
	return r;
}

static int
drop_caps(struct protections *got, const cap_value_t *keep, size_t n)
{
	int r = step(got, "capabilities", caps_limit(keep, n));

	got->bounding_empty = caps_bounding() == 0;
	return r;
}

static int
landlock(struct protections *got, int root, enum confine_access access)
{
	int r = step(got, "landlock", confine_landlock(root, access));

	if (r >= 0)
		got->landlock_abi = r;
	return r < 0 ? r : 0;
}

static int
seccomp(struct protections *got, enum sandbox_role role)
{
	int r = step(got, "seccomp", confine_seccomp(role));

	got->seccomp = r == 0;
	return r;
}

int
sandbox_worker(const struct sandbox_worker *want, struct protections *got)
{
	const struct identity who = {want->uid, want->gid, NULL, 0};
	int r = begin(got);

	if (r == 0 && want->as_root) {
		int fd = step(got, "empty folder", jail_enter(want->empty_directory, true));
		r = fd < 0 ? fd : 0;
		got->chroot = r == 0;
		fd_close(&fd);
		if (r == 0)
			r = become(got, &who, NULL, 0);
	} else if (r == 0) {
		r = step(got, "parent", identity_die_with_parent());
	}
	if (r == 0)
		r = drop_caps(got, NULL, 0);
	if (r == 0)
		r = prove(got);
	if (r == 0 && want->confined)
		r = landlock(got, -1, CONFINE_NOTHING);
	if (r == 0 && want->confined)
		r = seccomp(got, SANDBOX_WORKER);
	return r == 0 ? prove(got) : r;
}

/* Sets what a limit is now, at most to what it may be. */
static int
limit(int resource, rlim_t now)
{
	struct rlimit r;

	if (getrlimit(resource, &r) < 0)
		return -errno;
	r.rlim_cur = now < r.rlim_max ? now : r.rlim_max;
	return setrlimit(resource, &r) < 0 ? -errno : 0;
}

/*
 * Descriptors for its threads and listings, and not the processor time of a process for PAM that it
 * may come from.
 */
static int
limit_agent(struct protections *got)
{
	int r = step(got, "descriptor limit", limit(RLIMIT_NOFILE, 1024));

	return r < 0 ? r : step(got, "processor limit", limit(RLIMIT_CPU, RLIM_INFINITY));
}

int
sandbox_agent(const struct sandbox_agent *want, struct protections *got)
{
	const cap_value_t walk[] = {CAP_SYS_CHROOT};
	int root = -1;
	int r = begin(got);

	if (r == 0)
		r = limit_agent(got);
	if (r == 0)
		r = want->as_root ? become(got, &want->who, walk, 1)
				  : step(got, "parent", identity_die_with_parent());
	/* Where there is no chroot to be made, even root walks without a privilege. */
	if (r == 0 && !want->as_root)
		r = drop_caps(got, NULL, 0);
	if (r == 0) {
		root = step(got, "root folder", jail_enter(want->root, want->as_root));
		r = root < 0 ? root : 0;
		got->chroot = r == 0 && want->as_root;
	}
	if (r == 0)
		r = drop_caps(got, NULL, 0);
	if (r == 0)
		r = prove(got);
	if (r == 0 && want->confined)
		r = landlock(got, root, want->read_only ? CONFINE_READ : CONFINE_WRITE);
	if (r == 0 && want->confined)
		r = seccomp(got, SANDBOX_AGENT);
	if (r == 0)
		r = prove(got);
	if (r < 0)
		fd_close(&root);
	return r < 0 ? r : root;
}

/* An ordinary user without a privilege, who stays outside of any jail. */
static int
serve_as(struct protections *got, bool as_root, uint32_t uid, uint32_t gid)
{
	const struct identity who = {uid, gid, NULL, 0};
	int r = begin(got);

	if (r == 0)
		r = as_root ? become(got, &who, NULL, 0)
			    : step(got, "parent", identity_die_with_parent());
	if (r == 0)
		r = drop_caps(got, NULL, 0);
	return r == 0 ? prove(got) : r;
}

int
sandbox_users(bool as_root, bool confined, uint32_t uid, uint32_t gid, struct protections *got)
{
	int r = serve_as(got, as_root, uid, gid);

	if (r == 0 && confined) {
		int root = step(got, "root folder", jail_enter("/", false));
		r = root < 0 ? root : landlock(got, root, CONFINE_READ);
		fd_close(&root);
	}
	if (r == 0 && confined)
		r = seccomp(got, SANDBOX_USERS);
	return r == 0 ? prove(got) : r;
}

int
sandbox_ledger(bool as_root, bool confined, uint32_t uid, uint32_t gid, const char *folder,
	       struct protections *got)
{
	int r = serve_as(got, as_root, uid, gid);

	if (r == 0 && confined) {
		int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? step(got, "state folder", -errno) : landlock(got, fd, CONFINE_WRITE);
		fd_close(&fd);
	}
	if (r == 0 && confined)
		r = seccomp(got, SANDBOX_LEDGER);
	return r == 0 ? prove(got) : r;
}

/* For those who stay who they are and start others. */
static int
stay(enum sandbox_role role, bool confined, const cap_value_t *keep, size_t n,
     struct protections *got)
{
	int r = begin(got);

	if (r == 0)
		r = drop_caps(got, keep, n);
	if (r == 0 && confined)
		r = seccomp(got, role);
	return r;
}

int
sandbox_pam(bool confined, const cap_value_t *keep, size_t n, struct protections *got)
{
	int r = stay(SANDBOX_PAM, confined, keep, n, got);

	if (r == 0)
		r = step(got, "parent", identity_die_with_parent());
	/* A module that spins or leaks costs its own login. */
	if (r == 0)
		r = step(got, "descriptor limit", limit(RLIMIT_NOFILE, 64));
	return r < 0 ? r : step(got, "processor limit", limit(RLIMIT_CPU, 10));
}

int
sandbox_monitor(bool confined, const cap_value_t *keep, size_t n, struct protections *got)
{
	return stay(SANDBOX_MONITOR, confined, keep, n, got);
}

void
protections_log(const struct protections *got)
{
	const char *const words[] = {"no", "yes"};

	LOG(INFO, "protections in force", LOG_STR("chroot", words[got->chroot]),
	    LOG_STR("own_uid", words[got->setuid]),
	    LOG_STR("no_new_privs", words[got->no_new_privs]),
	    LOG_STR("bounding_set_empty", words[got->bounding_empty]),
	    LOG_STR("seccomp", words[got->seccomp]), LOG_NUM("landlock_abi", got->landlock_abi));
}
