/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Uploads as an agent sees them: a staging file is opened, written, and takes its name or is kept;
 * what is inherited, who may, what is hidden, and many at the same time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "fixture.h"

#define WHOLE (OPEN_WRITE | OPEN_CREATE | OPEN_STAGE | OPEN_TRUNCATE)
#define ON    (OPEN_WRITE | OPEN_CREATE | OPEN_STAGE)

/* An upload that has begun. */
struct part {
	char path[64], name[64];
	int fd;
	uint64_t size;
	int64_t bytes, files;
	bool replaces, created;
};

static uint32_t
begin(struct part *p, const char *path, uint32_t how)
{
	const struct r_opened *r = &c.answer.r_opened;

	*p = (struct part){.fd = -1};
	snprintf(p->path, sizeof(p->path), "%s", path);
	const uint32_t error = ASK(&c, F_OPEN, f_open, how, 0644, slice_of(path))->r_opened.error;
	p->bytes = r->bytes;
	p->files = r->files;
	if (error)
		return error;
	p->fd = c.answer.fd;
	c.answer.fd = -1;
	p->size = r->size;
	p->replaces = r->replaces;
	p->created = r->created;
	snprintf(p->name, sizeof(p->name), "%.*s", SLICE_FMT(r->stage));
	return 0;
}

static void
put(const struct part *p, const char *text)
{
	assert_int_equal(write(p->fd, text, strlen(text)), strlen(text));
}

/* F_COMMIT with a mode and a digest; the descriptor is closed after it. */
static uint32_t
end_as(struct part *p, uint32_t how, uint32_t mode, const char *digest)
{
	const struct message m = {
		.id = MSG_F_COMMIT,
		.fd = p->fd,
		.f_commit = {7, how, mode, slice_of(p->path), slice_of(p->name), slice_of(digest)}};
	const uint32_t error = client_ask(&c, m)->r_closed.error;

	fd_close(&p->fd);
	return error;
}

static uint32_t
end(struct part *p)
{
	return end_as(p, COMMIT_SYNC | COMMIT_REPLACE, 0644, "");
}

static uint32_t
keep(struct part *p, bool discard)
{
	const struct message m = {.id = MSG_F_KEEP,
				  .fd = p->fd,
				  .f_keep = {7, discard, slice_of(p->path), slice_of(p->name)}};
	const uint32_t error = client_ask(&c, m)->r_closed.error;

	fd_close(&p->fd);
	return error;
}

static void
counts(int64_t bytes, int64_t files)
{
	const bool closes = c.answer.id == MSG_R_CLOSED;

	assert_int_equal(closes ? c.answer.r_closed.bytes : c.answer.r_done.bytes, bytes);
	assert_int_equal(closes ? c.answer.r_closed.files : c.answer.r_done.files, files);
}

static void
holds(const char *path, const char *text)
{
	char got[256] = "";
	int fd = openat(inside, path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, text);
}

/* How many names there are in the jail. */
static unsigned
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

static void
publishes_a_new_file(void **state)
{
	struct part p;

	(void)state;
	for (unsigned how = 0; how <= (COMMIT_SYNC | COMMIT_REPLACE); how++) {
		assert_int_equal(begin(&p, "/new", WHOLE), 0);
		assert_int_equal(p.size, 0);
		assert_int_equal(p.files, 1);
		assert_int_equal(p.bytes, 0);
		assert_false(p.replaces);
		assert_int_equal(strlen(p.name), 34);
		assert_int_equal(mode_of(p.name), S_IFREG | 01600);
		put(&p, "hello");
		assert_false(is_there("new"));
		assert_int_equal(end_as(&p, how, 0640, ""), 0);
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
		make_file(inside, "file", "old file");
		assert_int_equal(fchmodat(inside, "file", 0604, 0), 0);
		assert_int_equal(begin(&p, "/file", WHOLE), 0);
		assert_true(p.replaces);
		put(&p, "new");
		holds("file", "old file");
		assert_int_equal(end_as(&p, sync | COMMIT_REPLACE, 0644, ""), 0);
		counts(-8, -1);
		holds("file", "new");
		assert_int_equal(mode_of("file"), S_IFREG | 0604);
		assert_int_equal(names(), 1);
	}
	/* Without that, what came in between stays. */
	assert_int_equal(begin(&p, "/late", WHOLE), 0);
	put(&p, "new");
	make_file(inside, "late", "between");
	assert_int_equal(end_as(&p, COMMIT_SYNC, 0644, ""), EEXIST);
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
	make_file(inside, "file", "old");
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	put(&p, "first");
	/* Nobody else goes on with it meanwhile; who begins anew gets another one. */
	assert_int_equal(begin(&q, "/file", ON), EBUSY);
	assert_int_equal(begin(&q, "/file", WHOLE), 0);
	assert_int_equal(q.name[8], '~');
	put(&q, "2nd");
	assert_int_equal(keep(&p, false), 0);
	counts(0, 0);
	/* The later one takes the place of the earlier. */
	assert_int_equal(keep(&q, false), 0);
	counts(-5, -1);
	assert_int_equal(begin(&q, "/file", ON), 0);
	assert_int_equal(q.size, 3);
	assert_int_equal(q.files, 0);
	assert_int_equal(q.bytes, 0);
	assert_string_equal(q.name, p.name);
	assert_int_equal(lseek(q.fd, 0, SEEK_END), 3);
	put(&q, " and more");
	holds("file", "old");
	assert_int_equal(end(&q), 0);
	holds("file", "2nd and more");
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	assert_int_equal(keep(&p, false), 0);
	counts(0, -1);
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	put(&p, "123");
	assert_int_equal(keep(&p, true), 0);
	counts(-3, -1);
	assert_int_equal(names(), 1);
	/* A whole one begins with nothing, whatever there was. */
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	put(&p, "123");
	assert_int_equal(keep(&p, false), 0);
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	assert_int_equal(p.size, 0);
	assert_int_equal(p.bytes, -3);
	assert_int_equal(p.files, 0);
	assert_int_equal(end(&p), 0);
	holds("file", "");
}

/* What can't be staged is written in place, and stays what it was. */
static void
falls_back_in_place(void **state)
{
	static const char *const paths[] = {"/link", "/twice", "/locked/file"};
	struct part p, q;

	(void)state;
	make_file(inside, "file", "old file");
	make_link("file", "link");
	make_file(inside, "twice", "old twice");
	assert_int_equal(linkat(inside, "twice", inside, "other", 0), 0);
	make_folder(inside, "locked");
	make_file(inside, "locked/file", "old locked");
	assert_int_equal(fchmodat(inside, "locked", 0555, 0), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *path = paths[i] + 1;
		assert_int_equal(begin(&p, paths[i], WHOLE), 0);
		assert_string_equal(p.name, "");
		assert_false(p.replaces);
		/* Whoever writes it cuts it; nobody else may write meanwhile. */
		assert_int_equal(p.size, i == 0 ? 8 : i == 1 ? 9 : 10);
		assert_int_equal(p.bytes, 0);
		assert_int_equal(p.files, 0);
		assert_int_equal(begin(&q, paths[i], WHOLE), EBUSY);
		assert_int_equal(ftruncate(p.fd, 0), 0);
		put(&p, "new");
		holds(path, "new");
		assert_int_equal(end(&p), 0);
		assert_int_equal(c.answer.r_closed.size, 3);
		counts(0, 0);
	}
	assert_true(S_ISLNK(mode_of("link")));
	holds("file", "new");
	holds("other", "new");
	assert_int_equal(begin(&p, "/locked/new", WHOLE), EACCES);
	/* 226 would be a lie where the name is another file's by now. */
	assert_int_equal(begin(&p, "/twice", WHOLE), 0);
	assert_int_equal(renameat(inside, "file", inside, "twice"), 0);
	assert_int_equal(end(&p), ESTALE);
	/* What is kept in place just stays. */
	assert_int_equal(begin(&p, "/other", WHOLE), 0);
	assert_int_equal(keep(&p, true), 0);
	holds("other", "new");
	assert_int_equal(fchmodat(inside, "locked", 0755, 0), 0);
}

/* Without a part, on an old file: a copy where that costs nothing, and else the file itself. */
static void
goes_on_with_a_file(void **state)
{
	struct part p;

	(void)state;
	make_file(inside, "file", "12345");
	assert_int_equal(begin(&p, "/file", ON), 0);
	assert_int_equal(p.size, 5);
	assert_int_equal(p.bytes, p.name[0] ? 5 : 0);
	assert_int_equal(p.files, p.name[0] ? 1 : 0);
	assert_int_equal(lseek(p.fd, 0, SEEK_END), 5);
	put(&p, "67");
	holds("file", p.name[0] ? "12345" : "1234567");
	assert_int_equal(end(&p), 0);
	holds("file", "1234567");
	assert_int_equal(names(), 1);
	assert_int_equal(begin(&p, "/missing", OPEN_WRITE | OPEN_STAGE), ENOENT);
	assert_int_equal(begin(&p, "/new", ON), 0);
	assert_int_equal(p.size, 0);
	assert_int_equal(p.files, 1);
	assert_int_equal(end(&p), 0);
}

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
	make_file(inside, "file", "old");
	assert_int_equal(fchownat(inside, "file", who.uid, group, 0), 0);
	set("file", "user.colour", "blue", 4);
	set("file", "user.wharfd.digest", "crc32:0", 7);
	set("file", "system.posix_acl_access", acl, sizeof(acl));
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	put(&p, "new");
	assert_int_equal(end(&p), 0);
	assert_int_equal(fstatat(inside, "file", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0660);
	assert_int_equal(st.st_gid, group);
	assert_int_equal(get("file", "user.colour", value, sizeof(value)), 4);
	assert_int_equal(get("file", "user.wharfd.digest", value, sizeof(value)), -ENODATA);
	assert_int_equal(get("file", "system.posix_acl_access", value, sizeof(value)), sizeof(acl));
	assert_memory_equal(value, acl, sizeof(acl));
	/* A file without an ACL in a folder that would give one. */
	make_folder(inside, "folder");
	make_file(inside, "folder/plain", "old");
	set("folder", "system.posix_acl_default", acl, sizeof(acl));
	assert_int_equal(begin(&p, "/folder/plain", WHOLE), 0);
	assert_int_equal(end(&p), 0);
	assert_int_equal(get("folder/plain", "system.posix_acl_access", value, sizeof(value)),
			 -ENODATA);
	assert_int_equal(mode_of("folder/plain"), S_IFREG | 0644);
	/* A new one has it, and no more than open(2) would have given. */
	assert_int_equal(begin(&p, "/folder/new", WHOLE), 0);
	assert_int_equal(end_as(&p, COMMIT_SYNC, 0644, ""), 0);
	assert_int_equal(mode_of("folder/new"), S_IFREG | 0640);
	assert_int_equal(get("folder/new", "system.posix_acl_access", value, sizeof(value)),
			 sizeof(acl));
	set("folder", "system.posix_acl_default", closed, sizeof(closed));
	assert_int_equal(begin(&p, "/folder/closed", WHOLE), 0);
	assert_int_equal(end_as(&p, COMMIT_SYNC, 0666, ""), 0);
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
	make_file(inside, "bare", "x");
	tells_digest("/bare", "");
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	put(&p, "123456789");
	assert_int_equal(end_as(&p, 0, 0644, "crc32:cbf43926"), 0);
	tells_digest("/file", "crc32:cbf43926");
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 1000000000, 7, SLICE("/file"))->r_done.error, 0);
	tells_digest("/file", "crc32:cbf43926");
	assert_true(get("file", "user.wharfd.digest", value, sizeof(value)) > 0);
	assert_string_equal(value, "crc32:cbf43926 size=9 mtime=1000000000.000000007");
	/* Others write it, and set the time back. */
	make_file(inside, "file", "987654321");
	tells_digest("/file", "");
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 1000000001, 0, SLICE("/file"))->r_done.error, 0);
	tells_digest("/file", "");
	/* Written in place it says nothing, even where size and time are the same again. */
	assert_int_equal(begin(&p, "/other", WHOLE), 0);
	put(&p, "123");
	assert_int_equal(end_as(&p, 0, 0644, "crc32:1"), 0);
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 5, 0, SLICE("/other"))->r_done.error, 0);
	tells_digest("/other", "crc32:1");
	assert_int_equal(begin(&p, "/other", OPEN_WRITE | OPEN_CREATE), 0);
	put(&p, "321");
	fd_close(&p.fd);
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 5, 0, SLICE("/other"))->r_done.error, 0);
	tells_digest("/other", "");
	/* A worker's digest is text. */
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	assert_int_equal(end_as(&p, COMMIT_REPLACE, 0644, "crc32:1 size=9"), EINVAL);
}

/* The longest that a worker computes. */
static void
keeps_long_digests(void **state)
{
	struct part p;
	char digest[160];

	(void)state;
	snprintf(digest, sizeof(digest), "blake2b:%0128d", 7);
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	put(&p, "123456789");
	assert_int_equal(end_as(&p, 0, 0644, digest), 0);
	tells_digest("/file", digest);
}

static uint64_t
size_of(const char *path, uint8_t part, uint32_t error)
{
	assert_int_equal(ASK(&c, F_STAT, f_stat, slice_of(path), part)->r_stat.error, error);
	return c.answer.r_stat.size;
}

/* What a client says of a name that has only a part is said of the part. */
static void
speaks_of_the_part(void **state)
{
	struct part p;
	struct stat st;

	(void)state;
	make_file(inside, "file", "old file");
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	put(&p, "123");
	assert_int_equal(size_of("/file", 1, 0), 3);
	assert_int_equal(c.answer.r_stat.mode, S_IFREG | 0600);
	assert_int_equal(size_of("/file", 0, 0), 8);
	assert_int_equal(ASK(&c, F_OPEN, f_open, OPEN_READ, 0, SLICE("/file"))->r_opened.size, 8);
	assert_int_equal(keep(&p, true), 0);
	assert_int_equal(size_of("/file", 1, 0), 8);

	assert_int_equal(begin(&p, "/new", WHOLE), 0);
	put(&p, "123");
	size_of("/new", 0, ENOENT);
	assert_int_equal(size_of("/new", 1, 0), 3);
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/new"))->r_done.error, EBUSY);
	assert_int_equal(keep(&p, false), 0);
	assert_int_equal(ASK(&c, F_OPEN, f_open, OPEN_READ, 0, SLICE("/new"))->r_opened.error,
			 ENOENT);
	assert_int_equal(ASK(&c, F_CHMOD, f_chmod, 0444, SLICE("/new"))->r_done.error, 0);
	assert_int_equal(ASK(&c, F_UTIME, f_utime, 77, 0, SLICE("/new"))->r_done.error, 0);
	/* A mode that forbids to write it does not forbid to go on. */
	assert_int_equal(begin(&p, "/new", ON), 0);
	assert_int_equal(mode_of(p.name), S_IFREG | 0444);
	assert_int_equal(end(&p), 0);
	assert_int_equal(fstatat(inside, "new", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0444);
	assert_int_equal(st.st_mtime, 77);

	assert_int_equal(begin(&p, "/gone", WHOLE), 0);
	put(&p, "1234");
	assert_int_equal(keep(&p, false), 0);
	assert_int_equal(ASK(&c, F_RENAME, f_rename, 1, SLICE("/gone"), SLICE("/x"))->r_done.error,
			 ENOENT);
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/gone"))->r_done.error, 0);
	counts(-4, -1);
	assert_int_equal(ASK(&c, F_UNLINK, f_unlink, SLICE("/gone"))->r_done.error, ENOENT);
	assert_int_equal(names(), 2);
}

static void
chooses_names_that_are_staged(void **state)
{
	struct part p;

	(void)state;
	make_folder(inside, "drop");
	assert_int_equal(begin(&p, "/drop", OPEN_WRITE | OPEN_UNIQUE | OPEN_STAGE), 0);
	assert_int_equal(c.answer.r_opened.name.n, strlen("/drop/ftp.") + 12);
	snprintf(p.path, sizeof(p.path), "%.*s", SLICE_FMT(c.answer.r_opened.name));
	assert_int_equal(strncmp(p.path, "/drop/ftp.", 10), 0);
	assert_int_equal(strlen(p.name), 34);
	assert_false(is_there(p.path + 1));
	put(&p, "x");
	assert_int_equal(end_as(&p, COMMIT_SYNC, 0600, ""), 0);
	holds(p.path + 1, "x");
}

static void
refuses_what_an_upload_may_not(void **state)
{
	struct part p, q;

	(void)state;
	make_file(inside, "file", "old");
	make_folder(inside, "folder");
	assert_int_equal(mkfifoat(inside, "fifo", 0666), 0);
	hand_over(inside, "fifo");
	assert_int_equal(begin(&p, "/folder", WHOLE), EISDIR);
	assert_int_equal(begin(&p, "/fifo", WHOLE), ENXIO);
	assert_int_equal(begin(&p, "/no/file", WHOLE), ENOENT);
	assert_int_equal(begin(&p, "/file/x", WHOLE), ENOTDIR);
	assert_int_equal(begin(&p, "/file", WHOLE | OPEN_EXCLUSIVE), EEXIST);
	assert_int_equal(begin(&p, "/", WHOLE), EPERM);
	/* Who may not write to the file may not replace it. */
	assert_int_equal(fchmodat(inside, "file", 0444, 0), 0);
	assert_int_equal(begin(&p, "/file", WHOLE), EACCES);
	/* What a worker may not name. */
	assert_int_equal(begin(&p, "/new", WHOLE), 0);
	assert_int_equal(begin(&q, "/other", WHOLE), 0);
	struct part lie = p;
	lie.fd = dup(p.fd);
	strcpy(lie.name, q.name);
	assert_int_equal(end(&lie), ESTALE);
	lie.fd = dup(p.fd);
	assert_int_equal(keep(&lie, true), ESTALE);
	strcpy(lie.name, "file");
	lie.fd = dup(p.fd);
	assert_int_equal(end(&lie), EINVAL);
	strcpy(lie.name, ".wharfd-versions");
	lie.fd = dup(p.fd);
	assert_int_equal(keep(&lie, true), EINVAL);
	strcpy(lie.name, "../.wharfd-aaaaaaaaaaaaaaaaaaaaaaa");
	lie.fd = dup(p.fd);
	assert_int_equal(end(&lie), EINVAL);
	lie = p;
	lie.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(end(&lie), EINVAL);
	assert_int_equal(end(&p), 0);
	assert_int_equal(end(&q), 0);
	/* A drop: new files, and going on with them. */
	settings.rights = RIGHT(write);
	restart();
	assert_int_equal(begin(&p, "/file", WHOLE), EACCES);
	assert_int_equal(begin(&p, "/file", ON), EACCES);
	assert_int_equal(begin(&p, "/drop", WHOLE), 0);
	put(&p, "1");
	assert_int_equal(keep(&p, false), 0);
	assert_int_equal(begin(&p, "/drop", ON | OPEN_EXCLUSIVE), 0);
	assert_int_equal(p.size, 1);
	make_file(inside, "drop", "between");
	assert_int_equal(end(&p), EACCES);
	settings.rights = RIGHT(overwrite);
	restart();
	assert_int_equal(begin(&p, "/drop", WHOLE), 0);
	assert_int_equal(end(&p), 0);
	assert_int_equal(begin(&p, "/none", WHOLE), EACCES);
	settings.rights = RIGHT(read);
	restart();
	assert_int_equal(begin(&p, "/none", WHOLE), EACCES);
	p = (struct part){.fd = openat(inside, "drop", O_RDONLY | O_CLOEXEC), .path = "/drop"};
	assert_int_equal(end(&p), EACCES);
}

/* No request reaches a reserved name, and no listing shows one. */
static void
keeps_its_names_to_itself(void **state)
{
	static const char *const paths[] = {"/.wharfd-x", "/.WharfD-x/y", "/.wharfd-versions",
					    "/.wharfd-versions/file"};
	struct part p;

	(void)state;
	make_folder(inside, ".wharfd-versions");
	make_file(inside, ".wharfd-versions/file", "old");
	make_file(inside, ".wharfd-x", "x");
	make_file(inside, "seen", "x");
	assert_int_equal(begin(&p, "/seen", WHOLE), 0);
	for (int shown = 0; shown <= 1; shown++) {
		settings.show_versions = shown;
		restart();
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			const struct slice path = slice_of(paths[i]);
			const bool may = shown && i >= 2;
			assert_int_equal(ASK(&c, F_STAT, f_stat, path)->r_stat.error,
					 may ? 0 : ENOENT);
			assert_int_equal(
				ASK(&c, F_OPEN, f_open, OPEN_READ, 0, path)->r_opened.error,
				!may     ? ENOENT
				: i == 2 ? EISDIR
					 : 0);
			assert_int_equal(begin(&p, paths[i], WHOLE), ENOENT);
			assert_int_equal(begin(&p, paths[i], OPEN_WRITE | OPEN_CREATE), ENOENT);
			assert_int_equal(ASK(&c, F_MKDIR, f_mkdir, 0755, path)->r_done.error,
					 ENOENT);
			assert_int_equal(ASK(&c, F_UNLINK, f_unlink, path)->r_done.error, ENOENT);
			assert_int_equal(ASK(&c, F_RMDIR, f_rmdir, 1, path)->r_done.error, ENOENT);
			assert_int_equal(
				ASK(&c, F_RENAME, f_rename, 1, path, SLICE("/x"))->r_done.error,
				ENOENT);
			assert_int_equal(
				ASK(&c, F_RENAME, f_rename, 1, SLICE("/seen"), path)->r_done.error,
				ENOENT);
			assert_int_equal(ASK(&c, F_CHMOD, f_chmod, 0777, path)->r_done.error,
					 ENOENT);
			assert_int_equal(ASK(&c, F_UTIME, f_utime, 1, 1, path)->r_done.error,
					 ENOENT);
			assert_int_equal(
				ASK(&c, F_SYMLINK, f_symlink, path, SLICE("/l"))->r_done.error,
				ENOENT);
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

static char trace[PATH_MAX + 16];

/* Whether all threads of the agent are traced. */
static bool
is_traced(void)
{
	char command[128];

	snprintf(command, sizeof(command), "! grep -q 'TracerPid:.0$' /proc/%d/task/*/status",
		 (int)c.pid);
	return system(command) == 0;
}

/* Begins to trace the agent's calls, and changes the results of some, by one or two rules; see
 * strace(1). */
static pid_t
trace_begin(const char *inject, const char *also)
{
	char pid[16];
	const struct timespec moment = {.tv_nsec = 10000000};

	snprintf(trace, sizeof(trace), "%.*s/trace", (int)(strrchr(jail, '/') - jail), jail);
	snprintf(pid, sizeof(pid), "%d", (int)c.pid);
	pid_t tracer = fork();
	assert_true(tracer >= 0);
	if (tracer == 0) {
		execlp("strace", "strace", "-f", "-qq", "-o", trace, "-e",
		       "trace=fsync,renameat2,unlinkat,sendmsg", "-e", inject, "-p", pid,
		       also ? "-e" : NULL, also, NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && !is_traced(); i++) {
		/* There is none, or it may not. */
		if (waitpid(tracer, NULL, WNOHANG) == tracer)
			skip();
		nanosleep(&moment, NULL);
	}
	assert_true(is_traced());
	return tracer;
}

static void
trace_end(pid_t tracer)
{
	kill(tracer, SIGTERM);
	assert_int_equal(waitpid(tracer, NULL, 0), tracer);
}

/* Attacks E20, G05: a sync that fails once has failed, and all is as it was. */
static void
undoes_what_is_not_on_disk(void **state)
{
	static const struct {
		const char *inject;
		bool folder;
	} rows[] = {
		{"inject=fsync:error=EIO:when=1", false},
		{"inject=fsync:error=EIO:when=2", true},
	};
	struct part p;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const bool replaces = i % 2, folder = rows[i / 2].folder;
		if (replaces)
			make_file(inside, "file", "old");
		assert_int_equal(begin(&p, "/file", WHOLE), 0);
		put(&p, "12345");
		pid_t tracer = trace_begin(rows[i / 2].inject, NULL);
		assert_int_equal(end(&p), EIO);
		counts(folder ? 0 : -5, folder ? 0 : -1);
		trace_end(tracer);
		if (replaces)
			holds("file", "old");
		assert_int_equal(is_there("file"), replaces);
		/* What the kernel may have forgotten is not gone on with. */
		assert_int_equal(is_there(p.name), folder);
		assert_int_equal(names(), replaces + folder);
		(void)unlinkat(inside, "file", 0);
		(void)unlinkat(inside, p.name, 0);
	}
	assert_int_equal(begin(&p, "/file", WHOLE), 0);
	put(&p, "12345");
	assert_int_equal(end(&p), 0);
}

/* A file system that can't exchange two names, or sync a folder, is no worse off: there is the old
 * file or the new one. */
static void
leaves_one_of_both(void **state)
{
	static const struct {
		const char *inject, *also;
		uint32_t error;
	} rows[] = {
		{"inject=renameat2:error=EINVAL:when=2", NULL, 0},
		{"inject=renameat2:error=EINVAL:when=2", "inject=fsync:error=EIO:when=2", EIO},
		{"inject=fsync:error=EINVAL:when=2", NULL, 0},
	};
	struct part p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_file(inside, "file", "old");
		assert_int_equal(begin(&p, "/file", WHOLE), 0);
		put(&p, "12345");
		pid_t tracer = trace_begin(rows[i].inject, rows[i].also);
		assert_int_equal(end(&p), rows[i].error);
		trace_end(tracer);
		holds("file", "12345");
		assert_int_equal(names(), 1);
		(void)unlinkat(inside, "file", 0);
	}
}

/* Attack G03: the file, its name, the folder; only then the answer. */
static void
answers_when_it_is_on_disk(void **state)
{
	static const struct {
		uint32_t how;
		const char *calls;
	} rows[] = {
		{COMMIT_SYNC, "fsync renameat2 fsync sendmsg "},
		{COMMIT_SYNC | COMMIT_REPLACE, "fsync renameat2 renameat2 fsync unlinkat sendmsg "},
		{COMMIT_REPLACE, "renameat2 sendmsg "},
	};
	char line[512];
	struct part p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char calls[128] = "";
		assert_int_equal(begin(&p, "/file", WHOLE), 0);
		pid_t tracer = trace_begin("signal=none", NULL);
		assert_int_equal(end_as(&p, rows[i].how, 0644, ""), 0);
		trace_end(tracer);
		FILE *file = fopen(trace, "re");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file)) {
			char *call = strchr(line, ' ') + strspn(strchr(line, ' '), " ");
			char *bracket = strchr(call, '(');
			if (bracket && *call != '<')
				strncat(calls, call, (size_t)(bracket - call)), strcat(calls, " ");
		}
		fclose(file);
		assert_string_equal(calls, rows[i].calls);
	}
}

/* One of many who upload the same name: a channel and a letter. */
struct racer {
	struct wire wire;
	pthread_t thread;
	char letter;
	unsigned failed;
	const char *path;
};

enum { RACERS = 12, ROUNDS = 40, RACE_BYTES = 5000 };
static atomic_int running;

static uint32_t
ask(struct racer *r, const struct message *m, struct message *out)
{
	if (wire_send(&r->wire, m) < 0 || wire_recv(&r->wire, out) != 0)
		return EPIPE;
	return out->id == MSG_R_OPENED ? out->r_opened.error : out->r_closed.error;
}

static void
race_once(struct racer *r, unsigned round)
{
	char text[RACE_BYTES], name[64];
	struct message out;
	const struct message open = {
		.id = MSG_F_OPEN, .fd = -1, .f_open = {1, WHOLE, 0644, slice_of(r->path)}};

	memset(text, r->letter, sizeof(text));
	if (ask(r, &open, &out) != 0 || out.r_opened.stage.n == 0) {
		r->failed++;
		return;
	}
	int fd = out.fd;
	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(out.r_opened.stage));
	for (size_t i = 0; i < sizeof(text); i += 1000)
		r->failed += write(fd, text + i, 1000) != 1000;
	const struct message keep_it = {
		.id = MSG_F_KEEP, .fd = fd, .f_keep = {2, 0, slice_of(r->path), slice_of(name)}};
	const struct message commit = {.id = MSG_F_COMMIT,
				       .fd = fd,
				       .f_commit = {2, COMMIT_SYNC | COMMIT_REPLACE, 0644,
						    slice_of(r->path), slice_of(name), SLICE("")}};
	r->failed += ask(r, round % 4 == 3 ? &keep_it : &commit, &out) != 0;
	close(fd);
}

static void *
race(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < ROUNDS; i++)
		race_once(r, i);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* The last one wins, none is mixed, and a reader sees a whole file at any time. */
static void
mixes_no_uploads(void **state)
{
	static struct racer racers[RACERS];
	char text[RACE_BYTES + 1];
	unsigned reads = 0;

	(void)state;
	make_file(inside, "file", "");
	assert_int_equal(ftruncate(openat(inside, "file", O_WRONLY | O_CLOEXEC), RACE_BYTES), 0);
	atomic_store(&running, RACERS);
	for (size_t i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){.letter = (char)('a' + i), .path = "/file"};
		client_channel(&c, &racers[i].wire);
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (bool runs = true; runs; reads++) {
		int fd = openat(inside, "file", O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, text, sizeof(text)), RACE_BYTES);
		close(fd);
		for (size_t i = 1; i < RACE_BYTES; i++)
			assert_int_equal(text[i], text[0]);
		runs = atomic_load(&running) > 0;
	}
	for (size_t i = 0; i < RACERS; i++) {
		assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
		assert_int_equal(racers[i].failed, 0);
		wire_deinit(&racers[i].wire);
	}
	assert_true(reads > 50);
	assert_true(text[0] >= 'a' && text[0] < 'a' + RACERS);
	/* One part may be left, of one of them. */
	assert_in_range(names(), 1, 2);
	assert_int_equal(size_of("/file", 1, 0), RACE_BYTES);
}

int
run_staging(const struct client_identity *identity)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(publishes_a_new_file),
		TEST(replaces_a_file),
		TEST(keeps_a_part),
		TEST(falls_back_in_place),
		TEST(goes_on_with_a_file),
		TEST(hands_down_what_the_file_had),
		TEST(keeps_a_digest_while_it_is_true),
		TEST(keeps_long_digests),
		TEST(speaks_of_the_part),
		TEST(chooses_names_that_are_staged),
		TEST(refuses_what_an_upload_may_not),
		TEST(keeps_its_names_to_itself),
		TEST(undoes_what_is_not_on_disk),
		TEST(leaves_one_of_both),
		TEST(answers_when_it_is_on_disk),
		TEST(mixes_no_uploads),
	};

	who = *identity;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
