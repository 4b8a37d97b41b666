/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The users file: good lines, each kind of bad line, and changes that are whole or none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/conf/settings.h>
#include <wharf/conf/users.h>

#include "folder.h"

static void
write_file(const char *text)
{
	FILE *f = fopen("users", "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
assert_file(const char *text)
{
	char got[4096] = "";
	FILE *f = fopen("users", "r");

	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(got, text);
}

static void
test_good(void **state)
{
	static const char text[] = "# people\n"
				   "\n"
				   "bob:$y$j9T$salt$hash:1001:1002:/srv/bob:read,list:2030-02-28\n"
				   "  # between\n"
				   "al ice:!$6$x$y:0:4294967294:::\n"
				   "\xc3\xa4:$2b$05$abc:5:6:/::";
	struct conf_report report = {0};
	struct users *users = NULL;
	const struct user *all;

	(void)state;
	write_file(text);
	int fd = open("users", O_RDONLY);
	assert_int_equal(lseek(fd, 10, SEEK_SET), 10);
	assert_int_equal(users_read(fd, "users", &users, &report), 0);
	close(fd);
	assert_int_equal(users_all(users, &all), 3);
	assert_int_equal(all[0].line, 3);
	assert_int_equal(all[1].line, 5);

	const struct user *u = users_find(users, SLICE("bob"));
	assert_ptr_equal(u, &all[0]);
	assert_true(slice_equal(u->hash, SLICE("$y$j9T$salt$hash")));
	assert_int_equal(u->uid, 1001);
	assert_int_equal(u->gid, 1002);
	assert_true(slice_equal(u->root, SLICE("/srv/bob")));
	assert_int_equal(u->rights, RIGHT(read) | RIGHT(list));
	assert_int_equal(u->expires, 1898467200);
	assert_false(user_is_expired(u, 1898467199));
	assert_true(user_is_expired(u, 1898467200));
	assert_false(user_is_locked(u));

	u = users_find(users, SLICE("al ice"));
	assert_non_null(u);
	assert_true(user_is_locked(u));
	assert_int_equal(u->gid, 4294967294);
	assert_int_equal(u->rights, 0xff);
	assert_false(user_is_expired(u, INT64_MAX - 1));

	assert_non_null(users_find(users, SLICE("\xc3\xa4")));
	assert_null(users_find(users, SLICE("bo")));
	assert_null(users_find(users, SLICE("bobb")));
	assert_null(users_find(users, SLICE("BOB")));
	assert_null(users_find(users, SLICE("")));
	users_free(&users);
	assert_null(users);
	unlink("users");
}

#define HASH "$6$a$b"
#define BAD_HASH                                                                                 \
	"the hash is not of a method that is allowed ($y$, $gy$, $7$, $2b$, $2y$, $2a$, $6$ or " \
	"$5$), and does not begin with \"!\" to lock the user"

static const struct {
	const char *line, *why;
} bads[] = {
	{":" HASH ":1:1:::", "a name has 1 to 64 bytes"},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:" HASH ":1:1:::",
	 "a name has 1 to 64 bytes"},
	{"..:" HASH ":1:1:::", "a name is not \".\" or \"..\""},
	{"anonymous:" HASH ":1:1:::", "the name anonymous is for logins without a password"},
	{"-a:" HASH ":1:1:::", "a name does not begin with \"-\" or \"#\""},
	{" a:" HASH ":1:1:::", "a name does not begin or end with a blank"},
	{"a/b:" HASH ":1:1:::", "a name has no \"/\" and no \":\""},
	{"a\tb:" HASH ":1:1:::", "a name has no control characters"},
	{"a::1:1:::", BAD_HASH},
	{"a:secret:1:1:::", BAD_HASH},
	{"a:$1$a$b:1:1:::", BAD_HASH},
	{"a:$6$a b:1:1:::", "a byte in the hash is not of a hash"},
	{"a:" HASH "::1:::", "the uid is not a number from 0 to 4294967294"},
	{"a:" HASH ":4294967295:1:::", "the uid is not a number from 0 to 4294967294"},
	{"a:" HASH ":-1:1:::", "the uid is not a number from 0 to 4294967294"},
	{"a:" HASH ":1:users:::", "the gid is not a number from 0 to 4294967294"},
	{"a:" HASH ":1:1:srv::", "the root folder is not an absolute path"},
	{"a:" HASH ":1:1:/srv/..::", "the root folder has a \"..\" in it"},
	{"a:" HASH ":1:1:/srv/../etc::", "the root folder has a \"..\" in it"},
	{"a:" HASH ":1:1::read,wirte:",
	 "rights: \"wirte\" is not one of read, write, overwrite, delete, rename, mkdir, list, "
	 "chmod; did you mean write?"},
	{"a:" HASH ":1:1:::2030-02-29", "the day of expiry is not a day as YYYY-MM-DD"},
	{"a:" HASH ":1:1:::2030-2-9", "the day of expiry is not a day as YYYY-MM-DD"},
	{"a:" HASH ":1:1:::2030-00-09", "the day of expiry is not a day as YYYY-MM-DD"},
	{"a:" HASH ":1:1:::never", "the day of expiry is not a day as YYYY-MM-DD"},
	{"a:" HASH ":1:1::", "there are 6 fields, and not name:hash:uid:gid:root:rights:expires"},
	{"a:" HASH ":1:1::::", "there are 8 fields, and not name:hash:uid:gid:root:rights:expires"},
	{"a", "there are 1 fields, and not name:hash:uid:gid:root:rights:expires"},
};

static void
test_bad_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct buf why = BUF_INIT;
		struct user u;
		assert_int_equal(user_parse(slice_of(bads[i].line), &u, &why), USERS_MISTAKES);
		buf_add_byte(&why, '\0');
		assert_string_equal(why.data, bads[i].why);
		buf_deinit(&why);
	}
}

/* The root "/..x" is a folder like others. */
static void
test_dots_in_names(void **state)
{
	struct user u;
	struct buf why = BUF_INIT;

	(void)state;
	assert_int_equal(user_parse(SLICE("a:" HASH ":1:1:/..x/y..::"), &u, &why), 0);
	assert_int_equal(why.len, 0);
	buf_deinit(&why);
}

/* Bad lines are told with their numbers; the good ones work. */
static void
test_bad_file(void **state)
{
	struct conf_report report = {0};
	struct users *users = NULL;

	(void)state;
	write_file("a:" HASH ":1:1:::\nnonsense\na:" HASH ":2:2:::\n\nb:" HASH ":x:1:::\n"
		   "c:" HASH ":3:3:::\n");
	int fd = open("users", O_RDONLY);
	assert_int_equal(users_read(fd, "/etc/u", &users, &report), USERS_MISTAKES);
	close(fd);
	buf_add_byte(&report.text, '\0');
	assert_string_equal(
		report.text.data,
		"/etc/u:2: there are 1 fields, and not name:hash:uid:gid:root:rights:expires\n"
		"/etc/u:5: the uid is not a number from 0 to 4294967294\n"
		"/etc/u:3: user \"a\" is in line 1 already\n");
	assert_int_equal(report.mistakes, 3);
	assert_int_equal(users_find(users, SLICE("a"))->uid, 1);
	assert_int_equal(users_find(users, SLICE("c"))->uid, 3);
	assert_null(users_find(users, SLICE("b")));
	users_free(&users);
	conf_report_deinit(&report);
	unlink("users");
}

static void
test_format(void **state)
{
	static const char *const lines[] = {
		"bob:$y$j9T$salt$hash:1001:1002:/srv/bob:read,list:2030-02-28\n",
		"al ice:!:0:4294967294:::\n",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf out = BUF_INIT;
		struct user u;
		struct slice line = {lines[i], strlen(lines[i]) - 1};
		assert_int_equal(user_parse(line, &u, &out), 0);
		user_format(&u, &out);
		buf_add_byte(&out, '\0');
		assert_string_equal(out.data, lines[i]);
		buf_deinit(&out);
	}
}

static void
test_line(void **state)
{
	static const struct slice text = SLICE("# bob:x\nbobby:1\nbob:2\nlast:3");

	(void)state;
	assert_true(slice_equal(users_line(text, SLICE("bob")), SLICE("bob:2\n")));
	assert_true(slice_equal(users_line(text, SLICE("last")), SLICE("last:3")));
	assert_null(users_line(text, SLICE("bo")).p);
	assert_null(users_line(text, SLICE("# bob")).p);
}

static int
append(struct slice old, struct buf *new, void *arg)
{
	buf_add_slice(new, old);
	buf_add_str(new, arg);
	return 0;
}

static int
refuse(struct slice old, struct buf *new, void *arg)
{
	(void)arg;
	buf_add_str(new, "lost");
	return old.n ? 7 : 8;
}

static void
test_edit(void **state)
{
	struct stat st;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/users", folder);
	assert_int_equal(users_edit("nowhere/users", append, ""), -ENOENT);
	assert_int_equal(users_edit("users", refuse, NULL), 8);
	assert_int_equal(access("users", F_OK), -1);
	assert_int_equal(users_edit("users", append, "# one\n"), 0);
	assert_int_equal(stat("users", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(chmod("users", 0644), 0);
	/* A file that a process left when it died is in nobody's way. */
	assert_int_equal(symlink("/etc/passwd", "users.new"), 0);
	assert_int_equal(users_edit(path, append, "two\n"), 0);
	assert_file("# one\ntwo\n");
	assert_int_equal(stat("users", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(users_edit("users", refuse, NULL), 7);
	assert_file("# one\ntwo\n");
	assert_int_equal(access("users.new", F_OK), -1);

	assert_int_equal(symlink("users", "link"), 0);
	assert_int_equal(users_edit("link", append, ""), -ELOOP);
	unlink("link");
	unlink("users");
}

/* Whoever reads while others write sees a whole file, and no change is lost. */
static void
test_edit_together(void **state)
{
	enum { WRITERS = 4, EACH = 10 };
	pid_t child[WRITERS];

	(void)state;
	write_file("");
	for (int i = 0; i < WRITERS; i++) {
		child[i] = fork();
		assert_int_not_equal(child[i], -1);
		if (child[i] == 0) {
			int r = 0;
			for (int k = 0; k < EACH && r == 0; k++)
				r = users_edit("users", append, "u:" HASH ":1:1:::\n");
			_exit(r != 0);
		}
	}
	for (int i = 0; i < 200; i++) {
		struct stat st;
		assert_int_equal(stat("users", &st), 0);
		assert_int_equal(st.st_size % (off_t)strlen("u:" HASH ":1:1:::\n"), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	struct stat st;
	assert_int_equal(stat("users", &st), 0);
	assert_int_equal(st.st_size, WRITERS * EACH * strlen("u:" HASH ":1:1:::\n"));
	unlink("users");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),          cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_dots_in_names), cmocka_unit_test(test_bad_file),
		cmocka_unit_test(test_format),        cmocka_unit_test(test_line),
		cmocka_unit_test(test_edit),          cmocka_unit_test(test_edit_together),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
