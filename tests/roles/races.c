/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Many who ask for the same name at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "agent_tests.h"
#include "keeping.h"
#include "part.h"
#include "requests.h"

/* For what is made before there is a program that runs. */
#define SLICE_OF(text)                   \
	{                                \
		(text), sizeof(text) - 1 \
	}

/* One of many who upload the same name: a channel and a letter. */
struct uploader {
	struct wire wire;
	pthread_t thread;
	char letter;
	unsigned failed;
	const char *path;
};

enum { UPLOADERS = 12, ROUNDS = 40, UPLOAD_BYTES = 5000 };
static atomic_int running;

static uint32_t
exchange(struct uploader *r, const struct message *m, struct message *out)
{
	if (wire_send(&r->wire, m) < 0 || wire_recv(&r->wire, out) != 0)
		return EPIPE;
	return out->id == MSG_R_OPENED ? out->r_opened.error : out->r_closed.error;
}

static void
upload_once(struct uploader *r, unsigned round)
{
	char text[UPLOAD_BYTES], name[64];
	struct message out;
	const struct message open = {
		.id = MSG_F_OPEN, .fd = -1, .f_open = {1, WHOLE, 0644, slice_of(r->path)}};

	memset(text, r->letter, sizeof(text));
	if (exchange(r, &open, &out) != 0 || out.r_opened.stage.n == 0) {
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
	r->failed += exchange(r, round % 4 == 3 ? &keep_it : &commit, &out) != 0;
	close(fd);
}

static void *
upload_all(void *arg)
{
	struct uploader *r = arg;

	for (unsigned i = 0; i < ROUNDS; i++)
		upload_once(r, i);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* The last one wins, none is mixed, and a reader sees a whole file at any time. */
static void
mixes_no_uploads(void **state)
{
	static struct uploader uploaders[UPLOADERS];
	char text[UPLOAD_BYTES + 1];
	unsigned reads = 0;

	(void)state;
	make_file("file", "");
	assert_int_equal(ftruncate(openat(inside, "file", O_WRONLY | O_CLOEXEC), UPLOAD_BYTES), 0);
	atomic_store(&running, UPLOADERS);
	for (size_t i = 0; i < UPLOADERS; i++) {
		uploaders[i] = (struct uploader){.letter = (char)('a' + i), .path = "/file"};
		client_channel(&c, &uploaders[i].wire);
		assert_int_equal(
			pthread_create(&uploaders[i].thread, NULL, upload_all, &uploaders[i]), 0);
	}
	for (bool runs = true; runs; reads++) {
		int fd = openat(inside, "file", O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, text, sizeof(text)), UPLOAD_BYTES);
		close(fd);
		for (size_t i = 1; i < UPLOAD_BYTES; i++)
			assert_int_equal(text[i], text[0]);
		runs = atomic_load(&running) > 0;
	}
	for (size_t i = 0; i < UPLOADERS; i++) {
		assert_int_equal(pthread_join(uploaders[i].thread, NULL), 0);
		assert_int_equal(uploaders[i].failed, 0);
		wire_deinit(&uploaders[i].wire);
	}
	assert_true(reads > 50);
	assert_true(text[0] >= 'a' && text[0] < 'a' + UPLOADERS);
	/* One part may be left, of one of them. */
	assert_in_range(names(), 1, 2);
	assert_int_equal(size_of("/file", 1, 0), UPLOAD_BYTES);
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

	(void)state;
	retain("/held = 40d", NULL);
	retain_beside(&other);
	client_channel(&c, &owner.worker);
	for (size_t i = 0; i < 100 * n; i++) {
		if (!is_there("held"))
			make_folder("held");
		unlinkat(inside, "held/file", 0);
		make_aged("held/file", "expired", -50 * DAY);
		make_aged("old", "old", -50 * DAY);
		make_file("fresh", "fresh");
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
			holds("held/file", "old");
			continue;
		}
		if (owner.error) {
			/* Who comes too late finds the folder gone. */
			assert_int_equal(owner.error, ENOENT);
			continue;
		}
		holds("held/file", "fresh");
		assert_int_equal(mode_of("held/file"), S_IFREG | 0644);
		assert_true(time_of("held/file") > DAY);
		won++;
		late += thief.error == EPERM;
	}
	/* Each came first at times, or there was no race. */
	assert_in_range(late, 1, won - 1);
	wire_deinit(&owner.worker);
	assert_int_equal(client_stop(&other), 0);
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
		 .f_open = {7, OPEN_WRITE | OPEN_WHOLE, 0600, SLICE_OF("/held/file")}},
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
	struct part p;
	pthread_t thread;

	(void)state;
	make_folder("held");
	retain("/held = 30d", NULL);
	client_channel(&c, &thief.worker);
	atomic_store(&thief.stops, false);
	assert_int_equal(pthread_create(&thread, NULL, steal, &thief), 0);
	for (int i = 0; published < 50 && i < 20000; i++) {
		make_aged("old", "old", OLD);
		if (i % 2)
			make_aged("held/file", "expired", OLD);
		/* He may be in the way of the upload, but not of one that was answered. */
		if (part_begin_with(&p, "/held/file", "whole") == 0 && part_end(&p) == 0) {
			usleep(500);
			holds("held/file", "whole");
			assert_true(time_of("held/file") > DAY);
			published++;
		}
		unlinkat(inside, "held/file", 0);
	}
	atomic_store(&thief.stops, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	wire_deinit(&thief.worker);
	assert_true(thief.tries > 0 && published == 50);
}

int
run_races(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(mixes_no_uploads),
		KEEPING_TEST(wins_races),
		KEEPING_TEST(loses_no_upload_to_a_thief),
	};

	return cmocka_run_group_tests_name("races", tests, NULL, NULL);
}
