/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What each request does, and whom it is refused: hidden names, rights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <wharf/ftp/entry.h>

#include "agent_tests.h"
#include "requests.h"

static void
opens_only_regular_files(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *text;

	(void)state;
	make_file("file", "12345");
	make_folder("folder");
	assert_int_equal(mkfifoat(inside, "fifo", 0666), 0);
	make_link("/dev/null", "device");
	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/socket", jail);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	close(s);
	hand_over(inside, "socket");

	assert_int_equal(ask_open("/file", OPEN_READ), 0);
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
		{"/fifo", OPEN_WRITE | OPEN_CREATE | OPEN_WHOLE, ENXIO},
		{"/socket", OPEN_READ, ENXIO},
		{"/device", OPEN_READ, ENOENT},
		{"/file", OPEN_WRITE | OPEN_CREATE | OPEN_EXCLUSIVE, EEXIST},
		{"/file", 0, EINVAL},
		{"/file", OPEN_READ | OPEN_WRITE, EINVAL},
		{"/folder", OPEN_READ | OPEN_UNIQUE, EISDIR},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ask_open(rows[i].path, rows[i].how), rows[i].error);
		assert_int_equal(c.answer.fd, -1);
	}
	assert_int_equal(ask_open("/fi\0le", OPEN_READ), ENOENT);
	assert_int_equal(ASK(&c, F_OPEN, f_open, OPEN_READ, 0, {"/file\0x", 7})->r_opened.error,
			 EINVAL);
}

static void
knows_what_is_new(void **state)
{
	(void)state;
	make_file("old", "12345");
	assert_int_equal(ask_open("/new", OPEN_WRITE | OPEN_CREATE), 0);
	assert_int_equal(c.answer.r_opened.created, 1);
	assert_int_equal(c.answer.r_opened.size, 0);
	assert_int_equal(mode_of("new"), S_IFREG | 0640);
	assert_int_equal(write(c.answer.fd, "abc", 3), 3);
	assert_int_equal(ftruncate(c.answer.fd, 1), 0);
	assert_int_equal(ask_open("/old", OPEN_WRITE | OPEN_CREATE), 0);
	assert_int_equal(c.answer.r_opened.created, 0);
	assert_int_equal(c.answer.r_opened.size, 5);
	assert_true(c.answer.r_opened.replaces && !c.answer.r_opened.made);
	/* Nothing is cut by that: who writes cuts it when there is room. */
	assert_int_equal(ask_open("/old", OPEN_WRITE | OPEN_CREATE | OPEN_WHOLE), 0);
	assert_int_equal(c.answer.r_opened.size, 5);
	assert_int_equal(ask_open("/excl", OPEN_WRITE | OPEN_CREATE | OPEN_EXCLUSIVE), 0);
	assert_int_equal(c.answer.r_opened.created, 1);
	assert_true(c.answer.r_opened.made && !c.answer.r_opened.replaces);
}

static void
chooses_unique_names(void **state)
{
	char first[64];

	(void)state;
	make_folder("drop");
	assert_int_equal(ask_open("/drop", OPEN_WRITE | OPEN_UNIQUE), 0);
	assert_int_equal(c.answer.r_opened.created, 1);
	snprintf(first, sizeof(first), "%.*s", SLICE_FMT(c.answer.r_opened.name));
	assert_int_equal(strncmp(first, "/drop/ftp.", 10), 0);
	assert_true(is_there(first + 1));
	assert_int_equal(ask_open("/drop", OPEN_WRITE | OPEN_UNIQUE), 0);
	assert_false(slice_equal(c.answer.r_opened.name, slice_of(first)));
	assert_int_equal(ask_open("/", OPEN_WRITE | OPEN_UNIQUE), 0);
	assert_int_equal(strncmp(c.answer.r_opened.name.p, "/ftp.", 5), 0);
}

static void
tells_facts(void **state)
{
	const struct r_stat *st = &c.answer.r_stat;

	(void)state;
	make_file("file", "12345");
	make_folder("folder");
	make_link("file", "link");
	make_link("nowhere", "dangling");
	assert_int_equal(ask_stat("/link"), 0);
	assert_int_equal(st->mode, S_IFREG | 0644);
	assert_int_equal(st->size, 5);
	assert_int_equal(st->nlink, 1);
	assert_int_equal(st->uid, who.uid);
	assert_int_equal(st->gid, who.gid);
	assert_int_equal(st->perm,
			 PERM_RETRIEVE | PERM_APPEND | PERM_STORE | PERM_DELETE | PERM_RENAME);
	assert_int_equal(ask_stat("/"), 0);
	assert_int_equal(st->mode, S_IFDIR | 0700);
	assert_int_equal(st->perm, PERM_ENTER | PERM_LIST | PERM_CREATE | PERM_MKDIR | PERM_PURGE);
	assert_int_equal(ask_stat("/folder"), 0);
	assert_int_equal(st->perm, PERM_ENTER | PERM_LIST | PERM_CREATE | PERM_MKDIR | PERM_PURGE |
					   PERM_DELETE | PERM_RENAME);
	assert_int_equal(ask_stat("/dangling"), 0);
	assert_true(S_ISLNK(st->mode));
	assert_int_equal(ask_stat("/missing"), ENOENT);
	assert_int_equal(ask_stat("/file/x"), ENOTDIR);
	assert_int_equal(fchmodat(inside, "file", 0400, 0), 0);
	assert_int_equal(ask_stat("/file"), 0);
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
	make_file("file", "x");
	make_file("kept", "x");
	make_link("kept", "link");
	assert_int_equal(ask_mkdir("/made/", 0750), 0);
	assert_int_equal(mode_of("made"), S_IFDIR | 0750);
	assert_int_equal(ask_mkdir("/made", 0750), EEXIST);
	assert_int_equal(ask_mkdir("/", 0750), EPERM);
	assert_int_equal(ask_unlink("/made"), EISDIR);
	assert_int_equal(ask_rmdir("/file", 0), ENOTDIR);
	assert_int_equal(ask_rmdir("/file", 1), ENOTDIR);
	assert_int_equal(ask_rmdir("/", 0), EPERM);
	assert_int_equal(ask_rmdir("/", 1), EPERM);
	assert_int_equal(ask_rmdir("/made/..", 1), EINVAL);
	assert_int_equal(ask_unlink("/link"), 0);
	assert_false(is_there("link"));
	assert_true(is_there("kept"));
	assert_int_equal(ask_unlink("/file"), 0);
	assert_false(is_there("file"));
	make_file("made/one", "x");
	assert_int_equal(ask_rmdir("/made", 0), ENOTEMPTY);
	assert_int_equal(ask_unlink("/made/one"), 0);
	assert_int_equal(ask_rmdir("/made", 0), 0);
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
			make_file_in(at, "f", "x", NULL);
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
	assert_int_equal(ask_rmdir("/d", 1), 0);
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
	make_folder("target");
	make_file("target/file", "x");
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
	make_file("a", "aaa");
	make_file("b", "b");
	make_folder("folder");
	make_folder("other");
	make_link("nowhere", "dangling");
	assert_int_equal(ask_rename("/a", "/b", 0), EEXIST);
	assert_int_equal(ask_rename("/a", "/folder", 1), EISDIR);
	assert_int_equal(ask_rename("/folder", "/other", 1), EEXIST);
	assert_int_equal(ask_rename("/folder", "/b", 1), EEXIST);
	assert_int_equal(ask_rename("/folder", "/folder/in", 1), EINVAL);
	assert_int_equal(ask_rename("/", "/x", 1), EPERM);
	assert_int_equal(ask_rename("/a", "/", 1), EPERM);
	assert_int_equal(ask_rename("/missing", "/x", 1), ENOENT);
	assert_int_equal(ask_rename("/a", "/b", 1), 0);
	assert_int_equal(fstatat(inside, "b", &st, 0), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(ask_rename("/b", "/folder/c", 0), 0);
	assert_int_equal(ask_rename("/folder", "/moved", 0), 0);
	assert_true(is_there("moved/c"));
	assert_int_equal(ask_rename("/dangling", "/still", 0), 0);
	assert_true(S_ISLNK(mode_of("still")));
	settings.rights &= ~(uint64_t)RIGHT(overwrite);
	restart();
	make_file("new", "x");
	assert_int_equal(ask_rename("/new", "/moved/c", 1), EACCES);
	assert_int_equal(ask_rename("/new", "/moved/d", 1), 0);
}

static void
changes_modes_times_and_groups(void **state)
{
	struct stat st;
	char gid[16];

	(void)state;
	make_file("file", "x");
	make_file("locked", "x");
	make_folder("folder");
	make_link("file", "link");
	assert_int_equal(mkfifoat(inside, "fifo", 0666), 0);
	hand_over(inside, "fifo");
	assert_int_equal(fchmodat(inside, "folder", 02755, 0), 0);
	assert_int_equal(ask_chmod("/link", 06777), 0);
	assert_int_equal(mode_of("file"), S_IFREG | 0777);
	assert_int_equal(ask_chmod("/folder", 0700), 0);
	assert_int_equal(mode_of("folder"), S_IFDIR | 02700);
	assert_int_equal(ask_chmod("/locked", 0), 0);
	assert_int_equal(ask_chmod("/locked", 0600), 0);
	assert_int_equal(ask_chmod("/fifo", 0600), EPERM);
	assert_int_equal(ask_chmod("/missing", 0600), ENOENT);

	assert_int_equal(ask_utime("/link", 1000000000, 5), 0);
	assert_int_equal(fstatat(inside, "file", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_int_equal(ask_utime("/folder", -5, 0), 0);
	assert_int_equal(ask_utime("/file", 1, 1000000000), EINVAL);
	assert_int_equal(ask_utime("/file", 1, UTIME_NOW), EINVAL);
	assert_int_equal(ask_utime("/fifo", 1, 0), EPERM);

	snprintf(gid, sizeof(gid), "%u", who.n_groups ? who.groups[0] : who.gid);
	assert_int_equal(ask_chgrp("/link", gid), 0);
	assert_int_equal(fstatat(inside, "file", &st, 0), 0);
	assert_int_equal(st.st_gid, (uint32_t)atoi(gid));
	assert_int_equal(ask_chgrp("/file", "4999"), EPERM);
	assert_int_equal(ask_chgrp("/file", "no such group"), EINVAL);
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
		/* One that is there already, and another one. */
		{"/file", "/folder/c", "../file", 0},
		{"/folder/sub", "/folder/c", NULL, EEXIST},
	};

	(void)state;
	make_file("file", "x");
	make_folder("folder");
	make_link("/", "up");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[PATH_MAX] = "";
		assert_int_equal(ask_symlink(rows[i].target, rows[i].path), rows[i].error);
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
	make_folder(".git");
	make_file(".git/config", "x");
	make_file("my.key", "x");
	make_file("seen", "x");
	settings.hidden = (struct texts){patterns, 2};
	restart();
	assert_int_equal(ask_open("/my.key", OPEN_READ), ENOENT);
	assert_int_equal(ask_open("/.git/config", OPEN_READ), ENOENT);
	assert_int_equal(ask_open("/new.key", OPEN_WRITE | OPEN_CREATE), ENOENT);
	assert_int_equal(ask_stat("/.git"), ENOENT);
	assert_int_equal(ask_unlink("/my.key"), ENOENT);
	assert_int_equal(ask_mkdir("/x.key", 0755), ENOENT);
	assert_int_equal(ask_rename("/seen", "/seen.key", 1), ENOENT);
	assert_int_equal(ask_rename("/.git", "/git", 1), ENOENT);
	assert_int_equal(ask_symlink(".git", "/g"), ENOENT);
	lists(LIST_NAMES, LIST_ALL, "/", "", "seen\r\n");
	uint32_t error;
	assert_null(list(LIST_NAMES, LIST_ALL, "/.git", "", &error));
	assert_int_equal(error, ENOENT);
	make_folder("folder");
	make_file("folder/a.key", "x");
	assert_int_equal(ask_rmdir("/folder", 1), ENOTEMPTY);
	assert_true(is_there("folder/a.key"));
	settings.hidden = (struct texts){NULL, 0};
}

/* Defence in depth: the worker checks them too. */
static void
refuses_what_rights_do_not_allow(void **state)
{
	uint32_t error;

	(void)state;
	make_file("file", "x");
	make_folder("folder");
	settings.rights = RIGHT(read);
	restart();
	assert_int_equal(ask_open("/file", OPEN_READ), 0);
	assert_int_equal(ASK(&c, F_STAT, f_stat, SLICE("/file"))->r_stat.perm, PERM_RETRIEVE);
	assert_int_equal(ask_open("/file", OPEN_WRITE), EACCES);
	assert_int_equal(ask_open("/file", OPEN_WRITE | OPEN_CREATE), EACCES);
	assert_int_equal(ask_open("/new", OPEN_WRITE | OPEN_CREATE), EACCES);
	assert_int_equal(ask_open("/new", OPEN_WRITE | OPEN_CREATE | OPEN_EXCLUSIVE), EACCES);
	assert_int_equal(ask_open("/", OPEN_WRITE | OPEN_UNIQUE), EACCES);
	assert_null(list(LIST_LONG, 0, "/", "", &error));
	assert_int_equal(error, EACCES);
	assert_int_equal(ask_mkdir("/x", 0755), EACCES);
	assert_int_equal(ask_rmdir("/folder", 0), EACCES);
	assert_int_equal(ask_rmdir("/folder", 1), EACCES);
	assert_int_equal(ask_unlink("/file"), EACCES);
	assert_int_equal(ask_rename("/file", "/x", 0), EACCES);
	assert_int_equal(ask_chmod("/file", 0600), EACCES);
	assert_int_equal(ask_chgrp("/file", "0"), EACCES);
	assert_int_equal(ask_utime("/file", 1, 0), EACCES);
	assert_int_equal(ask_symlink("file", "/x"), EACCES);
	settings.rights = RIGHT(write);
	restart();
	assert_int_equal(ask_open("/file", OPEN_READ), EACCES);
	assert_int_equal(ask_open("/file", OPEN_WRITE | OPEN_CREATE), EACCES);
	assert_int_equal(ask_open("/new", OPEN_WRITE | OPEN_CREATE), 0);
	settings.rights = RIGHT(overwrite);
	restart();
	assert_int_equal(ask_open("/file", OPEN_WRITE | OPEN_CREATE), 0);
	assert_int_equal(ask_open("/newer", OPEN_WRITE | OPEN_CREATE), EACCES);
	assert_int_equal(ask_open("/newer", OPEN_WRITE), ENOENT);
}

int
run_operations(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(opens_only_regular_files),
		AGENT_TEST(knows_what_is_new),
		AGENT_TEST(chooses_unique_names),
		AGENT_TEST(tells_facts),
		AGENT_TEST(makes_and_removes),
		AGENT_TEST(removes_deep_trees),
		AGENT_TEST(renames),
		AGENT_TEST(changes_modes_times_and_groups),
		AGENT_TEST(makes_links_that_stay_inside),
		AGENT_TEST(keeps_hidden_names_hidden),
		AGENT_TEST(refuses_what_rights_do_not_allow),
	};

	return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
