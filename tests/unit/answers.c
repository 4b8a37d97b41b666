/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What the world of world.h answers: an agent with a few files, and sources of logins. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/fd.h>
#include <wharf/ftp/entry.h>

#include "world.h"

#define PERM_ALL 0x3ff
#define STAGE    ".wharfd-stage"

/* part: of a broken upload of the user's own, where it is not 0. */
static const struct file {
	const char *path;
	mode_t mode;
	uint64_t size, part;
	const char *digest;
} files[] = {
	{"/", S_IFDIR | 0755, 0, 0, ""},
	{"/pub", S_IFDIR | 0755, 0, 0, ""},
	{"/pub/a b", S_IFREG | 0644, 7, 0, ""},
	{"/file", S_IFREG | 0644, 1000, 0, ""},
	{"/summed", S_IFREG | 0644, 1000, 0, "sha256:ab01"},
	{"/half", S_IFREG | 0644, 1000, 400, ""},
	{"/part", 0, 0, 400, ""},
	{"/ lead", S_IFREG | 0644, 3, 0, ""},
	{"/-a", S_IFDIR | 0755, 0, 0, ""},
	{"/[a] *", S_IFREG | 0600, 9, 0, ""},
	{"/file 5", S_IFREG | 0644, 5, 0, ""},
	{"/fifo", S_IFIFO | 0644, 0, 0, ""},
	{"/q\"t", S_IFDIR | 0755, 0, 0, ""},
	{"/20260101000000 x", S_IFREG | 0644, 1, 0, ""},
	{"/.wharfd-stage", S_IFREG | 01600, 1, 0, ""},
	{"/.wharfd-versions", S_IFDIR | 0755, 0, 0, ""},
};

static int
some_file(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static const struct file *
find_file(struct slice path)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (slice_equal(slice_of(files[i].path), path))
			return &files[i];
	return NULL;
}

static void
open_for_reading(const struct f_open *q, const struct file *f, struct r_opened *r)
{
	r->size = f ? f->size : 0;
	r->error = !f || !f->mode ? ENOENT : S_ISREG(f->mode) ? 0 : ENXIO;
	if (f && q->how & OPEN_DIGEST)
		r->digest = slice_of(f->digest);
}

/* What an agent does that can stage, unless nothing can be staged here. */
static void
open_for_writing(struct world *w, const struct file *f, struct r_opened *r)
{
	unsigned how = w->ask.f_open.how;
	bool stages = (how & OPEN_STAGE) && !w->setup.in_place;
	bool goes_on = stages && f && f->part && !(how & OPEN_WHOLE);
	bool exists = f && f->mode && !(how & OPEN_UNIQUE);
	/* Of a copy of the file, or the file itself. */
	bool old = exists && (!stages || !(how & OPEN_WHOLE));

	r->name = SLICE("/ftp.unique");
	if (exists && (how & OPEN_EXCLUSIVE) && !goes_on)
		r->error = EEXIST;
	else if (!exists && !goes_on && !(how & OPEN_CREATE))
		r->error = ENOENT;
	r->stage = stages ? SLICE(STAGE) : SLICE("");
	r->size = goes_on ? f->part : old ? f->size : 0;
	r->created = !exists && !goes_on;
	r->replaces = exists;
	r->versions = exists && w->setup.versions > 0;
	r->made = stages ? !goes_on : !exists;
}

static void
answer_stat(const struct f_stat *q, const struct file *f, struct r_stat *r)
{
	bool part = q->part && f && f->part;

	*r = (struct r_stat){.error = part || (f && f->mode) ? 0 : ENOENT, .perm = PERM_ALL};
	r->mode = part ? S_IFREG | 0600 : f ? f->mode : 0;
	r->size = part ? f->part : f ? f->size : 0;
	r->mtime = 1767225600;
}

static void
answer_open(struct world *w, const struct file *f, struct message *m)
{
	m->id = MSG_R_OPENED;
	if (w->ask.f_open.how & OPEN_READ)
		open_for_reading(&w->ask.f_open, f, &m->r_opened);
	else
		open_for_writing(w, f, &m->r_opened);
	if (w->setup.open_error)
		m->r_opened.error = (uint32_t)w->setup.open_error;
	if (!m->r_opened.error)
		m->fd = some_file();
}

/* What an agent with those files would say. */
void
world_answer(struct world *w)
{
	struct message m = {.fd = -1};
	const struct file *f = find_file(buf_slice(&w->asked));
	uint32_t missing = f ? 0 : ENOENT;

	w->pending = false;
	switch (w->ask.id) {
	case MSG_F_STAT:
		m.id = MSG_R_STAT;
		answer_stat(&w->ask.f_stat, f, &m.r_stat);
		break;
	case MSG_F_OPEN:
		answer_open(w, f, &m);
		break;
	case MSG_F_PREPARE:
		m.id = MSG_R_OPENED;
		m.r_opened.error = (uint32_t)w->setup.prepare_error;
		m.fd = w->setup.prepare_error ? -1 : some_file();
		break;
	case MSG_F_COMMIT:
		m.id = MSG_R_CLOSED;
		m.r_closed.error = (uint32_t)w->setup.commit_error;
		m.r_closed.size = w->plan.offset + 10;
		break;
	case MSG_F_KEEP:
		m.id = MSG_R_CLOSED;
		break;
	case MSG_F_LIST:
		m.id = MSG_R_LISTING;
		m.r_listing.error = missing;
		if (f && (w->ask.f_list.flags & LIST_ONLY_FOLDER) && !S_ISDIR(f->mode))
			m.r_listing.error = ENOTDIR;
		m.r_listing.is_file = f && !S_ISDIR(f->mode);
		m.fd = m.r_listing.error ? -1 : some_file();
		break;
	case MSG_F_SPACE:
		m.id = MSG_R_SPACE;
		m.r_space.bytes = 5000;
		break;
	case MSG_F_MKDIR:
	case MSG_F_SYMLINK:
		m.id = MSG_R_DONE;
		m.r_done.error = f ? EEXIST : 0;
		break;
	default:
		m.id = MSG_R_DONE;
		m.r_done.error = missing;
		if (w->ask.id == MSG_F_UTIME && w->setup.utime_error)
			m.r_done.error = (uint32_t)w->setup.utime_error;
	}
	ftp_session_answered(&w->s, &m);
}

/* The users file does not know till7 where PAM is a source too. */
static void
judge(struct world *w)
{
	bool pam = w->question.data[0] == 'p';
	enum auth_verdict verdict = !w->known      ? AUTH_UNKNOWN
				    : w->certified ? (pam ? AUTH_OK : w->setup.says)
				    : w->right     ? AUTH_OK
						   : AUTH_NO;
	struct slice user = slice_from(buf_slice(&w->question), 2);
	struct slice text = verdict == AUTH_OK && w->setup.message ? slice_of(w->setup.message)
								   : SLICE_NULL;

	w->login = false;
	if (w->question.data[0] == 'a')
		verdict = AUTH_OK;
	else
		ftp_session_judged(&w->s, verdict, text);
	if (verdict == AUTH_OK)
		ftp_session_logged_in(&w->s, user, &w->user);
}

static void
end_pipe(struct world *w)
{
	w->pipe = false;
	ftp_session_piped(&w->s, SLICE("-rw-r--r-- 1 a"));
	ftp_session_piped(&w->s, SLICE(" b\r\n226 forged\r\n"));
	ftp_session_piped(&w->s, SLICE_NULL);
}

/* Ten bytes came, or went. */
void
world_end_transfer(struct world *w)
{
	bool receives = w->plan.kind == TRANSFER_RECEIVE;
	const struct transfer_result result = {
		.end = w->end,
		.error = w->end == TRANSFER_FILE_ERROR ? -ENOSPC : 0,
		.bytes = 10,
		.fd = receives ? w->plan.fd : -1,
		.size = w->plan.offset + 10,
		.digest = w->setup.tell_digests ? SLICE("crc32:01ab") : SLICE_NULL,
		.protected = w->plan.protect,
		.lost = receives && w->setup.lost,
	};

	w->transfer = false;
	if (!receives)
		fd_close(&w->plan.fd);
	w->end = w->setup.end;
	ftp_session_transferred(&w->s, &result);
}

static void
end_job(struct world *w)
{
	bool copies = w->job_plan.kind == JOB_COPY;
	int error = w->stopped ? -ECANCELED : 0;

	w->job = false;
	fd_close(&w->job_plan.from);
	ftp_session_job_done(&w->s, error,
			     error    ? SLICE_NULL
			     : copies ? SLICE("crc32:01ab")
				      : SLICE("abcd"),
			     copies ? w->job_plan.to : -1);
}

void
world_end_reserving(struct world *w)
{
	bool limited = w->setup.quota.limit_bytes;

	w->reserving = false;
	ftp_session_reserved(&w->s, -w->setup.reserve_error, limited ? w->least : UINT64_MAX);
}

static void
tell_quota(struct world *w)
{
	struct quota q = w->setup.quota;

	w->asking_quota = false;
	q.limit_bytes = q.limit_bytes ? q.limit_bytes : UINT64_MAX;
	q.limit_files = q.limit_files ? q.limit_files : UINT64_MAX;
	ftp_session_quota_told(&w->s, -w->setup.quota_error, &q);
}

void
world_turn(struct world *w)
{
	while (!w->held_all) {
		if (w->pending) {
			world_answer(w);
		} else if (w->login) {
			judge(w);
		} else if (w->delay) {
			w->delay = false;
			ftp_session_delayed(&w->s);
		} else if (w->connect && !w->held) {
			w->connect = false;
			ftp_session_connected(&w->s, 0);
		} else if (w->reserving) {
			world_end_reserving(w);
		} else if (w->asking_quota) {
			tell_quota(w);
		} else if (w->pipe) {
			end_pipe(w);
		} else if (w->transfer && !w->held) {
			world_end_transfer(w);
		} else if (w->job && !w->held) {
			end_job(w);
		} else {
			return;
		}
	}
}
