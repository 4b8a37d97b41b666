/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Versions of files that are replaced: which are kept, how many, and for whom they are there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent_tests.h"
#include "keeping.h"
#include "part.h"
#include "requests.h"

/* The names of a file's versions, the oldest first; returns how many there are. */
static int
versions_of(const char *name, char paths[][640], int most)
{
	struct dirent **found;
	char folder[320];
	int n;

	snprintf(folder, sizeof(folder), ".wharfd-versions/%s", name);
	n = scandirat(inside, folder, &found, NULL, alphasort);
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
	restart();
	memset(name, 'n', 255);
	name[255] = '\0';
	snprintf(path, sizeof(path), "/%s", name);
	make_file(name, "0");
	for (int i = 1; i <= 5; i++) {
		snprintf(text, sizeof(text), "%d", i);
		snprintf(from, sizeof(from), "/new%d", i);
		make_file(from + 1, text);
		assert_int_equal(ask_rename(from, path, 1), 0);
	}
	holds(name, "5");
	assert_int_equal(versions_of(name, paths, 8), 3);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%d", 2 + i);
		holds(paths[i], text);
	}
	struct stat st;
	assert_int_equal(fstatat(inside, ".wharfd-versions", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_uid, who.uid);
	/* A clock that was set back makes none the older. */
	char late[600];
	snprintf(late, sizeof(late), ".wharfd-versions/%s/29991231235959.999999999", name);
	assert_int_equal(renameat(inside, paths[2], inside, late), 0);
	make_file("new", "6");
	assert_int_equal(ask_rename("/new", path, 1), 0);
	assert_int_equal(versions_of(name, paths, 8), 3);
	holds(paths[2], "5");
	assert_non_null(strstr(paths[2], "/30000101000000.000000000"));
	/* What is replaced by nothing is not kept. */
	assert_int_equal(ask_unlink(path), 0);
	assert_int_equal(versions_of(name, paths, 8), 3);
}

/* What is put aside before it is written in place is put aside once, however often nothing comes of
 * it; and no client can pretend that it has been. */
static void
keeps_no_version_twice(void **state)
{
	const struct timespec tick = {.tv_nsec = 20000000};
	char paths[8][640];
	struct part p;

	(void)state;
	settings.versions = 3;
	restart();
	make_file("file", "one");
	nanosleep(&tick, NULL);
	/* To open it is not to write it. */
	assert_int_equal(ask_open("/file", OPEN_WRITE), 0);
	assert_int_equal(versions_of("file", paths, 8), 0);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(part_begin(&p, "/file", OPEN_WRITE), 0);
		assert_int_equal(p.versions, i == 0);
		assert_int_equal(part_prepare(&p), 0);
		assert_int_equal(p.bytes, i == 0 ? 3 : 0);
		assert_int_equal(p.files, i == 0);
		assert_int_equal(part_keep(&p, false), 0);
		nanosleep(&tick, NULL);
	}
	assert_int_equal(versions_of("file", paths, 8), 1);
	holds(paths[0], "one");
	/* Of the size and the time of the last version. */
	assert_int_equal(ask_utime("/file", 1, 0), 0);
	assert_int_equal(part_begin(&p, "/file", OPEN_WRITE), 0);
	assert_int_equal(part_prepare(&p), 0);
	assert_int_equal(part_keep(&p, false), 0);
	assert_int_equal(versions_of("file", paths, 8), 2);
	make_file("new", "two");
	assert_int_equal(ask_rename("/new", "/file", 1), 0);
	assert_int_equal(ask_utime("/file", 1, 0), 0);
	make_file("new", "bad");
	assert_int_equal(ask_rename("/new", "/file", 1), 0);
	unsigned n = versions_of("file", paths, 8);
	holds(paths[n - 1], "two");
}

/* It is said before it is done, so that there can be room for it. */
static void
says_what_will_be_kept(void **state)
{
	const struct {
		const char *path;
		uint32_t how;
		bool versions;
	} rows[] = {
		{"/file", OPEN_WRITE, true},
		{"/file", OPEN_WRITE | OPEN_STAGE | OPEN_WHOLE, true},
		{"/new", OPEN_WRITE | OPEN_CREATE, false},
		{"/other", OPEN_WRITE | OPEN_CREATE | OPEN_STAGE | OPEN_WHOLE, false},
		/* What is behind a link has no versions there. */
		{"/link", OPEN_WRITE, false},
		{"/link", OPEN_WRITE | OPEN_STAGE | OPEN_WHOLE, false},
		/* Two names of one file: it is written in place. */
		{"/twin", OPEN_WRITE | OPEN_STAGE | OPEN_WHOLE, true},
	};
	struct part p;

	(void)state;
	make_file("file", "one");
	make_file("twin", "two");
	assert_int_equal(symlinkat("file", inside, "link"), 0);
	assert_int_equal(linkat(inside, "twin", inside, "twin2", 0), 0);
	for (unsigned n = 0; n < 2; n++) {
		settings.versions = n;
		restart();
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			assert_int_equal(part_begin(&p, rows[i].path, rows[i].how), 0);
			assert_int_equal(p.versions, n && rows[i].versions);
			assert_int_equal(part_keep(&p, true), p.made || p.name[0] ? 0 : ENOTEMPTY);
		}
	}
	/* Who goes on with a part of his own has that file already. */
	assert_int_equal(part_begin_with(&p, "/file", "part"), 0);
	assert_int_equal(part_keep(&p, false), 0);
	assert_int_equal(part_begin(&p, "/file", OPEN_WRITE | OPEN_STAGE), 0);
	assert_true(p.size == 4 && p.replaces && !p.versions);
	assert_int_equal(part_keep(&p, true), 0);
}

static void
holds_versions_too(void **state)
{
	char paths[8][640];

	(void)state;
	settings.versions = 1;
	retain("/held = 30d", NULL);
	make_folder("held");
	make_aged("held/f", "0", OLD);
	make_aged("a", "1", OLD);
	make_aged("b", "2", OLD);
	assert_int_equal(ask_rename("/a", "/held/f", 1), 0);
	make_aged("held/f", "1", OLD);
	assert_int_equal(symlinkat("held", inside, "look"), 0);
	assert_int_equal(renameat(inside, "held", inside, "away"), 0);
	assert_int_equal(mkdirat(inside, "x", 0755), 0);
	assert_int_equal(renameat(inside, "away/.wharfd-versions", inside, ".wharfd-versions"), 0);
	assert_int_equal(versions_of("f", paths, 8), 1);
	/* It is given a time that holds it. */
	assert_int_equal(utimensat(inside, paths[0], NULL, 0), 0);
	assert_int_equal(renameat(inside, ".wharfd-versions", inside, "away/.wharfd-versions"), 0);
	assert_int_equal(renameat(inside, "away", inside, "held"), 0);
	assert_int_equal(ask_rename("/b", "/held/f", 1), 0);
	assert_int_equal(renameat(inside, "held/.wharfd-versions", inside, ".wharfd-versions"), 0);
	assert_int_equal(versions_of("f", paths, 8), 2);
	holds(paths[0], "0");
	holds(paths[1], "1");
}

/* A folder in which a client sees nothing can be removed, but not what was kept there. */
static void
removes_what_seems_empty(void **state)
{
	(void)state;
	settings.versions = 1;
	restart();
	make_folder("folder");
	make_file("folder/f", "0");
	make_file("new", "1");
	assert_int_equal(ask_rename("/new", "/folder/f", 1), 0);
	assert_int_equal(ask_unlink("/folder/f"), 0);
	for (uint8_t recursive = 0; recursive < 2; recursive++)
		assert_int_equal(ask_rmdir("/folder", recursive), ENOTEMPTY);
	assert_true(is_there("folder/.wharfd-versions/f"));
	make_folder("parts");
	make_file("parts/f", "0");
	make_file("parts/" PART, "part");
	assert_int_equal(ask_rmdir("/parts", 0), ENOTEMPTY);
	assert_true(is_there("parts/" PART));
	assert_int_equal(ask_unlink("/parts/f"), 0);
	/* Not while an upload goes on in there. */
	int fd = openat(inside, "parts/" PART, O_RDWR | O_CLOEXEC);
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), 0);
	assert_int_equal(ask_rmdir("/parts", 0), EBUSY);
	assert_true(is_there("parts/" PART));
	close(fd);
	const struct r_usage before = usage();
	assert_int_equal(ask_rmdir("/parts", 0), 0);
	told_since(&before);
	assert_false(is_there("parts"));
}

int
run_versions(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST(keeps_versions),           KEEPING_TEST(keeps_no_version_twice),
		KEEPING_TEST(says_what_will_be_kept),   KEEPING_TEST(holds_versions_too),
		KEEPING_TEST(removes_what_seems_empty),
	};

	return cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
