/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A wharfd-agent that root starts and that becomes somebody else in a chroot, and the identity that
 * it has then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/sandbox/sandbox.h>

#include "../roles/agent_tests.h"

#define NOBODY 65534

static const uint32_t groups[] = {4242, 4243, NOBODY};
static const struct client_identity nobody = {.as_root = true,
					      .uid = NOBODY,
					      .gid = NOBODY,
					      .groups = groups,
					      .n_groups = 3,
					      .root = "/tmp"};

static void
read_status(pid_t pid, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, size - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
}

/* Attack D05: the groups are those that were given and no other, whatever the daemon had. */
static void
is_exactly_the_user(void **state)
{
	static const char *const facts[] = {
		"Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65534\t65534\t65534\t65534\n",
		"Groups:\t4242 4243 65534 \n",        "CapBnd:\t0000000000000000\n",
		"CapPrm:\t0000000000000000\n",        "CapEff:\t0000000000000000\n"};
	const gid_t daemons[] = {0, 4, 27};
	struct settings settings;
	struct client c;
	char text[8192];

	(void)state;
	assert_int_equal(setgroups(3, daemons), 0);
	assert_int_equal(settings_init(&settings), 0);
	assert_int_equal(client_start(&c, &nobody, &settings), 0);
	read_status(c.pid, text, sizeof(text));
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		if (!strstr(text, facts[i])) {
			print_error("missing %s in %s", facts[i], text);
			fail();
		}
	assert_int_equal(client_stop(&c), 0);
	struct client_identity alone = nobody;
	alone.n_groups = 0;
	assert_int_equal(client_start(&c, &alone, &settings), 0);
	read_status(c.pid, text, sizeof(text));
	assert_non_null(strstr(text, "Groups:\t \n"));
	assert_int_equal(client_stop(&c), 0);
	settings_deinit(&settings);
	assert_int_equal(setgroups(0, NULL), 0);
}

/* What a process holds above descriptor 2. */
struct held {
	unsigned channels, roots, others;
};

/* 0, or -1 when a descriptor went while it was looked at. */
static int
look_at(pid_t pid, struct held *held)
{
	char path[64], target[PATH_MAX];
	ssize_t n = 1;

	*held = (struct held){0};
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (const struct dirent *e = readdir(dir); e && n > 0; e = readdir(dir)) {
		if (e->d_name[0] == '.' || atoi(e->d_name) <= 2)
			continue;
		n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strncmp(target, "socket:", 7) == 0)
			held->channels++;
		else if (strcmp(target, "/tmp") == 0)
			held->roots++;
		else
			held->others++;
	}
	closedir(dir);
	return n > 0 ? 0 : -1;
}

/* Attack E04: besides the log, its channels and the jail's root it holds nothing. */
static void
holds_nothing_else(void **state)
{
	char path[64], target[PATH_MAX];
	struct settings settings;
	struct client c;
	struct held held;

	(void)state;
	/* Something that must not be inherited. */
	int leak = open("/etc/passwd", O_RDONLY);
	assert_int_equal(dup2(leak, 77), 77);
	assert_int_equal(settings_init(&settings), 0);
	assert_int_equal(client_start(&c, &nobody, &settings), 0);
	/* The channel is served once it answers; what the answer needed is closed right behind it.
	 */
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/"))->r_stat.error, 0);
	for (int i = 0; i < 200 && (look_at(c.pid, &held) < 0 || held.others || held.roots != 1);
	     i++)
		usleep(10000);
	close(77);
	close(leak);
	assert_int_equal(held.others, 0);
	assert_int_equal(held.roots, 1);
	assert_in_range(held.channels, 2, 6);
	snprintf(path, sizeof(path), "/proc/%d/root", (int)c.pid);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = '\0';
	assert_string_equal(target, "/tmp");
	assert_int_equal(client_stop(&c), 0);
	settings_deinit(&settings);
}

/* How a process ended that ran fn as root: its exit status. */
static int
ran(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The proof must be able to fail. */
static int
prove_as_root(void)
{
	return identity_prove_dropped();
}

static int
prove_with_one_capability(void)
{
	const struct identity who = {NOBODY, NOBODY, NULL, 0};
	const cap_value_t keep[] = {CAP_SYS_CHROOT};

	return identity_become(&who, keep, 1) < 0 ? 99 : identity_prove_dropped();
}

static int
prove_with_saved_uid(void)
{
	return setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, 0) < 0
		       ? 99
		       : identity_prove_dropped();
}

static int
prove_dropped(void)
{
	const struct identity who = {NOBODY, NOBODY, NULL, 0};

	if (identity_become(&who, NULL, 0) < 0 || caps_bounding() != 0)
		return 99;
	return identity_prove_dropped();
}

static int
prove_root_without_capabilities(void)
{
	const struct identity who = {0, 0, NULL, 0};

	return identity_become(&who, NULL, 0) < 0 ? 99 : identity_prove_dropped();
}

static void
proofs_can_fail(void **state)
{
	(void)state;
	assert_int_equal(ran(prove_as_root), SANDBOX_NOT_TIGHT);
	assert_int_equal(ran(prove_with_one_capability), SANDBOX_NOT_TIGHT);
	assert_int_equal(ran(prove_with_saved_uid), SANDBOX_NOT_TIGHT);
	assert_int_equal(ran(prove_dropped), 0);
	assert_int_equal(ran(prove_root_without_capabilities), 0);
}

static char empty[] = "/tmp/wharf-empty-XXXXXX";

static int
be_worker(void)
{
	struct protections got;
	const struct sandbox_worker want = {true, true, NOBODY, NOBODY, "/proc/self/wharf-missing"};

	/* Without its empty folder it does not go on. */
	if (sandbox_worker(&want, &got) >= 0 || !got.failed || strcmp(got.failed, "empty folder"))
		return 1;
	const struct sandbox_worker right = {true, true, NOBODY, NOBODY, empty};
	int log = dup(2);
	int r = sandbox_worker(&right, &got);
	if (r < 0 || !got.chroot || !got.setuid || !got.seccomp || !got.no_new_privs ||
	    !got.bounding_empty)
		return 3;
	protections_log(&got);
	return log < 0 || (open("/", O_RDONLY) >= 0) ? 4 : 0;
}

static int
be_users(void)
{
	struct protections got;
	int r = sandbox_users(true, true, NOBODY, NOBODY, &got);

	if (r < 0 || !got.setuid || !got.seccomp || got.chroot)
		return 1;
	if (open("/etc/passwd", O_RDONLY) < 0)
		return 2;
	return open("/tmp/wharf-users-may-not", O_WRONLY | O_CREAT, 0600) >= 0 ? 3 : 0;
}

static int
be_monitor(void)
{
	const cap_value_t keep[] = {CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT, CAP_SETPCAP};
	struct protections got;
	int status;

	if (sandbox_monitor(true, keep, 4, &got) < 0 || caps_bounding() != 4)
		return 1;
	/* A child of its filter becomes any other role. */
	int (*const roles[])(void) = {be_worker, be_users};
	for (size_t i = 0; i < 2; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(roles[i]());
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status))
			return 10 + (int)i;
	}
	/* And so does an agent by execve. */
	struct settings settings;
	struct client c;
	if (settings_init(&settings) < 0 || client_start(&c, &nobody, &settings) != 0)
		return 20;
	if (ASK(&c, F_STAT, f_stat, SLICE("/"))->r_stat.error)
		return 21;
	settings_deinit(&settings);
	return client_stop(&c) ? 22 : 0;
}

static int
be_pam(void)
{
	const cap_value_t keep[] = {CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT, CAP_SETPCAP};
	struct protections got;
	struct settings settings;
	struct client c;

	if (sandbox_pam(true, keep, 4, &got) < 0)
		return 1;
	if (settings_init(&settings) < 0 || client_start(&c, &nobody, &settings) != 0)
		return 20;
	if (ASK(&c, F_STAT, f_stat, SLICE("/"))->r_stat.error)
		return 21;
	settings_deinit(&settings);
	return client_stop(&c) ? 22 : 0;
}

static void
roles_enter_their_sandboxes(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(empty));
	assert_int_equal(ran(be_worker), 0);
	assert_int_equal(ran(be_users), 0);
	assert_int_equal(ran(be_monitor), 0);
	assert_int_equal(ran(be_pam), 0);
	assert_int_equal(rmdir(empty), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_exactly_the_user),
		cmocka_unit_test(holds_nothing_else),
		cmocka_unit_test(proofs_can_fail),
		cmocka_unit_test(roles_enter_their_sandboxes),
	};

	if (getuid() != 0) {
		fprintf(stderr, "this test needs root\n");
		return 77;
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed += run_agent_tests(&nobody);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
