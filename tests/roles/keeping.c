/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What an agent keeps: files under a retention, versions of what is replaced, parts of uploads for
 * their time; and that it counts what it changes as it counts what there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "client.h"

#define DAY 86400
#define OLD (-31 * DAY)
/* For what is made before there is a program that runs. */
#define SLICE_OF(text)                   \
	{                                \
		(text), sizeof(text) - 1 \
	}
#define PART ".wharfd-abcdefghijklmnopqrstuvwxyz"

static struct client_identity who;
static struct client c;
static struct settings settings;
static int jail = -1;
static char root[64];
static char *rules[4]; /* of settings.retain */

static void
hand_over(const char *path)
{
	if (who.as_root)
		assert_int_equal(fchownat(jail, path, who.uid, who.gid, AT_SYMLINK_NOFOLLOW), 0);
}

static void
make_folder(const char *path)
{
	assert_int_equal(mkdirat(jail, path, 0755), 0);
	hand_over(path);
}

static void
make_link(const char *target, const char *path)
{
	assert_int_equal(symlinkat(target, jail, path), 0);
	hand_over(path);
}

/* A file that is as old as its time from now says. */
static void
make_file(const char *path, const char *text, time_t age)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = 0}};
	int fd = openat(jail, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	clock_gettime(CLOCK_REALTIME, &times[1]);
	times[1].tv_sec += age;
	assert_int_equal(futimens(fd, times), 0);
	/* By now it may have another name. */
	if (who.as_root)
		assert_int_equal(fchown(fd, who.uid, who.gid), 0);
	close(fd);
}

static bool
is_there(const char *path)
{
	struct stat st;

	return fstatat(jail, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
reads(const char *path, const char *text)
{
	char have[256] = "";
	int fd = openat(jail, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	ssize_t n = read(fd, have, sizeof(have) - 1);
	close(fd);
	return n >= 0 && strcmp(have, text) == 0;
}

static void
retain(const char *first, const char *second)
{
	size_t n = 0;

	if (first)
		rules[n++] = (char *)first;
	if (second)
		rules[n++] = (char *)second;
	settings.retain = (struct texts){rules, n};
	assert_int_equal(client_stop(&c), 0);
	assert_int_equal(client_start(&c, &who, &settings), 0);
	settings.retain = (struct texts){NULL, 0};
}

static int
setup(void **state)
{
	(void)state;
	umask(0);
	snprintf(root, sizeof(root), "/tmp/wharf-keep-XXXXXX");
	assert_non_null(mkdtemp(root));
	jail = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(jail >= 0);
	hand_over(".");
	who.root = root;
	who.sweep = false;
	assert_int_equal(settings_init(&settings), 0);
	settings.durability = WORD_durability_rename;
	assert_int_equal(client_start(&c, &who, &settings), 0);
	return 0;
}

static int
teardown(void **state)
{
	char command[sizeof(root) * 2 + 64];

	(void)state;
	assert_int_equal(client_stop(&c), 0);
	settings_deinit(&settings);
	fd_close(&jail);
	snprintf(command, sizeof(command), "chmod -R u+rwx '%s'; rm -rf '%s'", root, root);
	return system(command);
}

static uint32_t
unlink_error(const char *path)
{
	return ASK(&c, F_UNLINK, f_unlink, slice_of(path))->r_done.error;
}

static uint32_t
rename_error(const char *from, const char *to)
{
	return ASK(&c, F_RENAME, f_rename, 1, slice_of(from), slice_of(to))->r_done.error;
}

static uint32_t
chmod_error(const char *path)
{
	return ASK(&c, F_CHMOD, f_chmod, 0700, slice_of(path))->r_done.error;
}

static uint32_t
chgrp_error(const char *path)
{
	char gid[16];

	snprintf(gid, sizeof(gid), "%u", (unsigned)who.gid);
	return ASK(&c, F_CHGRP, f_chgrp, slice_of(gid), slice_of(path))->r_done.error;
}

static uint32_t
utime_error(const char *path)
{
	return ASK(&c, F_UTIME, f_utime, 1, 0, slice_of(path))->r_done.error;
}

static uint32_t
remove_error(const char *path)
{
	return ASK(&c, F_RMDIR, f_rmdir, 1, slice_of(path))->r_done.error;
}

static uint32_t
symlink_error(const char *target, const char *path)
{
	return ASK(&c, F_SYMLINK, f_symlink, slice_of(target), slice_of(path))->r_done.error;
}

#define WHOLE (OPEN_WRITE | OPEN_CREATE | OPEN_STAGE | OPEN_TRUNCATE)

static uint32_t
open_error(const char *path, uint32_t how)
{
	return ASK(&c, F_OPEN, f_open, how, 0644, slice_of(path))->r_opened.error;
}

/* Every way to change a file, a folder of it, and what is above; all give the errno `error`. */
static void
tries_all(uint32_t error)
{
	assert_int_equal(chmod_error("/top/sub/file"), error);
	assert_int_equal(chgrp_error("/top/sub/file"), error);
	assert_int_equal(utime_error("/top/sub/file"), error);
	assert_int_equal(rename_error("/top/sub/file", "/top/sub/other"), error);
	if (error == 0)
		assert_int_equal(rename_error("/top/sub/other", "/top/sub/file"), 0);
	assert_int_equal(rename_error("/old", "/top/sub/file"), error);
	assert_int_equal(chmod_error("/top/sub"), error);
	assert_int_equal(chgrp_error("/top"), error);
	assert_int_equal(rename_error("/top", "/elsewhere"), error);
	if (error == 0)
		assert_int_equal(rename_error("/elsewhere", "/top"), 0);
	assert_int_equal(remove_error("/top/sub"), error);
	if (error == 0)
		return;
	assert_int_equal(open_error("/top/sub/file", OPEN_WRITE), error);
	assert_int_equal(open_error("/top/sub/file", OPEN_WRITE | OPEN_TRUNCATE), error);
	assert_int_equal(open_error("/top/sub/file", OPEN_WRITE | OPEN_STAGE), error);
	assert_int_equal(open_error("/top/sub/file", WHOLE), error);
	assert_int_equal(unlink_error("/top/sub/file"), error);
	assert_int_equal(remove_error("/top"), error);
}

static void
holds_what_is_completed(void **state)
{
	struct stat before, after;

	(void)state;
	make_folder("top");
	make_folder("top/sub");
	make_file("top/sub/file", "kept", -29 * DAY);
	make_file("top/expired", "x", OLD);
	make_file("old", "old", OLD);
	retain("30 days", NULL);
	assert_int_equal(fstatat(jail, "top/sub/file", &before, 0), 0);
	tries_all(EPERM);
	assert_int_equal(fstatat(jail, "top/sub/file", &after, 0), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
	assert_true(reads("top/sub/file", "kept"));
	/* Nothing was removed half-way. */
	assert_true(is_there("top/expired") && is_there("old"));
	/* Its time is over. */
	make_file("top/sub/file", "kept", OLD);
	tries_all(0);
	assert_false(is_there("top/sub"));
}

static void
counts_from_the_files_time(void **state)
{
	static const struct {
		time_t age;
		bool held;
	} rows[] = {{0, true},
		    {-2 * DAY + 5, true},
		    {-2 * DAY - 5, false},
		    {1000 * DAY, true},
		    {-10000 * DAY, false}};

	(void)state;
	retain("2d", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_file("file", "x", rows[i].age);
		assert_int_equal(unlink_error("/file"), rows[i].held ? EPERM : 0);
		if (rows[i].held)
			assert_int_equal(unlinkat(jail, "file", 0), 0);
	}
}

static void
knows_whose_folder_it_is(void **state)
{
	static const struct {
		const char *first, *second, *path;
		uint32_t error;
	} rows[] = {
		{"/held = 30d", NULL, "/held/file", EPERM},
		{"/held = 30d", NULL, "/held/sub/file", EPERM},
		{"/held = 30d", NULL, "/heldnot/file", 0},
		{"/held = 30d", NULL, "/file", 0},
		{"/held/sub = 0", "/held = 30d", "/held/sub/file", 0},
		{"/held/sub = 0", "30d", "/held/file", EPERM},
		{"/none = 30d", NULL, "/held/file", 0},
		{"/held = 30d", NULL, "/link/file", EPERM},
		{"/held = 30d", NULL, "/link/../held/sub/file", EPERM},
		{"/link = 30d", NULL, "/held/sub/file", EPERM},
		{"/around/held = 30d", NULL, "/held/sub/file", EPERM},
		{"/around/link/sub = 30d", NULL, "/held/sub/file", EPERM},
		{"/around/link/sub = 30d", NULL, "/held/file", 0},
		{"/loop/sub = 30d", NULL, "/held/file", 0},
		/* Another name of it is there. */
		{"/held = 30d", NULL, "/twin", EPERM},
	};

	(void)state;
	make_folder("held");
	make_folder("held/sub");
	make_folder("heldnot");
	make_link("held", "link");
	make_link("../../..", "around");
	make_link("loop", "loop");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_file("held/file", "x", 0);
		make_file("held/sub/file", "x", 0);
		make_file("held/double", "x", 0);
		make_file("heldnot/file", "x", 0);
		make_file("file", "x", 0);
		unlinkat(jail, "twin", 0);
		assert_int_equal(linkat(jail, "held/double", jail, "twin", 0), 0);
		retain(rows[i].first, rows[i].second);
		assert_int_equal(chmod_error(rows[i].path), rows[i].error);
		assert_int_equal(unlink_error(rows[i].path), rows[i].error);
	}
}

static void
lets_no_link_lead_round(void **state)
{
	(void)state;
	make_folder("free");
	make_folder("way");
	make_folder("store");
	make_folder("store/data");
	make_link("store", "alias");
	retain("/way/held = 30d", "/alias/data = 30d");
	/* Where the rule's folder is to be, only a folder can be made. */
	assert_int_equal(symlink_error("/free", "/way/held"), EPERM);
	make_link("../free", "free/ready");
	assert_int_equal(rename_error("/free/ready", "/way/held"), EPERM);
	make_folder("free/folder");
	assert_int_equal(rename_error("/free/folder", "/way/held"), EPERM);
	assert_int_equal(rename_error("/way", "/gone"), EPERM);
	assert_int_equal(ASK(&c, F_MKDIR, f_mkdir, 0755, SLICE("/way/held"))->r_done.error, 0);
	assert_int_equal(rename_error("/way/held", "/gone"), EPERM);
	/* No link in it that an upload could go through, and none is gone through. */
	assert_int_equal(symlink_error("/free", "/way/held/sub"), EPERM);
	assert_int_equal(rename_error("/free/ready", "/way/held/sub"), EPERM);
	assert_int_equal(symlink_error("/free", "/free/sub"), 0);
	make_link("../../free", "way/held/through");
	assert_int_equal(open_error("/way/held/through/new", OPEN_WRITE | OPEN_CREATE), EPERM);
	assert_int_equal(open_error("/way/held/through/new", WHOLE), EPERM);
	make_link("../../free/new", "way/held/new");
	assert_int_equal(open_error("/way/held/new", OPEN_WRITE | OPEN_CREATE), EPERM);
	assert_int_equal(open_error("/way/held/new", WHOLE), EPERM);
	assert_int_equal(open_error("/way/held/true", OPEN_WRITE | OPEN_CREATE), 0);
	/* The links on a rule's way stay. */
	assert_int_equal(unlink_error("/alias"), EPERM);
	assert_int_equal(rename_error("/alias", "/gone"), EPERM);
	assert_int_equal(rename_error("/store", "/gone"), EPERM);
	assert_int_equal(rename_error("/store/data", "/store/gone"), EPERM);
	assert_int_equal(rename_error("/free/folder", "/store/other"), 0);
}

/* F_USAGE, which must be possible. */
static struct r_usage
usage(void)
{
	const struct r_usage *u = &ASK(&c, F_USAGE, f_usage)->r_usage;

	assert_int_equal(u->error, 0);
	return *u;
}

static void
counts_as_find_does(void **state)
{
	char path[2048] = "";

	(void)state;
	assert_int_equal(usage().files, 0);
	make_file("one", "1", 0);
	make_file(".hidden", "22", 0);
	make_link("one", "link");
	make_link("/etc", "out");
	assert_int_equal(mkfifoat(jail, "fifo", 0600), 0);
	hand_over("fifo");
	make_folder("folder");
	make_file("folder/double", "333", 0);
	assert_int_equal(linkat(jail, "folder/double", jail, "twin", 0), 0);
	make_file("folder/" PART, "4444", 0);
	for (size_t i = 0; i < 300; i++) {
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "%sdeep", i ? "/" : "");
		make_folder(path);
	}
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "/end");
	make_file(path, "55555", 0);
	assert_int_equal(usage().bytes, 15);
	assert_int_equal(usage().files, 5);
	/* What he hides from himself is not gone. */
	assert_int_equal(fchmodat(jail, "folder", 0, 0), 0);
	assert_int_equal(ASK(&c, F_USAGE, f_usage)->r_usage.error, EACCES);
	assert_int_equal(fchmodat(jail, "folder", 0755, 0), 0);
}

static void
counts_many_links(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		make_file(name, "xy", 0);
		for (int k = 0; k < 3; k++) {
			char other[32];
			snprintf(other, sizeof(other), "b%d.%d", i, k);
			assert_int_equal(linkat(jail, name, jail, other, 0), 0);
		}
	}
	assert_int_equal(usage().bytes, 1000);
	assert_int_equal(usage().files, 500);
}

/* Asserts that the last answer told what has changed since then. */
static void
told_since(const struct r_usage *before)
{
	const struct r_done told = c.answer.r_done;
	const struct r_usage now = usage();

	assert_int_equal((int64_t)(now.bytes - before->bytes), told.bytes);
	assert_int_equal((int64_t)(now.files - before->files), told.files);
}

static void
tells_what_it_changes(void **state)
{
	(void)state;
	settings.versions = 2;
	retain(NULL, NULL);
	make_file("a", "1", 0);
	make_file("b", "22", 0);
	make_file("c", "333", 0);
	make_file("d", "4444", 0);
	make_file("e", "55555", 0);
	assert_int_equal(linkat(jail, "a", jail, "twin", 0), 0);
	make_link("a", "link");
	static const struct {
		const char *from, *to;
	} renames[] = {{"/a", "/twin"}, {"/b", "/a"}, {"/c", "/a"},
		       {"/d", "/a"},    {"/e", "/a"}, {"/link", "/a"}};
	for (size_t i = 0; i < sizeof(renames) / sizeof(renames[0]); i++) {
		const struct r_usage before = usage();
		assert_int_equal(rename_error(renames[i].from, renames[i].to), 0);
		told_since(&before);
	}
	make_folder("tree");
	make_folder("tree/sub");
	make_file("tree/sub/x", "1", 0);
	make_file("tree/y", "22", 0);
	assert_int_equal(linkat(jail, "tree/y", jail, "tree/z", 0), 0);
	assert_int_equal(linkat(jail, "tree/y", jail, "w", 0), 0);
	struct r_usage before = usage();
	assert_int_equal(remove_error("/tree"), 0);
	told_since(&before);
	before = usage();
	assert_int_equal(unlink_error("/w"), 0);
	assert_int_equal(c.answer.r_done.files, -1);
	told_since(&before);
	/* Half of it: a folder that can't be emptied. */
	make_folder("tree");
	make_folder("tree/closed");
	make_file("tree/closed/x", "1", 0);
	make_file("tree/y", "22", 0);
	assert_int_equal(fchmodat(jail, "tree/closed", 0555, 0), 0);
	before = usage();
	assert_int_equal(remove_error("/tree"), EACCES);
	told_since(&before);
}

/* The names of a file's versions, the oldest first; returns how many there are. */
static int
versions_of(const char *name, char paths[][640], int most)
{
	struct dirent **found;
	char folder[320];
	int n;

	snprintf(folder, sizeof(folder), ".wharfd-versions/%s", name);
	n = scandirat(jail, folder, &found, NULL, alphasort);
	if (n < 0)
		return 0;
	int kept = 0;
	for (int i = 0; i < n; i++) {
		if (found[i]->d_name[0] != '.' && kept < most)
			snprintf(paths[kept++], 640, "%s/%s", folder, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	return kept;
}

static void
keeps_versions(void **state)
{
	char name[256], path[260], from[260], paths[8][640], text[16];

	(void)state;
	settings.versions = 3;
	retain(NULL, NULL);
	memset(name, 'n', 255);
	name[255] = '\0';
	snprintf(path, sizeof(path), "/%s", name);
	make_file(name, "0", 0);
	for (int i = 1; i <= 5; i++) {
		snprintf(text, sizeof(text), "%d", i);
		snprintf(from, sizeof(from), "/new%d", i);
		make_file(from + 1, text, 0);
		assert_int_equal(rename_error(from, path), 0);
	}
	assert_true(reads(name, "5"));
	assert_int_equal(versions_of(name, paths, 8), 3);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%d", 2 + i);
		assert_true(reads(paths[i], text));
	}
	struct stat st;
	assert_int_equal(fstatat(jail, ".wharfd-versions", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_uid, who.uid);
	/* A clock that was set back makes none the older. */
	char late[600];
	snprintf(late, sizeof(late), ".wharfd-versions/%s/29991231235959.999999999", name);
	assert_int_equal(renameat(jail, paths[2], jail, late), 0);
	make_file("new", "6", 0);
	assert_int_equal(rename_error("/new", path), 0);
	assert_int_equal(versions_of(name, paths, 8), 3);
	assert_true(reads(paths[2], "5"));
	assert_non_null(strstr(paths[2], "/30000101000000.000000000"));
	/* What is replaced by nothing is not kept. */
	assert_int_equal(unlink_error(path), 0);
	assert_int_equal(versions_of(name, paths, 8), 3);
}

/* What is put aside before it is written in place is put aside once, however often nothing comes of
 * it; and no client can pretend that it has been. */
static void
keeps_no_version_twice(void **state)
{
	const struct timespec tick = {.tv_nsec = 20000000};
	char paths[8][640];

	(void)state;
	settings.versions = 3;
	retain(NULL, NULL);
	make_file("file", "one", 0);
	nanosleep(&tick, NULL);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(open_error("/file", OPEN_WRITE), 0);
		nanosleep(&tick, NULL);
	}
	assert_int_equal(versions_of("file", paths, 8), 1);
	assert_true(reads(paths[0], "one"));
	/* Of the size and the time of the last version. */
	assert_int_equal(utime_error("/file"), 0);
	assert_int_equal(open_error("/file", OPEN_WRITE), 0);
	assert_int_equal(versions_of("file", paths, 8), 2);
	make_file("new", "two", 0);
	assert_int_equal(rename_error("/new", "/file"), 0);
	assert_int_equal(utime_error("/file"), 0);
	make_file("new", "bad", 0);
	assert_int_equal(rename_error("/new", "/file"), 0);
	unsigned n = versions_of("file", paths, 8);
	assert_true(reads(paths[n - 1], "two"));
}

static void
holds_versions_too(void **state)
{
	char paths[8][640];

	(void)state;
	settings.versions = 1;
	retain("/held = 30d", NULL);
	make_folder("held");
	make_file("held/f", "0", OLD);
	make_file("a", "1", OLD);
	make_file("b", "2", OLD);
	assert_int_equal(rename_error("/a", "/held/f"), 0);
	make_file("held/f", "1", OLD);
	assert_int_equal(symlinkat("held", jail, "look"), 0);
	assert_int_equal(renameat(jail, "held", jail, "away"), 0);
	assert_int_equal(mkdirat(jail, "x", 0755), 0);
	assert_int_equal(renameat(jail, "away/.wharfd-versions", jail, ".wharfd-versions"), 0);
	assert_int_equal(versions_of("f", paths, 8), 1);
	/* It is given a time that holds it. */
	assert_int_equal(utimensat(jail, paths[0], NULL, 0), 0);
	assert_int_equal(renameat(jail, ".wharfd-versions", jail, "away/.wharfd-versions"), 0);
	assert_int_equal(renameat(jail, "away", jail, "held"), 0);
	assert_int_equal(rename_error("/b", "/held/f"), 0);
	assert_int_equal(renameat(jail, "held/.wharfd-versions", jail, ".wharfd-versions"), 0);
	assert_int_equal(versions_of("f", paths, 8), 2);
	assert_true(reads(paths[0], "0"));
	assert_true(reads(paths[1], "1"));
}

/* A folder in which a client sees nothing can be removed, but not what was kept there. */
static void
removes_what_seems_empty(void **state)
{
	(void)state;
	settings.versions = 1;
	retain(NULL, NULL);
	make_folder("folder");
	make_file("folder/f", "0", 0);
	make_file("new", "1", 0);
	assert_int_equal(rename_error("/new", "/folder/f"), 0);
	assert_int_equal(unlink_error("/folder/f"), 0);
	for (uint8_t recursive = 0; recursive < 2; recursive++)
		assert_int_equal(
			ASK(&c, F_RMDIR, f_rmdir, recursive, SLICE("/folder"))->r_done.error,
			ENOTEMPTY);
	assert_true(is_there("folder/.wharfd-versions/f"));
	make_folder("parts");
	make_file("parts/f", "0", 0);
	make_file("parts/" PART, "part", 0);
	assert_int_equal(ASK(&c, F_RMDIR, f_rmdir, 0, SLICE("/parts"))->r_done.error, ENOTEMPTY);
	assert_true(is_there("parts/" PART));
	assert_int_equal(unlink_error("/parts/f"), 0);
	/* Not while an upload goes on in there. */
	int fd = openat(jail, "parts/" PART, O_RDWR | O_CLOEXEC);
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), 0);
	assert_int_equal(ASK(&c, F_RMDIR, f_rmdir, 0, SLICE("/parts"))->r_done.error, EBUSY);
	assert_true(is_there("parts/" PART));
	close(fd);
	const struct r_usage before = usage();
	assert_int_equal(ASK(&c, F_RMDIR, f_rmdir, 0, SLICE("/parts"))->r_done.error, 0);
	told_since(&before);
	assert_false(is_there("parts"));
}

/* Waits for what the agent tells its monitor. */
static const struct message *
told(void)
{
	static struct message m;
	struct pollfd wait = {.fd = c.monitor.fd, .events = POLLIN};

	assert_int_equal(poll(&wait, 1, 20000), 1);
	assert_int_equal(wire_recv(&c.monitor, &m), 0);
	return &m;
}

/* Microseconds. */
static uint64_t
microseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
sweeps_old_parts(void **state)
{
	static const char *const kept[] = {
		".wharfd-abc",
		".wharfd-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		".wharfd-abcdefghijklmnopqrstuvwxy1",
		".wharfd-~short",
		"wharfd-abcdefghijklmnopqrstuvwxyz",
		"deep/file",
		"link",
		"deep/.wharfd-aaaaaaaaaaaaaaaaaaaaaaaaab",
		"deep/.wharfd-aaaaaaaaaaaaaaaaaaaaaaaaac",
	};
	static const char *const gone[] = {PART, ("deep/" PART), ".wharfd-~abcdefghijkl",
					   "deep/er/.wharfd-~abcdefghijkl"};

	(void)state;
	make_folder("deep");
	make_folder("deep/er");
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		make_file(gone[i], "12345", 0);
	for (size_t i = 0; i < 6; i++)
		make_file(kept[i], "x", OLD);
	make_link(PART, "link");
	make_link("../" PART, kept[7]);
	make_file(kept[8], "x", OLD);
	int locked = openat(jail, kept[8], O_RDWR | O_CLOEXEC);
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	assert_int_equal(fcntl(locked, F_OFD_SETLK, &range), 0);
	settings.staging_keep = 1;
	who.sweep = true;
	sleep(2);
	make_file("deep/.wharfd-yyyyyyyyyyyyyyyyyyyyyyyyyy", "young", OLD);
	const uint64_t before = microseconds_now();
	retain(NULL, NULL);
	const struct message *m = told();
	assert_int_equal(m->id, MSG_R_SWEPT);
	assert_int_equal(m->r_swept.files, 4);
	assert_int_equal(m->r_swept.bytes, 20);
	assert_in_range(m->r_swept.since, before, microseconds_now());
	assert_int_equal(m->r_swept.left, 1);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert_false(is_there(gone[i]));
	assert_true(is_there("deep/.wharfd-yyyyyyyyyyyyyyyyyyyyyyyyyy"));
	/* The young one grows old; the one that is written stays until it is not. */
	uint64_t files = 0;
	while (files == 0) {
		m = told();
		assert_int_equal(m->r_swept.left, 1);
		files += m->r_swept.files;
	}
	assert_false(is_there("deep/.wharfd-yyyyyyyyyyyyyyyyyyyyyyyyyy"));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		assert_true(is_there(kept[i]));
	close(locked);
	while (m->r_swept.left)
		m = told();
	assert_int_equal(m->r_swept.files, 1);
	assert_false(is_there(kept[8]));
}

/* One of two who ask at the same time. */
struct racer {
	struct wire worker;
	struct message request;
	uint32_t error;
};

static void *
race(void *arg)
{
	struct racer *r = arg;
	struct message m;

	if (wire_send(&r->worker, &r->request) < 0 || wire_recv(&r->worker, &m) != 0)
		abort();
	r->error = m.r_done.error;
	return NULL;
}

/*
 * A file takes the place of one whose time is over, and is held from that moment on.  Whatever is
 * asked about the old one meanwhile, of this agent or another, does nothing to the new one.
 */
static void
wins_races(void **state)
{
	struct message thefts[] = {
		{.id = MSG_F_UNLINK, .fd = -1, .f_unlink = {7, SLICE("/held/file")}},
		{.id = MSG_F_UTIME, .fd = -1, .f_utime = {7, 1, 0, SLICE("/held/file")}},
		{.id = MSG_F_CHMOD, .fd = -1, .f_chmod = {7, 0, SLICE("/held/file")}},
		{.id = MSG_F_RENAME,
		 .fd = -1,
		 .f_rename = {7, 1, SLICE("/held/file"), SLICE("/stolen")}},
		{.id = MSG_F_RENAME,
		 .fd = -1,
		 .f_rename = {7, 1, SLICE("/old"), SLICE("/held/file")}},
		{.id = MSG_F_RMDIR, .fd = -1, .f_rmdir = {7, 1, SLICE("/held")}},
	};
	const size_t n = sizeof(thefts) / sizeof(thefts[0]);
	struct client other;
	struct racer owner = {
		.request = {.id = MSG_F_RENAME,
			    .fd = -1,
			    .f_rename = {7, 1, SLICE("/fresh"), SLICE("/held/file")}}};
	struct racer thief = {.error = 0};
	unsigned won = 0, late = 0;
	pthread_t thread;
	struct stat st;

	(void)state;
	retain("/held = 40d", NULL);
	settings.retain = (struct texts){rules, 1};
	assert_int_equal(client_start(&other, &who, &settings), 0);
	settings.retain = (struct texts){NULL, 0};
	client_channel(&c, &owner.worker);
	for (size_t i = 0; i < 100 * n; i++) {
		if (!is_there("held"))
			make_folder("held");
		unlinkat(jail, "held/file", 0);
		make_file("held/file", "expired", -50 * DAY);
		make_file("old", "old", -50 * DAY);
		make_file("fresh", "fresh", 0);
		thief.request = thefts[i % n];
		client_channel(i / n % 2 ? &other : &c, &thief.worker);
		assert_int_equal(pthread_create(&thread, NULL, race, &thief), 0);
		race(&owner);
		assert_int_equal(pthread_join(thread, NULL), 0);
		wire_deinit(&thief.worker);
		if (owner.error == EPERM) {
			/* What came before is held as well. */
			assert_int_equal(thief.request.id, MSG_F_RENAME);
			assert_int_equal(thief.error, 0);
			assert_true(reads("held/file", "old"));
			continue;
		}
		if (owner.error) {
			/* Who comes too late finds the folder gone. */
			assert_int_equal(owner.error, ENOENT);
			continue;
		}
		assert_int_equal(fstatat(jail, "held/file", &st, 0), 0);
		assert_true(reads("held/file", "fresh"));
		assert_int_equal(st.st_mode, S_IFREG | 0644);
		assert_true(st.st_mtime > DAY);
		won++;
		late += thief.error == EPERM;
	}
	/* Each came first at times, or there was no race. */
	assert_in_range(late, 1, won - 1);
	wire_deinit(&owner.worker);
	assert_int_equal(client_stop(&other), 0);
}

/* An upload: its staging file. */
struct upload {
	char path[64], stage[64];
	int fd;
};

static uint32_t
begin(struct upload *u, const char *path)
{
	const uint32_t error = open_error(path, WHOLE);

	if (error)
		return error;
	snprintf(u->path, sizeof(u->path), "%s", path);
	snprintf(u->stage, sizeof(u->stage), "%.*s", SLICE_FMT(c.answer.r_opened.stage));
	u->fd = c.answer.fd;
	c.answer.fd = -1;
	assert_int_equal(write(u->fd, "whole", 5), 5);
	return 0;
}

static uint32_t
end(struct upload *u)
{
	const struct message m = {.id = MSG_F_COMMIT,
				  .fd = u->fd,
				  .f_commit = {7, COMMIT_SYNC | COMMIT_REPLACE, 0644,
					       slice_of(u->path), slice_of(u->stage), SLICE("")}};
	const uint32_t error = client_ask(&c, m)->r_closed.error;

	fd_close(&u->fd);
	return error;
}

/* The time of a file is that of its completion, and the first that is complete stays. */
static void
seals_what_is_completed(void **state)
{
	struct upload one, two;
	struct stat st;

	(void)state;
	make_folder("held");
	make_folder("held/sub");
	make_folder("free");
	retain("/held = 30d", NULL);
	assert_int_equal(begin(&one, "/held/file"), 0);
	assert_int_equal(begin(&two, "/held/file"), 0);
	assert_string_not_equal(one.stage, two.stage);
	assert_int_equal(utime_error("/held/file"), EPERM);
	assert_int_equal(unlink_error("/held/file"), EBUSY);
	assert_int_equal(end(&one), 0);
	assert_int_equal(end(&two), EPERM);
	assert_true(reads("held/file", "whole"));
	assert_int_equal(unlink_error("/held/file"), EPERM);
	/* A part that was made old where nothing is held, and comes in when nobody writes it. */
	assert_int_equal(begin(&one, "/free/file"), 0);
	assert_int_equal(utime_error("/free/file"), 0);
	assert_int_equal(rename_error("/free", "/held/moved"), EBUSY);
	fd_close(&one.fd);
	assert_int_equal(rename_error("/free", "/held/moved"), 0);
	assert_int_equal(begin(&one, "/held/moved/file"), 0);
	assert_int_equal(end(&one), 0);
	assert_int_equal(fstatat(jail, "held/moved/file", &st, 0), 0);
	assert_true(st.st_mtime > DAY);
	assert_int_equal(unlink_error("/held/moved/file"), EPERM);
	/* The folder is moved away, and a link would be in its place. */
	assert_int_equal(begin(&one, "/held/sub/file"), 0);
	assert_int_equal(rename_error("/held/sub", "/gone"), 0);
	assert_int_equal(symlink_error("/gone", "/held/sub"), EPERM);
	make_link("../gone", "held/sub");
	assert_int_equal(end(&one), EPERM);
	assert_false(is_there("gone/file"));
}

static time_t
time_of(const char *path)
{
	struct stat st = {0};

	assert_int_equal(fstatat(jail, path, &st, 0), 0);
	return st.st_mtime;
}

/* What is renamed to where files are held is held from then on, whatever time a client has given
 * it, and with all that is in a folder; what has been held by the same rule keeps its time. */
static void
renews_what_comes_in(void **state)
{
	(void)state;
	make_folder("held");
	make_folder("brief");
	make_folder("free");
	make_folder("free/sub");
	make_file("free/file", "one", OLD);
	make_file("free/sub/file", "two", OLD);
	make_file("brief/file", "three", OLD);
	make_file("held/expired", "four", OLD);
	retain("/held = 30d", "/brief = 1d");
	assert_int_equal(utime_error("/free/file"), 0);
	assert_int_equal(rename_error("/free/file", "/free/other"), 0);
	assert_int_equal(time_of("free/other"), 1);
	assert_int_equal(rename_error("/free/other", "/held/file"), 0);
	assert_true(time_of("held/file") > DAY);
	assert_int_equal(unlink_error("/held/file"), EPERM);
	assert_int_equal(utime_error("/free/sub/file"), 0);
	/* What does not come in keeps its time. */
	assert_int_equal(rename_error("/free/sub/file", "/held/file"), EPERM);
	assert_int_equal(time_of("free/sub/file"), 1);
	assert_int_equal(rename_error("/free", "/held/folder"), 0);
	assert_int_equal(unlink_error("/held/folder/sub/file"), EPERM);
	assert_int_equal(remove_error("/held/folder"), EPERM);
	assert_int_equal(rename_error("/brief/file", "/held/three"), 0);
	assert_int_equal(unlink_error("/held/three"), EPERM);
	const time_t expired = time_of("held/expired");
	assert_int_equal(rename_error("/held/expired", "/held/again"), 0);
	assert_int_equal(time_of("held/again"), expired);
	assert_int_equal(unlink_error("/held/again"), 0);
}

/* Who writes a file in place has it open, and would go on when it is held. */
static void
admits_nobody_who_writes(void **state)
{
	static const char *const ways[] = {"/free/file", "/link"};

	(void)state;
	make_folder("held");
	make_folder("free");
	make_link("free/file", "link");
	make_file("free/file", "whole", OLD);
	retain("/held = 30d", NULL);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(open_error(ways[i], OPEN_WRITE), 0);
		int fd = c.answer.fd;
		c.answer.fd = -1;
		assert_int_equal(rename_error("/free/file", "/held/file"), EBUSY);
		assert_int_equal(rename_error("/free", "/held/free"), EBUSY);
		/* Elsewhere it may go. */
		assert_int_equal(rename_error("/free", "/other"), 0);
		assert_int_equal(rename_error("/other", "/free"), 0);
		fd_close(&fd);
	}
	assert_int_equal(rename_error("/free/file", "/held/file"), 0);
	assert_int_equal(open_error("/link", OPEN_WRITE), ENOENT);
	make_link("../held/file", "free/file");
	assert_int_equal(open_error("/link", OPEN_WRITE), EPERM);
}

static void
lets_no_folder_of_a_rule_go(void **state)
{
	(void)state;
	make_folder("top");
	make_folder("top/held");
	make_folder("top/held/sub");
	retain("/top/held = 30d", NULL);
	assert_int_equal(ASK(&c, F_RMDIR, f_rmdir, 0, SLICE("/top/held/sub"))->r_done.error, 0);
	assert_int_equal(ASK(&c, F_RMDIR, f_rmdir, 0, SLICE("/top/held"))->r_done.error, EPERM);
	assert_int_equal(remove_error("/top/held"), EPERM);
	assert_int_equal(remove_error("/top"), EPERM);
	assert_true(is_there("top/held"));
}

/* One who has the password, and tries all that there is until he is told to stop. */
struct thief {
	struct wire worker;
	atomic_bool stops;
	unsigned tries;
};

static void *
steal(void *arg)
{
	static const struct message acts[] = {
		{.id = MSG_F_UTIME, .fd = -1, .f_utime = {7, 1, 0, SLICE_OF("/held/file")}},
		{.id = MSG_F_UNLINK, .fd = -1, .f_unlink = {7, SLICE_OF("/held/file")}},
		{.id = MSG_F_RENAME,
		 .fd = -1,
		 .f_rename = {7, 1, SLICE_OF("/held/file"), SLICE_OF("/mine")}},
		{.id = MSG_F_RENAME,
		 .fd = -1,
		 .f_rename = {7, 1, SLICE_OF("/old"), SLICE_OF("/held/file")}},
		{.id = MSG_F_OPEN,
		 .fd = -1,
		 .f_open = {7, OPEN_WRITE | OPEN_TRUNCATE, 0600, SLICE_OF("/held/file")}},
		{.id = MSG_F_RMDIR, .fd = -1, .f_rmdir = {7, 1, SLICE_OF("/held/file")}},
		{.id = MSG_F_RENAME,
		 .fd = -1,
		 .f_rename = {7, 0, SLICE_OF("/held"), SLICE_OF("/away")}},
	};
	struct thief *t = arg;
	struct message m;

	while (!atomic_load(&t->stops)) {
		const size_t n = sizeof(acts) / sizeof(acts[0]);
		/* The agent's end is the other's to tell. */
		if (wire_send(&t->worker, &acts[t->tries++ % n]) < 0 ||
		    wire_recv(&t->worker, &m) != 0)
			break;
		fd_close(&m.fd);
	}
	return NULL;
}

/* Once an upload is answered, it is there, whatever goes on. */
static void
loses_no_upload_to_a_thief(void **state)
{
	/* Its thread is there for longer than this where a check fails. */
	static struct thief thief;
	unsigned published = 0;
	struct upload u;
	struct stat st;
	pthread_t thread;

	(void)state;
	make_folder("held");
	retain("/held = 30d", NULL);
	client_channel(&c, &thief.worker);
	atomic_store(&thief.stops, false);
	assert_int_equal(pthread_create(&thread, NULL, steal, &thief), 0);
	for (int i = 0; published < 50 && i < 20000; i++) {
		make_file("old", "old", OLD);
		if (i % 2)
			make_file("held/file", "expired", OLD);
		/* He may be in the way of the upload, but not of one that was answered. */
		if (begin(&u, "/held/file") == 0 && end(&u) == 0) {
			usleep(500);
			assert_true(reads("held/file", "whole"));
			assert_int_equal(fstatat(jail, "held/file", &st, 0), 0);
			assert_true(st.st_mtime > DAY);
			published++;
		}
		unlinkat(jail, "held/file", 0);
	}
	atomic_store(&thief.stops, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	wire_deinit(&thief.worker);
	assert_true(thief.tries > 0 && published == 50);
}

int
run_keeping(const struct client_identity *identity)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(holds_what_is_completed),
		TEST(counts_from_the_files_time),
		TEST(knows_whose_folder_it_is),
		TEST(lets_no_link_lead_round),
		TEST(counts_as_find_does),
		TEST(counts_many_links),
		TEST(tells_what_it_changes),
		TEST(keeps_versions),
		TEST(keeps_no_version_twice),
		TEST(holds_versions_too),
		TEST(removes_what_seems_empty),
		TEST(sweeps_old_parts),
		TEST(wins_races),
		TEST(seals_what_is_completed),
		TEST(loses_no_upload_to_a_thief),
		TEST(renews_what_comes_in),
		TEST(admits_nobody_who_writes),
		TEST(lets_no_folder_of_a_rule_go),
	};

	who = *identity;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
