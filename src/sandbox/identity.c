/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Becoming a user for good; see wharf/sandbox/identity.h. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <wharf/sandbox/identity.h>

static bool
is_kept(cap_value_t cap, const cap_value_t *keep, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (keep[i] == cap)
			return true;
	return false;
}

/* 0, also where CAP_SETPCAP is missing; or a negative errno. */
static int
bounding_limit(const cap_value_t *keep, size_t n)
{
	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (is_kept(cap, keep, n) || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
			return -errno;
	}
	return 0;
}

int
caps_bounding(void)
{
	int n = 0;

	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		n += prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
	return n;
}

/* Sets permitted and effective to those of keep that are permitted now, and inheritable to none. */
static int
sets_limit(const cap_value_t *keep, size_t n)
{
	cap_t now = cap_get_proc();
	cap_t then = cap_init();
	int r = now && then ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		cap_flag_value_t has = CAP_CLEAR;
		if (cap_get_flag(now, keep[i], CAP_PERMITTED, &has) < 0)
			r = -errno;
		else if (has == CAP_SET &&
			 (cap_set_flag(then, CAP_PERMITTED, 1, &keep[i], CAP_SET) < 0 ||
			  cap_set_flag(then, CAP_EFFECTIVE, 1, &keep[i], CAP_SET) < 0))
			r = -errno;
	}
	if (r == 0 && cap_set_proc(then) < 0)
		r = -errno;
	cap_free(now);
	cap_free(then);
	return r;
}

int
caps_limit(const cap_value_t *keep, size_t n)
{
	int r = bounding_limit(keep, n);

	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return sets_limit(keep, n);
}

int
identity_die_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
}

int
identity_no_new_privs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* Whether the kernel agrees on who this process is. */
static bool
is_now(const struct identity *who)
{
	uid_t uid[3];
	gid_t gid[3];

	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (uid[i] != who->uid || gid[i] != who->gid)
			return false;
	return getgroups(0, NULL) == (int)who->n_groups;
}

int
identity_become(const struct identity *who, const cap_value_t *keep, size_t n_keep)
{
	/* While CAP_SETPCAP is there; what is permitted stays so without it. */
	int r = bounding_limit(NULL, 0);

	if (r < 0)
		return r;
	if (setgroups(who->n_groups, who->groups) < 0 ||
	    setresgid(who->gid, who->gid, who->gid) < 0)
		return -errno;
	if (n_keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (setresuid(who->uid, who->uid, who->uid) < 0)
		return -errno;
	if (n_keep && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return -errno;
	r = caps_limit(keep, n_keep);
	if (r < 0)
		return r;
	r = identity_die_with_parent();
	if (r < 0)
		return r;
	return is_now(who) ? 0 : -EPERM;
}

/*
 * Whether any capability is held, or can be raised.  A filter that denies the question denies the
 * raising too.
 */
static bool
has_caps(void)
{
	cap_t now = cap_get_proc();
	if (!now && errno == ENOSYS)
		return false;
	cap_t none = cap_init();
	bool has = !none || !now || cap_compare(now, none) != 0;

	for (cap_value_t cap = 0; !has && cap <= CAP_LAST_CAP; cap++)
		has = cap_set_flag(now, CAP_PERMITTED, 1, &cap, CAP_SET) < 0 ||
		      cap_set_flag(now, CAP_EFFECTIVE, 1, &cap, CAP_SET) < 0 ||
		      cap_set_proc(now) == 0 || cap_clear(now) < 0;
	cap_free(none);
	cap_free(now);
	return has;
}

int
identity_prove_dropped(void)
{
	/* Where root itself was let in, it must not be able to become anybody else. */
	uid_t uid = getuid() == 0 ? 1 : 0;
	gid_t gid = getgid() == 0 ? 1 : 0;

	if (setuid(uid) == 0 || setresuid((uid_t)-1, uid, (uid_t)-1) == 0 || setgid(gid) == 0 ||
	    setresgid((gid_t)-1, gid, (gid_t)-1) == 0 || setgroups(0, NULL) == 0 ||
	    chroot(".") == 0)
		return SANDBOX_NOT_TIGHT;
	return has_caps() ? SANDBOX_NOT_TIGHT : 0;
}
