/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What an agent does for a worker, and what it refuses: each request, escapes from the jail, hidden
 * names, rights, listings, and its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/ftp/entry.h>
#include <wharf/ftp/facts.h>

#include "fixture.h"

static uint32_t
open_as(const char *path, uint32_t how)
{
	return ASK(&c, F_OPEN, f_open, how, 0640, slice_of(path))->r_opened.error;
}

static uint32_t
rename_to(const char *from, const char *to, uint8_t replace)
{
	return ASK(&c, F_RENAME, f_rename, replace, slice_of(from), slice_of(to))->r_done.error;
}

static uint32_t
chmod_to(const char *path, uint32_t mode)
{
	return ASK(&c, F_CHMOD, f_chmod, mode, slice_of(path))->r_done.error;
}

static uint32_t
rmdir_of(const char *path, uint8_t recursive)
{
	return ASK(&c, F_RMDIR, f_rmdir, recursive, slice_of(path))->r_done.error;
}

static uint32_t
link_to(const char *target, const char *path)
{
	return ASK(&c, F_SYMLINK, f_symlink, slice_of(target), slice_of(path))->r_done.error;
}

/* A listing as text, or NULL and the error in *error.  The caller frees it. */
static char *
list(uint8_t form, uint32_t flags, const char *path, const char *pattern, uint32_t *error)
{
	const struct message *m = ASK(&c, F_LIST, f_list, form, flags, FACT_TYPE, slice_of(path),
				      slice_of(pattern), SLICE(""));

	*error = m->r_listing.error;
	return *error ? NULL : client_read(&c);
}

static void
lists(uint8_t form, uint32_t flags, const char *path, const char *pattern, const char *expected)
{
	uint32_t error;
	char *text = list(form, flags, path, pattern, &error);

	assert_int_equal(error, 0);
	assert_string_equal(text, expected);
	free(text);
}

static void
opens_only_regular_files(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *text;

	(void)state;
	make_file(inside, "file", "12345");
	make_folder(inside, "folder");
	assert_int_equal(mkfifoat(inside, "fifo", 0666), 0);
	make_link("/dev/null", "device");
	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/socket", jail);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	close(s);
	hand_over(inside, "socket");

	assert_int_equal(open_as("/file", OPEN_READ), 0);
	assert_int_equal(c.answer.r_opened.size, 5);
	assert_int_equal(c.answer.r_opened.id, 7);
	assert_int_equal(fcntl(c.answer.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	text = client_read(&c);
	assert_string_equal(text, "12345");
	free(text);
	static const struct {
		const char *path;
		uint32_t how, error;
	} rows[] = {
		{"/missing", OPEN_READ, ENOENT},
		{"/missing", OPEN_WRITE, ENOENT},
		{"/no/folder", OPEN_WRITE | OPEN_CREATE, ENOENT},
		{"/folder", OPEN_READ, EISDIR},
		{"/folder", OPEN_WRITE, EISDIR},
		{"/folder", OPEN_WRITE | OPEN_CREATE, EISDIR},
		{"/", OPEN_READ, EISDIR},
		{"/fifo", OPEN_READ, ENXIO},
		{"/fifo", OPEN_WRITE, ENXIO},
		{"/fifo", OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE, ENXIO},
		{"/socket", OPEN_READ, ENXIO},
		{"/device", OPEN_READ, ENOENT},
		{"/file", OPEN_WRITE | OPEN_CREATE | OPEN_EXCLUSIVE, EEXIST},
		{"/file", 0, EINVAL},
		{"/file", OPEN_READ | OPEN_WRITE, EINVAL},
		{"/folder", OPEN_READ | OPEN_UNIQUE, EISDIR},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(open_as(rows[i].path, rows[i].how), rows[i].error);
		assert_int_equal(c.answer.fd, -1);
	}
	assert_int_equal(open_as("/fi\0le", OPEN_READ), ENOENT);
	assert_int_equal(ASK(&c, F_OPEN, f_open, OPEN_READ, 0, {"/file\0x", 7})->r_opened.error,
			 EINVAL);
}

static void
knows_what_is_new(void **state)
{
	(void)state;
	make_file(inside, "old", "12345");
	assert_int_equal(open_as("/new", OPEN_WRITE | OPEN_CREATE), 0);
	assert_int_equal(c.answer.r_opened.created, 1);
	assert_int_equal(c.answer.r_opened.size, 0);
	assert_int_equal(mode_of("new"), S_IFREG | 0640);
	assert_int_equal(write(c.answer.fd, "abc", 3), 3);
	assert_int_equal(ftruncate(c.answer.fd, 1), 0);
	assert_int_equal(open_as("/old", OPEN_WRITE | OPEN_CREATE), 0);
	assert_int_equal(c.answer.r_opened.created, 0);
	assert_int_equal(c.answer.r_opened.size, 5);
	assert_int_equal(open_as("/old", OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE), 0);
	assert_int_equal(c.answer.r_opened.created, 0);
	assert_int_equal(c.answer.r_opened.size, 0);
	assert_int_equal(open_as("/excl", OPEN_WRITE | OPEN_CREATE | OPEN_EXCLUSIVE), 0);
	assert_int_equal(c.answer.r_opened.created, 1);
}

static void
chooses_unique_names(void **state)
{
	char first[64];

	(void)state;
	make_folder(inside, "drop");
	assert_int_equal(open_as("/drop", OPEN_WRITE | OPEN_UNIQUE), 0);
	assert_int_equal(c.answer.r_opened.created, 1);
	snprintf(first, sizeof(first), "%.*s", SLICE_FMT(c.answer.r_opened.name));
	assert_int_equal(strncmp(first, "/drop/ftp.", 10), 0);
	assert_true(is_there(first + 1));
	assert_int_equal(open_as("/drop", OPEN_WRITE | OPEN_UNIQUE), 0);
	assert_false(slice_equal(c.answer.r_opened.name, slice_of(first)));
	assert_int_equal(open_as("/", OPEN_WRITE | OPEN_UNIQUE), 0);
	assert_int_equal(strncmp(c.answer.r_opened.name.p, "/ftp.", 5), 0);
}

static void
tells_facts(void **state)
{
	const struct r_stat *st = &c.answer.r_stat;

	(void)state;
	make_file(inside, "file", "12345");
	make_folder(inside, "folder");
	make_link("file", "link");
	make_link("nowhere", "dangling");
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/link"))->r_stat.error, 0);
	assert_int_equal(st->mode, S_IFREG | 0644);
	assert_int_equal(st->size, 5);
	assert_int_equal(st->nlink, 1);
	assert_int_equal(st->uid, who.uid);
	assert_int_equal(st->gid, who.gid);
	assert_int_equal(st->perm,
			 PERM_RETRIEVE | PERM_APPEND | PERM_STORE | PERM_DELETE | PERM_RENAME);
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/"))->r_stat.error, 0);
	assert_int_equal(st->mode, S_IFDIR | 0700);
	assert_int_equal(st->perm, PERM_ENTER | PERM_LIST | PERM_CREATE | PERM_MKDIR | PERM_PURGE);
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/folder"))->r_stat.error, 0);
	assert_int_equal(st->perm, PERM_ENTER | PERM_LIST | PERM_CREATE | PERM_MKDIR | PERM_PURGE |
					   PERM_DELETE | PERM_RENAME);
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/dangling"))->r_stat.error, 0);
	assert_true(S_ISLNK(st->mode));
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/missing"))->r_stat.error, ENOENT);
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/file/x"))->r_stat.error, ENOTDIR);
	assert_int_equal(fchmodat(inside, "file", 0400, 0), 0);
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/file"))->r_stat.error, 0);
	assert_int_equal(st->perm, PERM_RETRIEVE | PERM_DELETE | PERM_RENAME);
	const struct passwd *user = getpwuid(who.uid);
	assert_non_null(user);
	assert_true(slice_equal(st->owner, slice_of(user->pw_name)));
	assert_int_equal(ASK(&c, F_SPACE, f_space, SLICE("/folder"))->r_space.error, 0);
	assert_true(c.answer.r_space.bytes > 0);
	assert_int_equal(ASK(&c, F_SPACE, f_space, SLICE("/missing"))->r_space.error, ENOENT);
	settings.list_owners = WORD_list_owners_numbers;
	restart();
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/file"))->r_stat.owner.n, 0);
	settings.list_owners = WORD_list_owners_hidden;
	restart();
	assert_true(
		slice_equal(ASK(&c, F_STAT, f_stat, SLICE("/file"))->r_stat.owner, SLICE("ftp")));
}

static void
makes_and_removes(void **state)
{
	(void)state;
	make_file(inside, "file", "x");
	make_file(inside, "kept", "x");
	make_link("kept", "link");
	assert_int_equal(ASK(&c, F_MKDIR, f_mkdir, 0750, SLICE("/made/"))->r_done.error, 0);
	assert_int_equal(mode_of("made"), S_IFDIR | 0750);
	assert_int_equal(ASK(&c, F_MKDIR, f_mkdir, 0750, SLICE("/made"))->r_done.error, EEXIST);
	assert_int_equal(ASK(&c, F_MKDIR, f_mkdir, 0750, SLICE("/"))->r_done.error, EPERM);
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/made"))->r_done.error, EISDIR);
	assert_int_equal(rmdir_of("/file", 0), ENOTDIR);
	assert_int_equal(rmdir_of("/file", 1), ENOTDIR);
	assert_int_equal(rmdir_of("/", 0), EPERM);
	assert_int_equal(rmdir_of("/", 1), EPERM);
	assert_int_equal(rmdir_of("/made/..", 1), EINVAL);
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/link"))->r_done.error, 0);
	assert_false(is_there("link"));
	assert_true(is_there("kept"));
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/file"))->r_done.error, 0);
	assert_false(is_there("file"));
	make_file(inside, "made/one", "x");
	assert_int_equal(rmdir_of("/made", 0), ENOTEMPTY);
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/made/one"))->r_done.error, 0);
	assert_int_equal(rmdir_of("/made", 0), 0);
	assert_false(is_there("made"));
}

/* Makes /d, with `depth` folders of the same name in it, one in the other. */
static void
make_deep_tree(int depth)
{
	int at = dup(inside);

	for (int i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		hand_over(at, "d");
		if (i % 1000 == 0)
			make_file(at, "f", "x");
		if (i == 500)
			assert_int_equal(symlinkat("/target", at, "link"), 0);
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(at);
}

/* The CPU time that the agent takes to remove such a tree, in nanoseconds. */
static int64_t
remove_deep_tree(int depth)
{
	struct timespec before, after;
	clockid_t clock;

	make_deep_tree(depth);
	assert_int_equal(clock_getcpuclockid(c.pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &before), 0);
	assert_int_equal(rmdir_of("/d", 1), 0);
	assert_int_equal(clock_gettime(clock, &after), 0);
	assert_false(is_there("d"));
	return (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + after.tv_nsec -
	       before.tv_nsec;
}

/*
 * Attack E07: the depth costs neither stack nor descriptors, and time in proportion only: ten times
 * the depth takes ten times as long, and not a hundred times; and a link in there is removed, not
 * followed.
 */
static void
removes_deep_trees(void **state)
{
	(void)state;
	make_folder(inside, "target");
	make_file(inside, "target/file", "x");
	const int64_t shallow = remove_deep_tree(1000);
	const int64_t deep = remove_deep_tree(10000);
	assert_true(is_there("target/file"));
	assert_in_range(deep / shallow, 0, 40);
}

static void
renames(void **state)
{
	struct stat st;

	(void)state;
	make_file(inside, "a", "aaa");
	make_file(inside, "b", "b");
	make_folder(inside, "folder");
	make_folder(inside, "other");
	make_link("nowhere", "dangling");
	assert_int_equal(rename_to("/a", "/b", 0), EEXIST);
	assert_int_equal(rename_to("/a", "/folder", 1), EISDIR);
	assert_int_equal(rename_to("/folder", "/other", 1), EEXIST);
	assert_int_equal(rename_to("/folder", "/b", 1), EEXIST);
	assert_int_equal(rename_to("/folder", "/folder/in", 1), EINVAL);
	assert_int_equal(rename_to("/", "/x", 1), EPERM);
	assert_int_equal(rename_to("/a", "/", 1), EPERM);
	assert_int_equal(rename_to("/missing", "/x", 1), ENOENT);
	assert_int_equal(rename_to("/a", "/b", 1), 0);
	assert_int_equal(fstatat(inside, "b", &st, 0), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(rename_to("/b", "/folder/c", 0), 0);
	assert_int_equal(rename_to("/folder", "/moved", 0), 0);
	assert_true(is_there("moved/c"));
	assert_int_equal(rename_to("/dangling", "/still", 0), 0);
	assert_true(S_ISLNK(mode_of("still")));
	settings.rights &= ~(uint64_t)RIGHT(overwrite);
	restart();
	make_file(inside, "new", "x");
	assert_int_equal(rename_to("/new", "/moved/c", 1), EACCES);
	assert_int_equal(rename_to("/new", "/moved/d", 1), 0);
}

static void
changes_modes_times_and_groups(void **state)
{
	struct stat st;
	char gid[16];

	(void)state;
	make_file(inside, "file", "x");
	make_file(inside, "locked", "x");
	make_folder(inside, "folder");
	make_link("file", "link");
	assert_int_equal(mkfifoat(inside, "fifo", 0666), 0);
	hand_over(inside, "fifo");
	assert_int_equal(fchmodat(inside, "folder", 02755, 0), 0);
	assert_int_equal(chmod_to("/link", 06777), 0);
	assert_int_equal(mode_of("file"), S_IFREG | 0777);
	assert_int_equal(chmod_to("/folder", 0700), 0);
	assert_int_equal(mode_of("folder"), S_IFDIR | 02700);
	assert_int_equal(chmod_to("/locked", 0), 0);
	assert_int_equal(chmod_to("/locked", 0600), 0);
	assert_int_equal(chmod_to("/fifo", 0600), EPERM);
	assert_int_equal(chmod_to("/missing", 0600), ENOENT);

	assert_int_equal(ASK(&c, F_UTIME, f_utime, 1000000000, 5, SLICE("/link"))->r_done.error, 0);
	assert_int_equal(fstatat(inside, "file", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_int_equal(ASK(&c, F_UTIME, f_utime, -5, 0, SLICE("/folder"))->r_done.error, 0);
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 1, 1000000000, SLICE("/file"))->r_done.error,
			 EINVAL);
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 1, UTIME_NOW, SLICE("/file"))->r_done.error,
			 EINVAL);
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 1, 0, SLICE("/fifo"))->r_done.error, EPERM);

	snprintf(gid, sizeof(gid), "%u", who.n_groups ? who.groups[0] : who.gid);
	assert_int_equal(ASK(&c, F_CHGRP, f_chgrp, slice_of(gid), SLICE("/link"))->r_done.error, 0);
	assert_int_equal(fstatat(inside, "file", &st, 0), 0);
	assert_int_equal(st.st_gid, (uint32_t)atoi(gid));
	assert_int_equal(ASK(&c, F_CHGRP, f_chgrp, SLICE("4999"), SLICE("/file"))->r_done.error,
			 EPERM);
	assert_int_equal(
		ASK(&c, F_CHGRP, f_chgrp, SLICE("no such group"), SLICE("/file"))->r_done.error,
		EINVAL);
}

/* A link that a client makes leads out for nobody, with a jail or without. */
static void
makes_links_that_stay_inside(void **state)
{
	static const struct {
		const char *target, *path, *stored;
		uint32_t error;
	} rows[] = {
		{"file", "/folder/a", "file", 0},
		{"../file", "/folder/b", "../file", 0},
		{"/file", "/folder/c", "../file", 0},
		{"/folder/sub/", "/d", "folder/sub", 0},
		{"/", "/folder/e", "..", 0},
		{"/", "/f", ".", 0},
		{"/etc/passwd", "/up/g", "etc/passwd", 0}, /* up is a link to the root */
		{"../../file", "/folder/x", NULL, EPERM},
		{"../secret", "/x", NULL, EPERM},
		{"folder/../../secret", "/x", NULL, EPERM},
		{"/folder/../../secret", "/folder/x", NULL, EPERM},
		{"", "/x", NULL, EINVAL},
		{"file", "/folder", NULL, EEXIST},
	};

	(void)state;
	make_file(inside, "file", "x");
	make_folder(inside, "folder");
	make_link("/", "up");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[PATH_MAX] = "";
		assert_int_equal(link_to(rows[i].target, rows[i].path), rows[i].error);
		if (rows[i].error)
			continue;
		const char *where = strncmp(rows[i].path, "/up", 3) == 0 ? rows[i].path + 4
									 : rows[i].path + 1;
		assert_true(readlinkat(inside, where, got, sizeof(got) - 1) > 0);
		assert_string_equal(got, rows[i].stored);
	}
}

static void
keeps_hidden_names_hidden(void **state)
{
	static char *patterns[] = {".git", "*.key"};

	(void)state;
	make_folder(inside, ".git");
	make_file(inside, ".git/config", "x");
	make_file(inside, "my.key", "x");
	make_file(inside, "seen", "x");
	settings.hidden = (struct texts){patterns, 2};
	restart();
	assert_int_equal(open_as("/my.key", OPEN_READ), ENOENT);
	assert_int_equal(open_as("/.git/config", OPEN_READ), ENOENT);
	assert_int_equal(open_as("/new.key", OPEN_WRITE | OPEN_CREATE), ENOENT);
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/.git"))->r_stat.error, ENOENT);
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/my.key"))->r_done.error, ENOENT);
	assert_int_equal(ASK(&c, F_MKDIR, f_mkdir, 0755, SLICE("/x.key"))->r_done.error, ENOENT);
	assert_int_equal(rename_to("/seen", "/seen.key", 1), ENOENT);
	assert_int_equal(rename_to("/.git", "/git", 1), ENOENT);
	assert_int_equal(link_to(".git", "/g"), ENOENT);
	lists(LIST_NAMES, LIST_ALL, "/", "", "seen\r\n");
	uint32_t error;
	assert_null(list(LIST_NAMES, LIST_ALL, "/.git", "", &error));
	assert_int_equal(error, ENOENT);
	make_folder(inside, "folder");
	make_file(inside, "folder/a.key", "x");
	assert_int_equal(rmdir_of("/folder", 1), ENOTEMPTY);
	assert_true(is_there("folder/a.key"));
	settings.hidden = (struct texts){NULL, 0};
}

/* Defence in depth: the worker checks them too. */
static void
refuses_what_rights_do_not_allow(void **state)
{
	uint32_t error;

	(void)state;
	make_file(inside, "file", "x");
	make_folder(inside, "folder");
	settings.rights = RIGHT(read);
	restart();
	assert_int_equal(open_as("/file", OPEN_READ), 0);
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/file"))->r_stat.perm, PERM_RETRIEVE);
	assert_int_equal(open_as("/file", OPEN_WRITE), EACCES);
	assert_int_equal(open_as("/file", OPEN_WRITE | OPEN_CREATE), EACCES);
	assert_int_equal(open_as("/new", OPEN_WRITE | OPEN_CREATE), EACCES);
	assert_int_equal(open_as("/new", OPEN_WRITE | OPEN_CREATE | OPEN_EXCLUSIVE), EACCES);
	assert_int_equal(open_as("/", OPEN_WRITE | OPEN_UNIQUE), EACCES);
	assert_null(list(LIST_LONG, 0, "/", "", &error));
	assert_int_equal(error, EACCES);
	assert_int_equal(ASK(&c, F_MKDIR, f_mkdir, 0755, SLICE("/x"))->r_done.error, EACCES);
	assert_int_equal(rmdir_of("/folder", 0), EACCES);
	assert_int_equal(rmdir_of("/folder", 1), EACCES);
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/file"))->r_done.error, EACCES);
	assert_int_equal(rename_to("/file", "/x", 0), EACCES);
	assert_int_equal(chmod_to("/file", 0600), EACCES);
	assert_int_equal(ASK(&c, F_CHGRP, f_chgrp, SLICE("0"), SLICE("/file"))->r_done.error,
			 EACCES);
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 1, 0, SLICE("/file"))->r_done.error, EACCES);
	assert_int_equal(link_to("file", "/x"), EACCES);
	settings.rights = RIGHT(write);
	restart();
	assert_int_equal(open_as("/file", OPEN_READ), EACCES);
	assert_int_equal(open_as("/file", OPEN_WRITE | OPEN_CREATE), EACCES);
	assert_int_equal(open_as("/new", OPEN_WRITE | OPEN_CREATE), 0);
	settings.rights = RIGHT(overwrite);
	restart();
	assert_int_equal(open_as("/file", OPEN_WRITE | OPEN_CREATE), 0);
	assert_int_equal(open_as("/newer", OPEN_WRITE | OPEN_CREATE), EACCES);
	assert_int_equal(open_as("/newer", OPEN_WRITE), ENOENT);
}

static void
lets_nobody_out(void **state)
{
	static const char *const paths[] = {
		"/../secret",        "/../../../../secret",   "/up/secret",
		"/absolute",         "/folder/../../secret",  "/proc/self/root/etc/passwd",
		"/magic/etc/passwd", "/etc/passwd",           "/deep",
		"../secret",         "/folder/up2/../secret",
	};
	char absolute[PATH_MAX + 16];

	(void)state;
	make_folder(inside, "folder");
	make_link("..", "up");
	make_link("../..", "folder/up2");
	make_link("/proc/self/root", "magic");
	make_link("../../../../../../../../etc/passwd", "deep");
	snprintf(absolute, sizeof(absolute), "%s/../secret", jail);
	make_link(absolute, "absolute");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(open_as(paths[i], OPEN_READ), ENOENT);
		assert_int_equal(open_as(paths[i], OPEN_WRITE), ENOENT);
	}
	/* Above the root there is the root. */
	assert_int_equal(open_as("/up/../../x", OPEN_WRITE | OPEN_CREATE), 0);
	assert_true(is_there("x"));
	lists(LIST_NAMES, 0, "/up/../..", "", "absolute\r\ndeep\r\nfolder\r\nmagic\r\nup\r\nx\r\n");
}

/* Attack E02: another process swaps a folder with a link to the outside as fast as it can. */
static void
wins_every_race(void **state)
{
	unsigned inside_reads = 0;

	(void)state;
	make_folder(inside, "swap");
	make_file(inside, "swap/secret", "inside!");
	assert_int_equal(symlinkat("..", inside, "link"), 0);
	pid_t flipper = fork();
	assert_true(flipper >= 0);
	if (flipper == 0)
		for (;;)
			renameat2(inside, "swap", inside, "link", RENAME_EXCHANGE);
	for (int i = 0; i < 20000; i++) {
		char got[8] = "";
		const uint32_t error = open_as("/swap/secret", i % 4 ? OPEN_READ : OPEN_WRITE);
		assert_true(error == 0 || error == ENOENT || error == EAGAIN);
		if (error)
			continue;
		struct stat st, good;
		assert_int_equal(fstat(c.answer.fd, &st), 0);
		assert_int_equal(fstatat(outside, "secret", &good, 0), 0);
		assert_int_not_equal(st.st_ino, good.st_ino);
		if (i % 4) {
			assert_int_equal(read(c.answer.fd, got, 7), 7);
			assert_string_equal(got, "inside!");
		}
		inside_reads++;
	}
	kill(flipper, SIGKILL);
	waitpid(flipper, NULL, 0);
	assert_true(inside_reads > 100);
}

static void
lists_in_each_form(void **state)
{
	uint32_t error;

	(void)state;
	make_file(inside, "b", "12345");
	make_file(inside, "a", "");
	make_file(inside, ".dot", "");
	make_file(inside, "new\nline", "");
	make_folder(inside, "sub");
	make_file(inside, "sub/c", "");
	make_folder(inside, "sub/deeper");
	make_link("b", "link");
	make_link("nowhere", "nolink");
	make_link("sub", "sublink");
	lists(LIST_NAMES, 0, "/", "", ".dot\r\na\r\nb\r\nlink\r\nnolink\r\nsub\r\nsublink\r\n");
	lists(LIST_NAMES, LIST_REVERSE, "/", "[ab]", "b\r\na\r\n");
	lists(LIST_NAMES, 0, "/", "*t", "");
	lists(LIST_NAMES, 0, "/", ".*", ".dot\r\n");
	lists(LIST_NAMES, LIST_ALL, "/", "*t", ".dot\r\n");
	lists(LIST_FACTS, LIST_ONLY_FOLDER, "/", "",
	      "type=cdir; .\r\ntype=file; .dot\r\ntype=file; a\r\ntype=file; b\r\ntype=file; "
	      "link\r\n"
	      "type=OS.unix=symlink; nolink\r\ntype=dir; sub\r\ntype=dir; sublink\r\n");
	lists(LIST_FACTS, 0, "/sub", "",
	      "type=cdir; .\r\ntype=pdir; ..\r\ntype=file; c\r\ntype=dir; deeper\r\n");
	lists(LIST_NAMES, LIST_RECURSIVE, "/sub", "", "c\r\ndeeper\r\n\r\n./deeper:\r\n");
	lists(LIST_NAMES, LIST_RECURSIVE, "/", "",
	      ".dot\r\na\r\nb\r\nlink\r\nnolink\r\nsub\r\nsublink\r\n"
	      "\r\n./sub:\r\nc\r\ndeeper\r\n\r\n./sub/deeper:\r\n");
	assert_null(list(LIST_FACTS, LIST_ONLY_FOLDER, "/b", "", &error));
	assert_int_equal(error, ENOTDIR);
	assert_null(list(LIST_LONG, 0, "/missing", "", &error));
	assert_int_equal(error, ENOENT);
	assert_null(list(9, 0, "/", "", &error));
	assert_int_equal(error, EINVAL);

	assert_int_equal(ASK(&c, F_LIST, f_list, LIST_NAMES, 0, 0, SLICE("/sub/c"), SLICE(""),
			     SLICE("sub/c/"))
				 ->r_listing.is_file,
			 1);
	char *text = client_read(&c);
	assert_string_equal(text, "sub/c\r\n");
	free(text);
	assert_int_equal(
		ASK(&c, F_LIST, f_list, LIST_NAMES, 0, 0, SLICE("/sub"), SLICE("c"), SLICE("sub/"))
			->r_listing.is_file,
		0);
	text = client_read(&c);
	assert_string_equal(text, "sub/c\r\n");
	free(text);
}

static void
lists_long_lines(void **state)
{
	const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
	const struct timespec older[2] = {{900000000, 0}, {900000000, 0}};
	uint32_t error;

	(void)state;
	settings.list_owners = WORD_list_owners_hidden;
	restart();
	make_file(inside, "a", "12345");
	make_file(inside, "b\r\n", "");
	make_link("a", "link");
	assert_int_equal(utimensat(inside, "a", older, 0), 0);
	assert_int_equal(utimensat(inside, "b\r\n", old, 0), 0);
	assert_int_equal(utimensat(inside, "link", old, AT_SYMLINK_NOFOLLOW), 0);
	lists(LIST_LONG, 0, "/", "",
	      "-rw-r--r--   1 ftp      ftp             5 Jul  9  1998 a\r\n"
	      "-rw-r--r--   1 ftp      ftp             0 Sep  9  2001 b??\r\n"
	      "lrwxrwxrwx   1 ftp      ftp             1 Sep  9  2001 link -> a\r\n");
	lists(LIST_LONG, LIST_BY_TIME, "/", "[!l]*",
	      "-rw-r--r--   1 ftp      ftp             0 Sep  9  2001 b??\r\n"
	      "-rw-r--r--   1 ftp      ftp             5 Jul  9  1998 a\r\n");
	lists(LIST_LONG, 0, "/a", "",
	      "-rw-r--r--   1 ftp      ftp             5 Jul  9  1998 a\r\n");
	make_folder(inside, "sub");
	assert_int_equal(utimensat(inside, "sub", old, 0), 0);
	/* The size of a folder is the file system's business. */
	char *text = list(LIST_LONG, LIST_ITSELF, "/sub", "", &error);
	assert_non_null(text);
	assert_int_equal(strncmp(text, "drwxr-xr-x ", 11), 0);
	assert_non_null(strstr(text, " Sep  9  2001 sub\r\n"));
	free(text);
	text = list(LIST_LONG, LIST_ALL, "/sub", "", &error);
	assert_non_null(text);
	assert_non_null(strstr(text, " .\r\n"));
	assert_non_null(strstr(text, " ..\r\n"));
	free(text);
}

/* What is known of one entry holds for the next one only where mode and owners are the same. */
static void
tells_rights_of_each(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = {{"a", 0644}, {"b", 0644}, {"c", 0444}, {"d", 0}, {"e", 0644}};

	(void)state;
	make_folder(inside, "sub");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		make_file(inside, files[i].name, "");
		assert_int_equal(fchmodat(inside, files[i].name, files[i].mode, 0), 0);
	}
	assert_int_equal(
		ASK(&c, F_LIST, f_list, LIST_FACTS, 0, FACT_PERM, SLICE("/"), SLICE(""), SLICE(""))
			->r_listing.error,
		0);
	char *text = client_read(&c);
	assert_string_equal(text, "perm=celmp; .\r\nperm=adfrw; a\r\nperm=adfrw; b\r\n"
				  "perm=dfr; c\r\nperm=df; d\r\nperm=adfrw; e\r\n"
				  "perm=cdeflmp; sub\r\n");
	free(text);
}

/* A large folder streams; who reads slowly holds up nobody, and who goes away ends it. */
static void
streams_large_folders(void **state)
{
	enum { COUNT = 30000 };
	char name[64];
	size_t lines = 0;

	(void)state;
	make_folder(inside, "large");
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "large/file-with-a-rather-long-name-%05d", i);
		int fd = openat(inside, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
	int slow[20];
	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
		assert_int_equal(ASK(&c, F_LIST, f_list, LIST_LONG, 0, 0, SLICE("/large"),
				     SLICE(""), SLICE(""))
					 ->r_listing.error,
				 0);
		slow[i] = dup(c.answer.fd);
	}
	/* None of them is read, and the agent still answers. */
	assert_int_equal(open_as("/large/file-with-a-rather-long-name-00007", OPEN_READ), 0);
	uint32_t error;
	char *text = list(LIST_LONG, 0, "/large", "", &error);
	for (const char *p = text; (p = strstr(p, "\r\n")) != NULL; p += 2)
		lines++;
	assert_int_equal(lines, COUNT);
	free(text);
	text = list(LIST_FACTS, 0, "/large", "", &error);
	const char *head = "type=cdir; .\r\ntype=pdir; ..\r\ntype=file; file-with-";
	assert_int_equal(strncmp(text, head, strlen(head)), 0);
	lines = 0;
	for (const char *p = text; (p = strstr(p, "\r\n")) != NULL; p += 2)
		lines++;
	assert_int_equal(lines, COUNT + 2);
	free(text);
	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
		close(slow[i]);
	lists(LIST_NAMES, 0, "/large", "*-2999[9]", "file-with-a-rather-long-name-29999\r\n");
	lists(LIST_NAMES, 0, "/large", "nothing*", "");
}

/* More requests wait than there are threads at first: for a lock, as for a disk. */
static void
answers_beside_those_that_wait(void **state)
{
	enum { COUNT = 20 };
	char name[16], path[17];

	(void)state;
	settings.quota_files = 1000;
	assert_int_equal(client_stop(&c), 0);
	assert_int_equal(client_start(&c, &who, &settings), 0);
	int lock = openat(inside, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		snprintf(path, sizeof(path), "/%s", name);
		make_file(inside, name, "x");
		const struct message remove = {
			.id = MSG_F_UNLINK, .fd = -1, .f_unlink = {100 + i, slice_of(path)}};
		assert_int_equal(wire_send(&c.worker, &remove), 0);
	}
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/"), 0)->r_stat.id, 7);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		assert_true(is_there(name));
	}
	close(lock);
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_int_equal(wire_recv(&c.worker, &c.answer), 0);
		assert_int_equal(c.answer.id, MSG_R_DONE);
		assert_int_equal(c.answer.r_done.error, 0);
	}
	assert_false(is_there("file0"));
}

static void
survives_a_worker_and_not_the_monitor(void **state)
{
	(void)state;
	make_file(inside, "file", "x");
	/* The worker goes; another one is served. */
	int channel[2];
	assert_int_equal(fd_seqpacket_pair(channel), 0);
	const struct message give = {.id = MSG_G_CHANNEL, .fd = channel[1], .g_channel = {1}};
	fd_close(&c.worker.fd);
	assert_int_equal(wire_send(&c.monitor, &give), 0);
	close(channel[1]);
	c.worker.fd = channel[0];
	assert_int_equal(open_as("/file", OPEN_READ), 0);
	/* What nobody may send ends the agent at once. */
	int status;
	assert_int_equal(send(c.worker.fd, "\xff", 1, 0), 1);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
	wire_deinit(&c.monitor);
	wire_deinit(&c.worker);
	assert_int_equal(client_start(&c, &who, &settings), 0);
	/* And so does a message of the right shape from the wrong side. */
	assert_int_equal(send(c.monitor.fd, "\x30", 1, 0), 1);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
	wire_deinit(&c.monitor);
	wire_deinit(&c.worker);
	assert_int_equal(client_start(&c, &who, &settings), 0);
	/* client_stop() of the teardown closes the monitor's end first. */
}

static void
refuses_a_jail_that_is_none(void **state)
{
	static const struct {
		const char *path;
		int error;
	} rows[] = {
		{"missing", ENOENT},   {"file", ENOTDIR},  {"link", ENOTDIR},
		{"link/sub", ENOTDIR}, {"locked", EACCES},
	};
	char path[PATH_MAX + 16];

	(void)state;
	make_file(inside, "file", "x");
	make_folder(inside, "folder");
	make_folder(inside, "folder/sub");
	make_folder(inside, "locked");
	assert_int_equal(fchmodat(inside, "locked", 0, 0), 0);
	make_link("folder", "link");
	assert_int_equal(client_stop(&c), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", jail, rows[i].path);
		who.root = path;
		assert_int_equal(client_start(&c, &who, &settings), rows[i].error);
		assert_true(slice_equal(c.answer.r_ready.what, SLICE("root folder")));
		assert_int_not_equal(client_stop(&c), 0);
	}
	who.root = jail;
	assert_int_equal(client_start(&c, &who, &settings), 0);
}

/* What the kernel says of the process; /proc/PID/status is there for all to read. */
static void
is_confined(void **state)
{
	static const char *const facts[] = {"NoNewPrivs:\t1\n",
					    "Seccomp:\t2\n",
					    "CapPrm:\t0000000000000000\n",
					    "CapEff:\t0000000000000000\n",
					    "CapInh:\t0000000000000000\n",
					    "CapAmb:\t0000000000000000\n",
					    "Umask:\t0000\n"};
	char path[64], text[8192];

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)c.pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		assert_non_null(strstr(text, facts[i]));
}

int
run_operations(const struct client_identity *identity)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(is_confined),
		TEST(refuses_a_jail_that_is_none),
		TEST(opens_only_regular_files),
		TEST(knows_what_is_new),
		TEST(chooses_unique_names),
		TEST(tells_facts),
		TEST(makes_and_removes),
		TEST(removes_deep_trees),
		TEST(renames),
		TEST(changes_modes_times_and_groups),
		TEST(makes_links_that_stay_inside),
		TEST(keeps_hidden_names_hidden),
		TEST(refuses_what_rights_do_not_allow),
		TEST(lets_nobody_out),
		TEST(wins_every_race),
		TEST(lists_in_each_form),
		TEST(lists_long_lines),
		TEST(tells_rights_of_each),
		TEST(streams_large_folders),
		TEST(answers_beside_those_that_wait),
		TEST(survives_a_worker_and_not_the_monitor),
	};

	who = *identity;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
