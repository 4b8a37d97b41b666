/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Which paths lead where from a jail's root, and that none leads out (attacks D07, D08, E01, E05,
 * E06).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/sandbox/jail.h>

static char outside[PATH_MAX];
static char inside[PATH_MAX];
static int root = -1;

static void
put(const char *path, const char *text)
{
	char full[PATH_MAX * 2];

	snprintf(full, sizeof(full), "%s/%s", outside, path);
	int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
point(const char *target, const char *path)
{
	char full[PATH_MAX * 2];

	snprintf(full, sizeof(full), "%s/%s", outside, path);
	assert_int_equal(symlink(target, full), 0);
}

static void
make_folder(const char *path)
{
	char full[PATH_MAX * 2];

	snprintf(full, sizeof(full), "%s/%s", outside, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

/*
 * outside/secret, outside/jail/{file, secret is not there, folder/file2, links}
 */
static int
setup(void **state)
{
	char name[] = "/tmp/wharf-jail-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(name));
	assert_non_null(realpath(name, outside));
	snprintf(inside, sizeof(inside), "%.4000s/jail", outside);
	make_folder("jail");
	make_folder("jail/folder");
	put("secret", "secret");
	put("jail/file", "file");
	put("jail/folder/file2", "file2");
	point("/file", "jail/absolute");
	point("../../../file", "jail/folder/up");
	point("../secret", "jail/escape");
	point("/proc/self/root", "jail/magic");
	point("folder", "jail/link");
	point("loop", "jail/loop");
	point("jail", "jail-link");
	root = open(inside, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0;
}

static int
teardown(void **state)
{
	char command[PATH_MAX + 16];

	(void)state;
	close(root);
	snprintf(command, sizeof(command), "rm -rf '%s'", outside);
	return system(command);
}

#define LONG_NAME                                                                                  \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nnnnnnnn"                                                                                 \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nnnnnnnn"                                                                                 \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const struct {
	struct slice path;
	int error;
	const char *text;
} opens[] = {
	{{"/file", 5}, 0, "file"},
	{{"file", 4}, 0, "file"},
	{{"//folder//file2", 15}, 0, "file2"},
	{{"/folder/../file", 15}, 0, "file"},
	{{"/../../file", 11}, 0, "file"},
	{{"/absolute", 9}, 0, "file"},
	{{"/folder/up", 10}, 0, "file"},
	{{"/link/file2", 11}, 0, "file2"},
	{{"/escape", 7}, -ENOENT, NULL},
	{{"/../secret", 10}, -ENOENT, NULL},
	{{"/magic", 6}, -ENOENT, NULL},
	{{"/loop", 5}, -ELOOP, NULL},
	{{"/fi\0le", 6}, -EINVAL, NULL},
	{{"/file/", 6}, -ENOTDIR, NULL},
	{{LONG_NAME, sizeof(LONG_NAME) - 1}, -ENAMETOOLONG, NULL},
};

static void
opens_end_inside(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		char got[16] = "";
		int fd = jail_open(root, opens[i].path, O_RDONLY, 0);
		if (opens[i].error) {
			assert_int_equal(fd, opens[i].error);
			continue;
		}
		assert_true(fd >= 0);
		assert_true(read(fd, got, sizeof(got) - 1) > 0);
		assert_string_equal(got, opens[i].text);
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		close(fd);
	}
}

static const struct {
	const char *path;
	int error;
	const char *base;
	bool in_folder;
} parents[] = {
	{"/new", 0, "new", false},
	{"new", 0, "new", false},
	{"/new///", 0, "new", false},
	{"/folder/new", 0, "new", true},
	{"/link/new", 0, "new", true},
	{"/../folder/./new/", 0, "new", true},
	{"/", -EPERM, NULL, false},
	{"", -EPERM, NULL, false},
	{"///", -EPERM, NULL, false},
	{"/folder/..", -EINVAL, NULL, false},
	{"/.", -EINVAL, NULL, false},
	{"/folder/./", -EINVAL, NULL, false},
	{"/file/new", -ENOTDIR, NULL, false},
	{"/missing/new", -ENOENT, NULL, false},
	{"/" LONG_NAME, -ENAMETOOLONG, NULL, false},
};

static void
parents_are_split_off(void **state)
{
	struct stat top, folder, got;

	(void)state;
	fstat(root, &top);
	assert_int_equal(fstatat(root, "folder", &folder, 0), 0);
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		struct slice base = SLICE_NULL;
		int fd = jail_parent(root, slice_of(parents[i].path), O_PATH, &base);
		if (parents[i].error) {
			assert_int_equal(fd, parents[i].error);
			continue;
		}
		assert_true(fd >= 0);
		assert_true(slice_equal(base, slice_of(parents[i].base)));
		fstat(fd, &got);
		assert_int_equal(got.st_ino, parents[i].in_folder ? folder.st_ino : top.st_ino);
		close(fd);
	}
}

static void
files_of_the_kernel_are_refused(void **state)
{
	static const char *const paths[] = {"/proc/version", "/proc", "/proc/self/root/etc",
					    "/sys/kernel"};
	int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(slash >= 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = jail_open(slash, slice_of(paths[i]), O_RDONLY, 0);
		assert_true(fd == -EACCES || fd == -ELOOP);
	}
	int fd = jail_open(slash, SLICE("/etc/passwd"), O_RDONLY, 0);
	assert_true(fd >= 0);
	close(fd);
	close(slash);
}

/*
 * jail_enter() changes the working directory, so each try has a process of its own.  Returns what
 * it returned.
 */
static int
entering(const char *path)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = jail_enter(path, false);
		struct stat here, there;
		if (fd >= 0 &&
		    (stat(".", &here) < 0 || fstat(fd, &there) < 0 || here.st_ino != there.st_ino))
			_exit(255);
		_exit(fd < 0 ? -fd : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
jails_are_entered_through_no_link(void **state)
{
	char path[PATH_MAX * 2];

	(void)state;
	assert_int_equal(entering(inside), 0);
	assert_int_equal(entering("/"), 0);
	snprintf(path, sizeof(path), "%s//folder/", inside);
	assert_int_equal(entering(path), 0);
	snprintf(path, sizeof(path), "%s/jail-link", outside);
	assert_int_equal(entering(path), ENOTDIR);
	snprintf(path, sizeof(path), "%s/jail-link/folder", outside);
	assert_int_equal(entering(path), ENOTDIR);
	snprintf(path, sizeof(path), "%s/file", inside);
	assert_int_equal(entering(path), ENOTDIR);
	snprintf(path, sizeof(path), "%s/missing", inside);
	assert_int_equal(entering(path), ENOENT);
	snprintf(path, sizeof(path), "%s/folder/..", inside);
	assert_int_equal(entering(path), EINVAL);
	assert_int_equal(entering("relative"), EINVAL);
	assert_int_equal(entering(""), EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_end_inside),
		cmocka_unit_test(parents_are_split_off),
		cmocka_unit_test(files_of_the_kernel_are_refused),
		cmocka_unit_test(jails_are_entered_through_no_link),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
