/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What an upload has beside its bytes: modes, groups and attributes of the file before, a digest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "agent_tests.h"
#include "part.h"
#include "requests.h"

static void
set(const char *path, const char *name, const void *value, size_t n)
{
	int fd = openat(inside, path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(fsetxattr(fd, name, value, n, 0), 0);
	close(fd);
}

/* An attribute's length, or a negative errno. */
static ssize_t
get(const char *path, const char *name, char *value, size_t size)
{
	int fd = openat(inside, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fgetxattr(fd, name, value, size);
	int error = errno;

	close(fd);
	return n < 0 ? -error : n;
}

/* u::rw-,u:1:r--,g::r--,m::rw-,o::--- */
static const unsigned char acl[] = {
	2, 0, 0,    0,    0x01, 0,    6,    0, 0xff, 0xff, 0xff, 0xff, 0x02, 0,    4,
	0, 1, 0,    0,    0,    0x04, 0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
	6, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff,
};
/* u::rwx,g::r-x,o::--- */
static const unsigned char closed[] = {
	2, 0, 0,    0,    0x01, 0,    7,    0, 0xff, 0xff, 0xff, 0xff, 0x04, 0,
	5, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff,
};

static void
hands_down_what_the_file_had(void **state)
{
	char value[256];
	struct part p;
	struct stat st;
	gid_t group = who.gid;

	(void)state;
	for (size_t i = 0; i < who.n_groups && group == who.gid; i++)
		group = who.groups[i];
	make_file("file", "old");
	assert_int_equal(fchownat(inside, "file", who.uid, group, 0), 0);
	set("file", "user.colour", "blue", 4);
	set("file", "user.wharfd.digest", "crc32:0", 7);
	set("file", "system.posix_acl_access", acl, sizeof(acl));
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	part_put(&p, "new");
	assert_int_equal(part_end(&p), 0);
	assert_int_equal(fstatat(inside, "file", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0660);
	assert_int_equal(st.st_gid, group);
	assert_int_equal(get("file", "user.colour", value, sizeof(value)), 4);
	assert_int_equal(get("file", "user.wharfd.digest", value, sizeof(value)), -ENODATA);
	assert_int_equal(get("file", "system.posix_acl_access", value, sizeof(value)), sizeof(acl));
	assert_memory_equal(value, acl, sizeof(acl));
	/* A file without an ACL in a folder that would give one. */
	make_folder("folder");
	make_file("folder/plain", "old");
	set("folder", "system.posix_acl_default", acl, sizeof(acl));
	assert_int_equal(part_begin(&p, "/folder/plain", WHOLE), 0);
	assert_int_equal(part_end(&p), 0);
	assert_int_equal(get("folder/plain", "system.posix_acl_access", value, sizeof(value)),
			 -ENODATA);
	assert_int_equal(mode_of("folder/plain"), S_IFREG | 0644);
	/* A new one has it, and no more than open(2) would have given. */
	assert_int_equal(part_begin(&p, "/folder/new", WHOLE), 0);
	assert_int_equal(part_end_as(&p, COMMIT_SYNC, 0644, ""), 0);
	assert_int_equal(mode_of("folder/new"), S_IFREG | 0640);
	assert_int_equal(get("folder/new", "system.posix_acl_access", value, sizeof(value)),
			 sizeof(acl));
	set("folder", "system.posix_acl_default", closed, sizeof(closed));
	assert_int_equal(part_begin(&p, "/folder/closed", WHOLE), 0);
	assert_int_equal(part_end_as(&p, COMMIT_SYNC, 0666, ""), 0);
	assert_int_equal(mode_of("folder/closed"), S_IFREG | 0640);
}

/* The digest that an open to read tells. */
static void
tells_digest(const char *path, const char *expected)
{
	assert_int_equal(
		ASK(&c, F_OPEN, f_open, OPEN_READ | OPEN_DIGEST, 0, slice_of(path))->r_opened.error,
		0);
	assert_int_equal(c.answer.r_opened.digest.n, strlen(expected));
	assert_memory_equal(c.answer.r_opened.digest.p, expected, strlen(expected));
}

static void
keeps_a_digest_while_it_is_true(void **state)
{
	struct part p;
	char value[256] = "";

	(void)state;
	make_file("bare", "x");
	tells_digest("/bare", "");
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	part_put(&p, "123456789");
	assert_int_equal(part_end_as(&p, 0, 0644, "crc32:cbf43926"), 0);
	tells_digest("/file", "crc32:cbf43926");
	assert_int_equal(ask_utime("/file", 1000000000, 7), 0);
	tells_digest("/file", "crc32:cbf43926");
	assert_true(get("file", "user.wharfd.digest", value, sizeof(value)) > 0);
	assert_string_equal(value, "crc32:cbf43926 size=9 mtime=1000000000.000000007");
	/* Others write it, and set the time back. */
	make_file("file", "987654321");
	tells_digest("/file", "");
	assert_int_equal(ask_utime("/file", 1000000001, 0), 0);
	tells_digest("/file", "");
	/* Written in place it says nothing, even where size and time are the same again. */
	assert_int_equal(part_begin(&p, "/other", WHOLE), 0);
	part_put(&p, "123");
	assert_int_equal(part_end_as(&p, 0, 0644, "crc32:1"), 0);
	assert_int_equal(ask_utime("/other", 5, 0), 0);
	tells_digest("/other", "crc32:1");
	assert_int_equal(part_begin(&p, "/other", OPEN_WRITE | OPEN_CREATE), 0);
	tells_digest("/other", "crc32:1");
	assert_int_equal(part_prepare(&p), 0);
	part_put(&p, "321");
	fd_close(&p.fd);
	assert_int_equal(ask_utime("/other", 5, 0), 0);
	tells_digest("/other", "");
	/* A worker's digest is text. */
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	assert_int_equal(part_end_as(&p, COMMIT_REPLACE, 0644, "crc32:1 size=9"), EINVAL);
}

/* The longest that a worker computes. */
static void
keeps_long_digests(void **state)
{
	struct part p;
	char digest[160];

	(void)state;
	snprintf(digest, sizeof(digest), "blake2b:%0128d", 7);
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	part_put(&p, "123456789");
	assert_int_equal(part_end_as(&p, 0, 0644, digest), 0);
	tells_digest("/file", digest);
}

int
run_attributes(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(hands_down_what_the_file_had),
		AGENT_TEST(keeps_a_digest_while_it_is_true),
		AGENT_TEST(keeps_long_digests),
	};

	return cmocka_run_group_tests_name("attributes", tests, NULL, NULL);
}
