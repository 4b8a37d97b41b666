/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The jail and the agent of fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "fixture.h"

struct client_identity who;
struct client c;
struct settings settings;
int outside = -1, inside = -1;
char jail[PATH_MAX];

void
hand_over(int folder, const char *path)
{
	if (who.as_root)
		assert_int_equal(fchownat(folder, path, who.uid, who.gid, AT_SYMLINK_NOFOLLOW), 0);
}

void
make_file_in(int folder, const char *path, const char *text, const struct timespec times[2])
{
	int fd = openat(folder, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	if (times)
		assert_int_equal(futimens(fd, times), 0);
	/* By now it may have another name. */
	if (who.as_root)
		assert_int_equal(fchown(fd, who.uid, who.gid), 0);
	close(fd);
}

void
make_file(const char *path, const char *text)
{
	make_file_in(inside, path, text, NULL);
}

void
make_folder(const char *path)
{
	assert_int_equal(mkdirat(inside, path, 0755), 0);
	hand_over(inside, path);
}

void
make_link(const char *target, const char *path)
{
	assert_int_equal(symlinkat(target, inside, path), 0);
	hand_over(inside, path);
}

bool
is_there(const char *path)
{
	struct stat st;

	return fstatat(inside, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(inside, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

time_t
time_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(inside, path, &st, 0), 0);
	return st.st_mtime;
}

void
holds(const char *path, const char *text)
{
	char got[256] = "";
	int fd = openat(inside, path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, text);
}

unsigned
names(void)
{
	char command[PATH_MAX + 32];
	unsigned n = 0;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", jail);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%u", &n), 1);
	pclose(pipe);
	return n;
}

int
fixture_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char template[PATH_MAX - 64];

	(void)state;
	umask(0);
	snprintf(template, sizeof(template), "%s/wharf-agent-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(template));
	assert_int_equal(chmod(template, 0755), 0);
	outside = open(template, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(outside >= 0);
	/* A home that its user alone may enter. */
	assert_int_equal(mkdirat(outside, "jail", 0700), 0);
	hand_over(outside, "jail");
	inside = openat(outside, "jail", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(inside >= 0);
	make_file_in(outside, "secret", "outside", NULL);
	snprintf(jail, sizeof(jail), "%s/jail", template);
	who.root = jail;
	who.sweep = false;
	assert_int_equal(settings_init(&settings), 0);
	assert_int_equal(client_start(&c, &who, &settings), 0);
	return 0;
}

int
fixture_teardown(void **state)
{
	char command[2 * PATH_MAX + 64];

	(void)state;
	assert_int_equal(client_stop(&c), 0);
	settings_deinit(&settings);
	fd_close(&outside);
	fd_close(&inside);
	*strrchr(jail, '/') = '\0';
	snprintf(command, sizeof(command), "chmod -R u+rwx '%s'; rm -rf '%s'", jail, jail);
	return system(command);
}

void
restart(void)
{
	assert_int_equal(client_stop(&c), 0);
	assert_int_equal(client_start(&c, &who, &settings), 0);
}
