/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* HASH (draft-bryan-ftpext-hash) and the older XCRC, XMD5, XSHA...: a digest of a file, or of a
 * range of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/ftp/digest.h>

#include "command.h"

static void
run_job(struct ftp_session *s, const struct job_plan *plan)
{
	s->waits = WAIT_JOB;
	s->world->job(s, plan);
}

/* "213 SHA-256 0-49 6f… name": the range's last byte is included. */
static void
reply_digest(struct ftp_session *s, struct slice hex)
{
	const struct task *task = s->task;
	struct buf b = BUF_INIT;

	if (task->with_name) {
		uint64_t last = task->end > task->start ? task->end - 1 : task->start;
		buf_printf(&b, "213 %s %llu-%llu ",
			   digest_name((enum digest_algorithm)task->algorithm),
			   (unsigned long long)task->start, (unsigned long long)last);
		buf_add_slice(&b, hex);
		buf_printf(&b, " %s\r\n", s->path);
	} else {
		buf_add_str(&b, "250 ");
		buf_add_slice(&b, hex);
		buf_add_str(&b, "\r\n");
	}
	reply_raw(s, task->with_name ? 213 : 250, &b);
	buf_deinit(&b);
}

/* How the digest that is kept with a file begins, where it is one of these. */
static const char *const kept[DIGEST_COUNT] = {
	[DIGEST_CRC32] = "crc32:", [DIGEST_SHA256] = "sha256:", [DIGEST_SHA512] = "sha512:"};

/* Whether the digest of all of the file is known, and was told. */
static bool
tell_kept(struct ftp_session *s, const struct r_opened *r)
{
	const struct task *task = s->task;
	const char *name = kept[task->algorithm];

	if (!name || task->start > 0 || task->end < r->size ||
	    !slice_starts(r->digest, slice_of(name)))
		return false;
	reply_digest(s, slice_from(r->digest, strlen(name)));
	return true;
}

/* The file is open: the range that was asked for must lie in it. */
static void
digest_opened(struct ftp_session *s, struct message *m)
{
	struct task *task = s->task;

	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	uint64_t size = m->r_opened.size;
	uint64_t end = task->end < size ? task->end : size;
	if (task->start > size) {
		fd_close(&m->fd);
		reply(s, 551, "The file ends before that range.");
		return;
	}
	task->start = task->start < end ? task->start : end;
	task->end = end;
	if (tell_kept(s, &m->r_opened)) {
		fd_close(&m->fd);
		return;
	}
	struct job_plan plan = {.kind = JOB_DIGEST,
				.from = m->fd,
				.to = -1,
				.algorithm = digest_name((enum digest_algorithm)task->algorithm),
				.start = task->start,
				.end = end,
				.digest = WORD_digest_none};
	run_job(s, &plan);
}

static void
open_for_digest(struct ftp_session *s)
{
	struct message m = {.id = MSG_F_OPEN,
			    .f_open = {.how = OPEN_READ | OPEN_DIGEST, .path = slice_of(s->path)}};

	ask(s, &m, digest_opened);
}

/* RANG's range counts here, and is used up: both of its ends are included. */
static void
hash(struct ftp_session *s, struct slice path)
{
	struct task *task = task_begin(s);

	if (!task)
		return;
	task->algorithm = s->hash_algorithm;
	task->with_name = true;
	task->end = UINT64_MAX;
	if (s->range_start <= s->range_end) {
		task->start = s->range_start;
		task->end = s->range_end + 1;
		restart_reset(s);
	}
	if (resolve_path(s, path, &s->path))
		open_for_digest(s);
}

/* The argument is a path; some clients put it in quotes. */
void
do_hash(struct ftp_session *s, struct slice arg)
{
	struct digest_args args = DIGEST_ARGS_INIT;
	bool quoted = arg.p[0] == '"' && digest_parse_args(arg, &args) == 0 && !args.has_range;

	hash(s, quoted ? args.path : arg);
	digest_args_deinit(&args);
}

/* Nothing is called by all of the argument: its tail is a range. */
static void
whole_answered(struct ftp_session *s, struct message *m)
{
	struct task *task = s->task;

	if (m->r_stat.error == 0) {
		task->start = 0;
		task->end = UINT64_MAX;
		open_for_digest(s);
	} else if (resolve_path(s, slice_of(task->other), &s->path)) {
		open_for_digest(s);
	}
}

/* "name", "name start end" or "\"name\" start end"; end is not included. */
static void
digest(struct ftp_session *s, struct slice arg, enum digest_algorithm algorithm)
{
	struct digest_args args = DIGEST_ARGS_INIT;
	struct task *task = task_begin(s);
	int r = task ? digest_parse_args(arg, &args) : -ENOMEM;

	if (r == DIGEST_BAD)
		reply(s, 501, "A path, and perhaps a start and an end, are wanted.");
	else if (task && r < 0)
		reply_errno(s, r);
	if (r == 0) {
		task->algorithm = algorithm;
		task->start = args.has_range ? args.start : 0;
		task->end = args.has_end ? args.end : UINT64_MAX;
		task->other = slice_dup(args.path);
		if (!task->other) {
			reply_errno(s, ENOMEM);
		} else if (args.has_range && args.whole.n &&
			   find_path(s, args.whole, &s->path) == 0) {
			struct message m = {.id = MSG_F_STAT,
					    .f_stat = {.path = slice_of(s->path)}};
			ask(s, &m, whole_answered);
		} else if (resolve_path(s, args.path, &s->path)) {
			open_for_digest(s);
		}
	}
	digest_args_deinit(&args);
}

void
do_xcrc(struct ftp_session *s, struct slice arg)
{
	digest(s, arg, DIGEST_CRC32);
}

void
do_xmd5(struct ftp_session *s, struct slice arg)
{
	digest(s, arg, DIGEST_MD5);
}

void
do_xsha1(struct ftp_session *s, struct slice arg)
{
	digest(s, arg, DIGEST_SHA1);
}

void
do_xsha256(struct ftp_session *s, struct slice arg)
{
	digest(s, arg, DIGEST_SHA256);
}

void
do_xsha512(struct ftp_session *s, struct slice arg)
{
	digest(s, arg, DIGEST_SHA512);
}

/* A long HASH shows that it lives, so that nothing between here and the client forgets the
 * connection. */
void
ftp_session_job_runs(struct ftp_session *s, uint64_t bytes)
{
	struct buf b = BUF_INIT;

	if (s->closing || s->waits != WAIT_JOB || !s->task || !s->task->with_name)
		return;
	if (!s->task->begun)
		buf_add_str(&b, "213-Working\r\n");
	s->task->begun = true;
	buf_printf(&b, " %llu bytes so far\r\n", (unsigned long long)bytes);
	reply_raw(s, 213, &b);
	buf_deinit(&b);
}

static void
digest_done(struct ftp_session *s, int error, struct slice hex)
{
	if (s->closing)
		return;
	if (error && s->task->begun) {
		/* The reply has begun: it can only be ended. */
		reply(s, 213,
		      error == -ECANCELED ? "Ended, there is no digest."
					  : "The file can't be read.");
	} else if (error == -ECANCELED) {
		reply(s, 426, "The command was ended.");
	} else if (error) {
		reply_errno(s, error);
	} else {
		reply_digest(s, hex);
	}
	reply_aborts(s);
	finish(s);
}

void
ftp_session_job_done(struct ftp_session *s, int error, struct slice hex, int fd)
{
	if (s->waits != WAIT_JOB || !CHECK(s->task)) {
		fd_close(&fd);
		return;
	}
	s->waits = WAIT_NONE;
	if (s->task->stage)
		copy_done(s, error, hex, fd);
	else
		digest_done(s, error, hex);
	if (!s->closing)
		session_answered(s);
}
