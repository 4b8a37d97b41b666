/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Landlock and seccomp; see wharf/sandbox/confine.h. */
#include <errno.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/confine.h>

/* Rights that are newer than the headers that we build with. */
#define ACCESS_TRUNCATE  (1ULL << 14)
#define ACCESS_IOCTL_DEV (1ULL << 15)

#define READ_ACCESS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_ACCESS                                                                            \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                        \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                         \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | \
	 ACCESS_TRUNCATE)

/* What each ABI can deny: all that is named here is denied but for what a rule allows. */
static uint64_t
rights_of_abi(int abi)
{
	uint64_t rights = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1; /* all of ABI 1 */

	if (abi >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		rights |= ACCESS_TRUNCATE;
	if (abi >= 5)
		rights |= ACCESS_IOCTL_DEV;
	return rights;
}

static int
allow_below(int ruleset, int root, uint64_t access)
{
	struct landlock_path_beneath_attr below = {.allowed_access = access, .parent_fd = root};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &below, 0) < 0
		       ? -errno
		       : 0;
}

int
confine_landlock(int root, enum confine_access access)
{
	static const uint64_t wanted[] = {[CONFINE_NOTHING] = 0,
					  [CONFINE_READ] = READ_ACCESS,
					  [CONFINE_WRITE] = READ_ACCESS | WRITE_ACCESS};
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	struct landlock_ruleset_attr attr = {.handled_access_fs = rights_of_abi(abi)};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
				   sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0)
		return -errno;
	int r = 0;
	if (access != CONFINE_NOTHING)
		r = allow_below(ruleset, root, wanted[access] & attr.handled_access_fs);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	fd_close(&ruleset);
	return r < 0 ? r : abi;
}

enum roles {
	NOBODY = 0,
	MONITOR = SANDBOX_MONITOR,
	WORKER = SANDBOX_WORKER,
	USERS = SANDBOX_USERS,
	PAM = SANDBOX_PAM,
	AGENT = SANDBOX_AGENT,
	LEDGER = SANDBOX_LEDGER,
	ANY = MONITOR | WORKER | USERS | PAM | AGENT | LEDGER,
	START = 64,
};

#define NAMESPACES                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

struct rule {
	int number;
	unsigned roles;
	bool conditional;
	unsigned arg;
	uint64_t mask, value;
};

#define SYSCALL(name, roles, reason)             {SCMP_SYS(name), roles, false, 0, 0, 0},
#define SYSCALL_NEW(name, number, roles, reason) {number, roles, false, 0, 0, 0},
#define SYSCALL_IF(name, roles, arg, mask, value, reason) \
	{SCMP_SYS(name), roles, true, arg, mask, value},
static const struct rule rules[] = {
#include "syscalls.def"
};

#ifdef WHARF_SANITIZED
#define SYSCALL(name, roles, reason) {SCMP_SYS(name), roles, false, 0, 0, 0},
static const struct rule more_rules[] = {
#include "sanitized.def"
};
static const size_t n_more_rules = sizeof(more_rules) / sizeof(more_rules[0]);

/*
 * Asked by the leak checker at the end of a process: it needs ptrace, so it must not try behind a
 * filter.
 */
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0;
}
#else
static const struct rule *const more_rules = NULL;
static const size_t n_more_rules = 0;
#endif

#define FORBIDDEN(name, but, reason) {SCMP_SYS(name), but, false, 0, 0, 0},
static const struct rule forbidden[] = {
#include "forbidden.def"
};

/* Whose plain rows a role has: its own, and those of the roles that inherit its filter. */
static unsigned
heirs(enum sandbox_role role)
{
	switch (role) {
	case SANDBOX_MONITOR:
		return ANY | START;
	case SANDBOX_PAM:
		return PAM | AGENT | START;
	default:
		return role;
	}
}

static int
allow(scmp_filter_ctx filter, const struct rule *rule, size_t n, enum sandbox_role role)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++, rule++) {
		if (!(rule->roles & (rule->conditional ? (unsigned)role : heirs(role))))
			continue;
		if (rule->conditional)
			r = seccomp_rule_add(
				filter, SCMP_ACT_ALLOW, rule->number, 1,
				SCMP_CMP64(rule->arg, SCMP_CMP_MASKED_EQ, rule->mask, rule->value));
		else
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, rule->number, 0);
	}
	return r;
}

static int
forbid(scmp_filter_ctx filter, enum sandbox_role role)
{
	static const uint64_t namespaces[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
					      CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
					      CLONE_NEWNET};
	int r = 0;

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]) && r == 0; i++)
		if (!(forbidden[i].roles & role))
			r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, forbidden[i].number, 0);
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]) && r == 0; i++)
		r = seccomp_rule_add(
			filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
			SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	return r;
}

/* PAM goes on without its audit socket only where the family is said to be missing. */
static int
refuse_families(scmp_filter_ctx filter, enum sandbox_role role)
{
	if (role == SANDBOX_MONITOR)
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
					SCMP_CMP64(0, SCMP_CMP_GT, AF_INET6));
	if (role == SANDBOX_PAM || role == SANDBOX_USERS)
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
					SCMP_CMP64(0, SCMP_CMP_GT, AF_UNIX));
	return 0;
}

int
confine_seccomp(enum sandbox_role role)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r = filter ? 0 : -ENOMEM;

	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (r == 0)
		r = allow(filter, rules, sizeof(rules) / sizeof(rules[0]), role);
	if (r == 0)
		r = allow(filter, more_rules, n_more_rules, role);
	if (r == 0)
		r = forbid(filter, role);
	if (r == 0)
		r = refuse_families(filter, role);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
