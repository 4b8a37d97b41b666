/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Uploads as an agent sees them: a staging file is opened, written, and takes its name or is kept;
 * who may, and what is hidden.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_tests.h"
#include "part.h"
#include "requests.h"

static void
publishes_a_new_file(void **state)
{
	struct part p;

	(void)state;
	for (unsigned how = 0; how <= (COMMIT_SYNC | COMMIT_REPLACE); how++) {
		assert_int_equal(part_begin(&p, "/new", WHOLE), 0);
		assert_int_equal(p.size, 0);
		assert_int_equal(p.files, 1);
		assert_int_equal(p.bytes, 0);
		assert_false(p.replaces);
		assert_int_equal(strlen(p.name), 34);
		assert_int_equal(mode_of(p.name), S_IFREG | 01600);
		part_put(&p, "hello");
		assert_false(is_there("new"));
		assert_int_equal(part_end_as(&p, how, 0640, ""), 0);
		assert_int_equal(c.answer.r_closed.size, 5);
		counts(0, 0);
		holds("new", "hello");
		assert_int_equal(mode_of("new"), S_IFREG | 0640);
		assert_int_equal(names(), 1);
		assert_int_equal(unlinkat(inside, "new", 0), 0);
	}
}

static void
replaces_a_file(void **state)
{
	struct part p;

	(void)state;
	for (unsigned sync = 0; sync <= COMMIT_SYNC; sync++) {
		make_file("file", "old file");
		assert_int_equal(fchmodat(inside, "file", 0604, 0), 0);
		assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
		assert_true(p.replaces);
		part_put(&p, "new");
		holds("file", "old file");
		assert_int_equal(part_end_as(&p, sync | COMMIT_REPLACE, 0644, ""), 0);
		counts(-8, -1);
		holds("file", "new");
		assert_int_equal(mode_of("file"), S_IFREG | 0604);
		assert_int_equal(names(), 1);
	}
	/* Without that, what came in between stays. */
	assert_int_equal(part_begin(&p, "/late", WHOLE), 0);
	part_put(&p, "new");
	make_file("late", "between");
	assert_int_equal(part_end_as(&p, COMMIT_SYNC, 0644, ""), EEXIST);
	counts(0, 0);
	holds("late", "between");
	assert_true(is_there(p.name));
}

/* A broken upload is gone on with; an empty one, or one that is not wanted, is gone. */
static void
keeps_a_part(void **state)
{
	struct part p, q;

	(void)state;
	make_file("file", "old");
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	part_put(&p, "first");
	/* Nobody else goes on with it meanwhile; who begins anew gets another one. */
	assert_int_equal(part_begin(&q, "/file", ON), EBUSY);
	assert_int_equal(part_begin(&q, "/file", WHOLE), 0);
	assert_int_equal(q.name[8], '~');
	part_put(&q, "2nd");
	assert_int_equal(part_keep(&p, false), 0);
	counts(0, 0);
	/* The later one takes the place of the earlier. */
	assert_int_equal(part_keep(&q, false), 0);
	counts(-5, -1);
	assert_int_equal(part_begin(&q, "/file", ON), 0);
	assert_int_equal(q.size, 3);
	assert_int_equal(q.files, 0);
	assert_int_equal(q.bytes, 0);
	assert_string_equal(q.name, p.name);
	assert_int_equal(lseek(q.fd, 0, SEEK_END), 3);
	part_put(&q, " and more");
	holds("file", "old");
	assert_int_equal(part_end(&q), 0);
	holds("file", "2nd and more");
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	assert_int_equal(part_keep(&p, false), 0);
	counts(0, -1);
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	part_put(&p, "123");
	assert_int_equal(part_keep(&p, true), 0);
	counts(-3, -1);
	assert_int_equal(names(), 1);
	/* A whole one begins with nothing, whatever there was. */
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	part_put(&p, "123");
	assert_int_equal(part_keep(&p, false), 0);
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	assert_int_equal(p.size, 0);
	assert_int_equal(p.bytes, -3);
	assert_int_equal(p.files, 0);
	assert_int_equal(part_end(&p), 0);
	holds("file", "");
}

/* What can't be staged is written in place, and stays what it was. */
static void
falls_back_in_place(void **state)
{
	static const char *const paths[] = {"/link", "/twice", "/locked/file"};
	struct part p, q;

	(void)state;
	make_file("file", "old file");
	make_link("file", "link");
	make_file("twice", "old twice");
	assert_int_equal(linkat(inside, "twice", inside, "other", 0), 0);
	make_folder("locked");
	make_file("locked/file", "old locked");
	assert_int_equal(fchmodat(inside, "locked", 0555, 0), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *path = paths[i] + 1;
		assert_int_equal(part_begin(&p, paths[i], WHOLE), 0);
		assert_string_equal(p.name, "");
		assert_true(p.replaces && !p.made);
		/* Whoever writes it cuts it; nobody else may write meanwhile. */
		assert_int_equal(p.size, i == 0 ? 8 : i == 1 ? 9 : 10);
		assert_int_equal(p.bytes, 0);
		assert_int_equal(p.files, 0);
		assert_int_equal(part_begin(&q, paths[i], WHOLE), EBUSY);
		assert_int_equal(ftruncate(p.fd, 0), 0);
		part_put(&p, "new");
		holds(path, "new");
		assert_int_equal(part_end(&p), 0);
		assert_int_equal(c.answer.r_closed.size, 3);
		counts(0, 0);
	}
	assert_true(S_ISLNK(mode_of("link")));
	holds("file", "new");
	holds("other", "new");
	assert_int_equal(part_begin(&p, "/locked/new", WHOLE), EACCES);
	/* 226 would be a lie where the name is another file's by now. */
	assert_int_equal(part_begin(&p, "/twice", WHOLE), 0);
	assert_int_equal(renameat(inside, "file", inside, "twice"), 0);
	assert_int_equal(part_end(&p), ESTALE);
	/* What is kept in place just stays; only an empty file goes, where it still is that one. */
	const uint32_t in_place = OPEN_WRITE | OPEN_CREATE;
	assert_int_equal(part_begin(&p, "/other", in_place), 0);
	assert_int_equal(part_keep(&p, false), 0);
	assert_int_equal(part_begin(&p, "/other", in_place), 0);
	assert_int_equal(part_keep(&p, true), ENOTEMPTY);
	holds("other", "new");
	assert_int_equal(part_begin(&p, "/fresh", in_place), 0);
	assert_int_equal(part_keep(&p, false), 0);
	counts(0, 0);
	/* Nor by who has opened it to read. */
	assert_int_equal(part_begin(&p, "/fresh", OPEN_READ), 0);
	assert_int_equal(part_keep(&p, true), EACCES);
	assert_int_equal(part_begin(&p, "/fresh", in_place), 0);
	assert_int_equal(part_keep(&p, true), 0);
	counts(0, -1);
	assert_false(is_there("fresh"));
	assert_int_equal(part_begin(&p, "/fresh", in_place), 0);
	assert_int_equal(unlinkat(inside, "fresh", 0), 0);
	make_file("fresh", "");
	assert_int_equal(part_keep(&p, true), ESTALE);
	assert_true(is_there("fresh"));
	assert_int_equal(fchmodat(inside, "locked", 0755, 0), 0);
}

/* Without a part, on an old file: a copy where that costs nothing, and else the file itself. */
static void
goes_on_with_a_file(void **state)
{
	struct part p;

	(void)state;
	make_file("file", "12345");
	assert_int_equal(part_begin(&p, "/file", ON), 0);
	assert_int_equal(p.size, 5);
	assert_int_equal(p.bytes, p.name[0] ? 5 : 0);
	assert_int_equal(p.files, p.name[0] ? 1 : 0);
	assert_int_equal(lseek(p.fd, 0, SEEK_END), 5);
	part_put(&p, "67");
	holds("file", p.name[0] ? "12345" : "1234567");
	assert_int_equal(part_end(&p), 0);
	holds("file", "1234567");
	assert_int_equal(names(), 1);
	assert_int_equal(part_begin(&p, "/missing", OPEN_WRITE | OPEN_STAGE), ENOENT);
	assert_int_equal(part_begin(&p, "/new", ON), 0);
	assert_int_equal(p.size, 0);
	assert_int_equal(p.files, 1);
	assert_int_equal(part_end(&p), 0);
}

/* What a client says of a name that has only a part is said of the part. */
static void
speaks_of_the_part(void **state)
{
	struct part p;
	struct stat st;

	(void)state;
	make_file("file", "old file");
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	part_put(&p, "123");
	assert_int_equal(size_of("/file", 1, 0), 3);
	assert_int_equal(c.answer.r_stat.mode, S_IFREG | 0600);
	assert_int_equal(size_of("/file", 0, 0), 8);
	assert_int_equal(ASK(&c, F_OPEN, f_open, OPEN_READ, 0, SLICE("/file"))->r_opened.size, 8);
	assert_int_equal(part_keep(&p, true), 0);
	assert_int_equal(size_of("/file", 1, 0), 8);

	assert_int_equal(part_begin(&p, "/new", WHOLE), 0);
	part_put(&p, "123");
	size_of("/new", 0, ENOENT);
	assert_int_equal(size_of("/new", 1, 0), 3);
	assert_int_equal(ask_unlink("/new"), EBUSY);
	assert_int_equal(part_keep(&p, false), 0);
	assert_int_equal(ask_open("/new", OPEN_READ), ENOENT);
	assert_int_equal(ask_chmod("/new", 0444), 0);
	assert_int_equal(ask_utime("/new", 77, 0), 0);
	/* A mode that forbids to write it does not forbid to go on. */
	assert_int_equal(part_begin(&p, "/new", ON), 0);
	assert_int_equal(mode_of(p.name), S_IFREG | 0444);
	assert_int_equal(part_end(&p), 0);
	assert_int_equal(fstatat(inside, "new", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0444);
	assert_int_equal(st.st_mtime, 77);

	assert_int_equal(part_begin(&p, "/gone", WHOLE), 0);
	part_put(&p, "1234");
	assert_int_equal(part_keep(&p, false), 0);
	assert_int_equal(ask_rename("/gone", "/x", 1), ENOENT);
	assert_int_equal(ask_unlink("/gone"), 0);
	counts(-4, -1);
	assert_int_equal(ask_unlink("/gone"), ENOENT);
	assert_int_equal(names(), 2);
}

static void
chooses_names_that_are_staged(void **state)
{
	struct part p;

	(void)state;
	make_folder("drop");
	assert_int_equal(part_begin(&p, "/drop", OPEN_WRITE | OPEN_UNIQUE | OPEN_STAGE), 0);
	assert_int_equal(c.answer.r_opened.name.n, strlen("/drop/ftp.") + 12);
	snprintf(p.path, sizeof(p.path), "%.*s", SLICE_FMT(c.answer.r_opened.name));
	assert_int_equal(strncmp(p.path, "/drop/ftp.", 10), 0);
	assert_int_equal(strlen(p.name), 34);
	assert_false(is_there(p.path + 1));
	part_put(&p, "x");
	assert_int_equal(part_end_as(&p, COMMIT_SYNC, 0600, ""), 0);
	holds(p.path + 1, "x");
}

static void
refuses_what_an_upload_may_not(void **state)
{
	struct part p, q;

	(void)state;
	make_file("file", "old");
	make_folder("folder");
	assert_int_equal(mkfifoat(inside, "fifo", 0666), 0);
	hand_over(inside, "fifo");
	assert_int_equal(part_begin(&p, "/folder", WHOLE), EISDIR);
	assert_int_equal(part_begin(&p, "/fifo", WHOLE), ENXIO);
	assert_int_equal(part_begin(&p, "/no/file", WHOLE), ENOENT);
	assert_int_equal(part_begin(&p, "/file/x", WHOLE), ENOTDIR);
	assert_int_equal(part_begin(&p, "/file", WHOLE | OPEN_EXCLUSIVE), EEXIST);
	assert_int_equal(part_begin(&p, "/", WHOLE), EPERM);
	/* Who may not write to the file may not replace it. */
	assert_int_equal(fchmodat(inside, "file", 0444, 0), 0);
	assert_int_equal(part_begin(&p, "/file", WHOLE), EACCES);
	/* What a worker may not name. */
	assert_int_equal(part_begin(&p, "/new", WHOLE), 0);
	assert_int_equal(part_begin(&q, "/other", WHOLE), 0);
	struct part lie = p;
	lie.fd = dup(p.fd);
	strcpy(lie.name, q.name);
	assert_int_equal(part_end(&lie), ESTALE);
	lie.fd = dup(p.fd);
	assert_int_equal(part_keep(&lie, true), ESTALE);
	strcpy(lie.name, "file");
	lie.fd = dup(p.fd);
	assert_int_equal(part_end(&lie), EINVAL);
	strcpy(lie.name, ".wharfd-versions");
	lie.fd = dup(p.fd);
	assert_int_equal(part_keep(&lie, true), EINVAL);
	strcpy(lie.name, "../.wharfd-aaaaaaaaaaaaaaaaaaaaaaa");
	lie.fd = dup(p.fd);
	assert_int_equal(part_end(&lie), EINVAL);
	lie = p;
	lie.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(part_end(&lie), EINVAL);
	assert_int_equal(part_end(&p), 0);
	assert_int_equal(part_end(&q), 0);
	/* A drop: new files, and going on with them. */
	settings.rights = RIGHT(write);
	restart();
	assert_int_equal(part_begin(&p, "/file", WHOLE), EACCES);
	assert_int_equal(part_begin(&p, "/file", ON), EACCES);
	assert_int_equal(part_begin(&p, "/drop", WHOLE), 0);
	part_put(&p, "1");
	assert_int_equal(part_keep(&p, false), 0);
	assert_int_equal(part_begin(&p, "/drop", ON | OPEN_EXCLUSIVE), 0);
	assert_int_equal(p.size, 1);
	make_file("drop", "between");
	assert_int_equal(part_end(&p), EACCES);
	settings.rights = RIGHT(overwrite);
	restart();
	assert_int_equal(part_begin(&p, "/drop", WHOLE), 0);
	assert_int_equal(part_end(&p), 0);
	assert_int_equal(part_begin(&p, "/none", WHOLE), EACCES);
	settings.rights = RIGHT(read);
	restart();
	assert_int_equal(part_begin(&p, "/none", WHOLE), EACCES);
	p = (struct part){.fd = openat(inside, "drop", O_RDONLY | O_CLOEXEC), .path = "/drop"};
	assert_int_equal(part_end(&p), EACCES);
}

/* No request reaches a reserved name, and no listing shows one. */
static void
keeps_its_names_to_itself(void **state)
{
	static const char *const paths[] = {"/.wharfd-x", "/.WharfD-x/y", "/.wharfd-versions",
					    "/.wharfd-versions/file"};
	struct part p;

	(void)state;
	make_folder(".wharfd-versions");
	make_file(".wharfd-versions/file", "old");
	make_file(".wharfd-x", "x");
	make_file("seen", "x");
	assert_int_equal(part_begin(&p, "/seen", WHOLE), 0);
	for (int shown = 0; shown <= 1; shown++) {
		settings.show_versions = shown;
		restart();
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			const char *path = paths[i];
			const bool may = shown && i >= 2;
			assert_int_equal(ask_stat(path), may ? 0 : ENOENT);
			assert_int_equal(ask_open(path, OPEN_READ), !may     ? ENOENT
								    : i == 2 ? EISDIR
									     : 0);
			assert_int_equal(part_begin(&p, paths[i], WHOLE), ENOENT);
			assert_int_equal(part_begin(&p, paths[i], OPEN_WRITE | OPEN_CREATE),
					 ENOENT);
			assert_int_equal(ask_mkdir(path, 0755), ENOENT);
			assert_int_equal(ask_unlink(path), ENOENT);
			assert_int_equal(ask_rmdir(path, 1), ENOENT);
			assert_int_equal(ask_rename(path, "/x", 1), ENOENT);
			assert_int_equal(ask_rename("/seen", path, 1), ENOENT);
			assert_int_equal(ask_chmod(path, 0777), ENOENT);
			assert_int_equal(ask_utime(path, 1, 1), ENOENT);
			assert_int_equal(ask_symlink(path, "/l"), ENOENT);
		}
		for (uint8_t form = LIST_LONG; form <= LIST_FACTS; form++) {
			assert_int_equal(ASK(&c, F_LIST, f_list, form, LIST_ALL | LIST_RECURSIVE, 0,
					     SLICE("/"), SLICE(""), SLICE(""))
						 ->r_listing.error,
					 0);
			char *text = client_read(&c);
			assert_non_null(strstr(text, "seen"));
			assert_true((strstr(text, ".wharfd-versions") != NULL) == shown);
			assert_null(strstr(text, ".wharfd-x"));
			assert_null(strstr(text, p.name[0] ? p.name : ".wharfd-~"));
			free(text);
		}
	}
}

int
run_staging(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(publishes_a_new_file),
		AGENT_TEST(replaces_a_file),
		AGENT_TEST(keeps_a_part),
		AGENT_TEST(falls_back_in_place),
		AGENT_TEST(goes_on_with_a_file),
		AGENT_TEST(speaks_of_the_part),
		AGENT_TEST(chooses_names_that_are_staged),
		AGENT_TEST(refuses_what_an_upload_may_not),
		AGENT_TEST(keeps_its_names_to_itself),
	};

	return cmocka_run_group_tests_name("staging", tests, NULL, NULL);
}
