/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Listings: each form, what it tells of an entry, and folders that are large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <wharf/ftp/facts.h>

#include "agent_tests.h"
#include "requests.h"

static void
lists_in_each_form(void **state)
{
	uint32_t error;

	(void)state;
	make_file("b", "12345");
	make_file("a", "");
	make_file(".dot", "");
	make_file("new\nline", "");
	make_folder("sub");
	make_file("sub/c", "");
	make_folder("sub/deeper");
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
	      "type=OS.unix=symlink; nolink\r\ntype=dir; sub\r\n"
	      "type=OS.unix=slink:sub; sublink\r\n");
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
	make_file("a", "12345");
	make_file("b\r\n", "");
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
	make_folder("sub");
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
	make_folder("sub");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		make_file(files[i].name, "");
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
	make_folder("large");
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
	assert_int_equal(ask_open("/large/file-with-a-rather-long-name-00007", OPEN_READ), 0);
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

int
run_listings(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(lists_in_each_form),
		AGENT_TEST(lists_long_lines),
		AGENT_TEST(tells_rights_of_each),
		AGENT_TEST(streams_large_folders),
	};

	return cmocka_run_group_tests_name("listings", tests, NULL, NULL);
}
