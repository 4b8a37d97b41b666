/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * SITE COPY, and SITE CPFR with CPTO: a job of the worker between two descriptors.  The copy is
 * staged and committed as an upload is.  The journal has it as a change, not as a transfer: nothing
 * came or went.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/fd.h>

#include "command.h"

/* The copy is over, and its reply sent. */
static void
end(struct ftp_session *s)
{
	s->world->release(s);
	reply_aborts(s);
	finish(s);
}

/* The target is open in task->to, the room reserved. */
static void
run(struct ftp_session *s)
{
	struct task *task = s->task;
	struct job_plan plan = {.kind = JOB_COPY,
				.from = task->fd,
				.to = task->to,
				.end = task->size,
				.digest = (enum word_digest)s->settings->digest,
				.sync = s->settings->durability == WORD_durability_sync};

	task->fd = task->to = -1;
	s->waits = WAIT_JOB;
	s->world->job(s, &plan);
}

static void
dropped(struct ftp_session *s, struct message *m)
{
	(void)m;
	if (!s->closing)
		end(s);
}

/* There is no copy, and the reply was sent. */
static void
drop(struct ftp_session *s)
{
	struct task *task = s->task;
	int fd = task->to;

	task->to = -1;
	/* That it was opened is told before it is gone. */
	s->world->release(s);
	if (!give_back(s, task->other, task->stage, fd, task->made, dropped) && !s->closing)
		end(s);
}

static void
prepared(struct ftp_session *s, struct message *m)
{
	s->task->to = m->fd;
	m->fd = -1;
	if (!answer_error(m) && !s->closing) {
		run(s);
		return;
	}
	if (!s->closing)
		reply_errno_naming(s, answer_error(m));
	drop(s);
}

void
copy_reserved(struct ftp_session *s, int error)
{
	struct task *task = s->task;
	int fd = task->to;

	if (error) {
		reply_errno(s, error);
		drop(s);
	} else if (*task->stage || task->made) {
		run(s);
	} else {
		task->to = -1;
		prepare_in_place(s, task->other, fd, prepared);
	}
}

static void
target_opened(struct ftp_session *s, struct message *m)
{
	struct task *task = s->task;

	if (answer_error(m)) {
		if (!s->closing)
			reply_errno_naming(s, answer_error(m));
		return;
	}
	task->to = m->fd;
	m->fd = -1;
	task->stage = slice_dup(m->r_opened.stage);
	task->made = m->r_opened.made;
	if (!task->stage) {
		fd_close(&task->to);
		if (!s->closing)
			reply_errno(s, ENOMEM);
	} else if (s->closing) {
		drop(s);
	} else {
		const struct r_opened *opened = &m->r_opened;
		uint64_t wanted = task->size + version_room(opened);
		s->waits = WAIT_QUOTA;
		s->world->reserve(s, wanted, wanted, opened->created || opened->versions,
				  opened->replaces);
	}
}

/*
 * The source is open; the copy must be a new file, or one that may be overwritten.  In place it is
 * not cut here: the job does that when it has seen that the two are not the same file under two
 * names.
 */
static void
source_opened(struct ftp_session *s, struct message *m)
{
	struct task *task = s->task;
	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	task->fd = m->fd;
	task->size = m->r_opened.size;
	struct message next = {.id = MSG_F_OPEN,
			       .f_open = {.how = stage_how(s) | OPEN_CREATE | OPEN_WHOLE,
					  .mode = 0666 & ~s->umask,
					  .path = slice_of(task->other)}};
	ask_late(s, &next, -1, target_opened);
}

/* Copies s->path to task->other. */
static void
copy(struct ftp_session *s)
{
	struct message m = {.id = MSG_F_OPEN,
			    .f_open = {.how = OPEN_READ, .path = slice_of(s->path)}};

	if (strcmp(s->path, s->task->other) == 0)
		reply(s, 553, "A file can't be copied to itself.");
	else
		ask(s, &m, source_opened);
}

static void
committed(struct ftp_session *s, struct message *m)
{
	int error = answer_error(m);

	if (!error)
		changed(s, s->path, slice_of(s->task->other));
	if (s->closing)
		return;
	if (error)
		reply_errno_naming(s, error);
	else
		reply(s, 250, "Copied.");
	end(s);
}

void
copy_end(struct ftp_session *s)
{
	if (s->waits == WAIT_QUOTA) {
		drop(s);
	} else if (s->waits == WAIT_AGENT && s->then == committed) {
		/* It was asked for, and nobody is left to hear the answer. */
		changed(s, s->path, slice_of(s->task->other));
	}
}

static void
reply_failure(struct ftp_session *s, int error)
{
	if (error == -ECANCELED)
		reply(s, 426, "The command was ended.");
	else if (error == -EEXIST)
		reply(s, 553, "A file can't be copied to itself.");
	else
		reply_errno(s, error);
}

void
copy_done(struct ftp_session *s, int error, struct slice digest, int fd)
{
	struct task *task = s->task;
	struct message m = {.id = MSG_F_COMMIT,
			    .f_commit = {.how = commit_how(s, true),
					 .mode = 0666 & ~s->umask,
					 .path = slice_of(task->other),
					 .stage = slice_of(task->stage),
					 .digest = digest}};

	if (!error && fd < 0)
		error = -EIO;
	if (!error && !s->closing) {
		ask_late(s, &m, fd, committed);
		return;
	}
	task->to = fd;
	if (!s->closing)
		reply_failure(s, error);
	drop(s);
}

void
site_copy(struct ftp_session *s, struct slice arg)
{
	struct buf from = BUF_INIT;
	struct buf to = BUF_INIT;

	if (!split_two(arg, &from, &to))
		reply(s, 501, "SITE COPY <from> <to>");
	else if (require_right(s, RIGHT(write)) && task_begin(s) &&
		 resolve_path(s, buf_slice(&from), &s->path) &&
		 resolve_name(s, buf_slice(&to), &s->task->other))
		copy(s);
	buf_deinit(&from);
	buf_deinit(&to);
}

static void
cpfr_answered(struct ftp_session *s, struct message *m)
{
	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	free(s->copy_from);
	s->copy_from = s->path;
	s->path = NULL;
	reply(s, 350, "SITE CPTO is awaited.");
}

void
site_cpfr(struct ftp_session *s, struct slice arg)
{
	struct message m = {.id = MSG_F_STAT, .f_stat = {.path = slice_of(s->path)}};

	(void)arg;
	if (require_right(s, RIGHT(read)))
		ask(s, &m, cpfr_answered);
}

void
site_cpto(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (!s->copy_from) {
		reply(s, 503, "Send SITE CPFR first.");
		return;
	}
	struct task *task = task_begin(s);
	if (!task)
		return;
	task->other = s->path;
	s->path = s->copy_from;
	s->copy_from = NULL;
	copy(s);
}
