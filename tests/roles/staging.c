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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int
run_staging(const struct client_identity *identity)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(publishes_a_new_file),
		TEST(replaces_a_file),
		TEST(keeps_a_part),
	};

	who = *identity;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
