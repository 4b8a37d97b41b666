/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What a file is, and setting it: SIZE, MDTM, MLST (RFC 3659), MFMT and MFF
 * (draft-somers-ftp-mfxx).  SIZE and MDTM speak of the user's own part of a broken upload where
 * there is one, so that clients resume as they would where files are written in place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <wharf/ftp/number.h>
#include <wharf/ftp/path.h>
#include <wharf/ftp/when.h>

#include "command.h"

static void
ask_stat(struct ftp_session *s, bool part, void (*then)(struct ftp_session *, struct message *))
{
	struct message m = {.id = MSG_F_STAT, .f_stat = {.path = slice_of(s->path), .part = part}};

	ask(s, &m, then);
}

/* Whether the answer is about a regular file; when not, the reply was sent. */
static bool
is_file(struct ftp_session *s, const struct message *m)
{
	if (answer_error(m))
		reply_errno(s, answer_error(m));
	else if (!S_ISREG(m->r_stat.mode))
		reply(s, 550, "Not a regular file.");
	else
		return true;
	return false;
}

static void
size_answered(struct ftp_session *s, struct message *m)
{
	if (is_file(s, m))
		reply(s, 213, "%llu", (unsigned long long)m->r_stat.size);
}

/* RFC 3659 §4: in TYPE A the answer would need all of the file to be read (attacks E10). */
void
do_size(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (s->ascii && !s->settings->size_in_ascii)
		reply(s, 550, "SIZE not allowed in ASCII mode.");
	else
		ask_stat(s, true, size_answered);
}

static void
utime_answered(struct ftp_session *s, struct message *m)
{
	struct buf b = BUF_INIT;
	struct buf time = BUF_INIT;

	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	when_format(&time, s->task->modify.tv_sec);
	changed(s, s->path, buf_slice(&time));
	buf_add_str(&b, "213 Modify=");
	buf_add_slice(&b, buf_slice(&time));
	buf_deinit(&time);
	buf_printf(&b, "; %s\r\n", s->path);
	reply_raw(s, 213, &b);
	buf_deinit(&b);
}

/* Sets s->path's time; s->task has it. */
static void
ask_utime(struct ftp_session *s, void (*then)(struct ftp_session *, struct message *))
{
	struct message m = {.id = MSG_F_UTIME,
			    .f_utime = {.seconds = s->task->modify.tv_sec,
					.nanoseconds = (uint32_t)s->task->modify.tv_nsec,
					.path = slice_of(s->path)}};

	ask(s, &m, then);
}

/* "time path", the form of MFMT; returns whether it is that, the path then being in s->path. */
static bool
read_time_and_path(struct ftp_session *s, struct slice arg)
{
	struct slice path;
	struct slice time = split_word(arg, &path);
	struct timespec modify;

	if (!path.n || when_parse(time, &modify) != 0) {
		reply(s, 501, "A time as YYYYMMDDHHMMSS and a path are wanted.");
		return false;
	}
	struct task *task = task_begin(s);
	if (!task)
		return false;
	task->modify = modify;
	return resolve_path(s, path, &s->path);
}

void
do_mfmt(struct ftp_session *s, struct slice arg)
{
	if (read_time_and_path(s, arg))
		ask_utime(s, utime_answered);
}

static void
mdtm_answered(struct ftp_session *s, struct message *m)
{
	struct buf b = BUF_INIT;
	struct timespec modify;
	struct slice path = SLICE_NULL;
	struct slice time = split_word(slice_of(s->task->other), &path);

	/* "MDTM time path" is how some clients set a time; a file of just that name comes first. */
	if (answer_error(m) == ENOENT && path.n && when_parse(time, &modify) == 0) {
		s->task->modify = modify;
		if (require_right(s, RIGHT(chmod)) && resolve_path(s, path, &s->path))
			ask_utime(s, utime_answered);
		return;
	}
	if (is_file(s, m)) {
		buf_add_str(&b, "213 ");
		when_format(&b, (time_t)m->r_stat.mtime);
		buf_add_str(&b, "\r\n");
		reply_raw(s, 213, &b);
	}
	buf_deinit(&b);
}

void
do_mdtm(struct ftp_session *s, struct slice arg)
{
	struct task *task = task_begin(s);

	if (!task)
		return;
	task->other = slice_dup(arg);
	if (task->other)
		ask_stat(s, true, mdtm_answered);
	else
		reply_errno(s, ENOMEM);
}

static void
mlst_answered(struct ftp_session *s, struct message *m)
{
	const struct r_stat *r = &m->r_stat;
	struct buf b = BUF_INIT;

	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	struct entry e = {
		.name = slice_of(s->path),
		.owner = r->owner,
		.group = r->group,
		.type = S_ISREG(r->mode)   ? ENTRY_FILE
			: S_ISDIR(r->mode) ? ENTRY_DIR
			: S_ISLNK(r->mode) ? ENTRY_SYMLINK
					   : ENTRY_SPECIAL,
		.mode = r->mode,
		.perm = r->perm,
		.uid = r->uid,
		.gid = r->gid,
		.size = r->size,
		.nlink = r->nlink,
		.dev = r->dev,
		.ino = r->ino,
		.mtime = (time_t)r->mtime,
	};
	/* RFC 3659 §7.2: one blank before the facts. */
	buf_add_str(&b, "250-Facts:\r\n ");
	facts_format(&b, &e, s->facts);
	buf_add_str(&b, "\r\n250 End\r\n");
	reply_raw(s, 250, &b);
	buf_deinit(&b);
}

void
do_mlst(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	ask_stat(s, false, mlst_answered);
}

/* MFF's facts, in the order in which they are set: the time last, since the others change none. */
enum { MFF_MODE = 1, MFF_GROUP = 2, MFF_MODIFY = 4 };

static int
mff_mode(struct task *task, struct slice value)
{
	int r = number_parse_mode(value, &task->mode);

	return r == 0 && task->mode > 0777 ? NUMBER_BAD : r;
}

static int
mff_group(struct task *task, struct slice value)
{
	free(task->group);
	task->group = slice_dup(value);
	return task->group && value.n ? 0 : 1;
}

static int
mff_modify(struct task *task, struct slice value)
{
	return when_parse(value, &task->modify);
}

static const struct {
	struct slice name;
	unsigned bit;
	int (*parse)(struct task *, struct slice);
} mff_facts[] = {
	{{"UNIX.mode", 9}, MFF_MODE, mff_mode},
	{{"UNIX.group", 10}, MFF_GROUP, mff_group},
	{{"modify", 6}, MFF_MODIFY, mff_modify},
};

/* One "name=value". Returns 0, or the code that refuses it. */
static unsigned
mff_read(struct task *task, struct slice fact)
{
	const char *equals = memchr(fact.p, '=', fact.n);
	size_t n = equals ? (size_t)(equals - fact.p) : fact.n;

	if (!equals)
		return 501;
	for (size_t i = 0; i < sizeof(mff_facts) / sizeof(mff_facts[0]); i++) {
		if (!slice_equal_nocase(slice_head(fact, n), mff_facts[i].name))
			continue;
		if (mff_facts[i].parse(task, slice_from(fact, n + 1)) != 0)
			return 501;
		task->facts |= mff_facts[i].bit;
		buf_add_slice(&task->reply, fact);
		buf_add_byte(&task->reply, ';');
		return 0;
	}
	return 504;
}

static void mff_answered(struct ftp_session *s, struct message *m);

/* Asks for the next fact that is still to be set, and notes it. */
static void
mff_ask(struct ftp_session *s)
{
	struct task *task = s->task;
	struct slice path = slice_of(s->path);
	struct message m = {.id = MSG_F_CHMOD, .f_chmod = {.mode = task->mode, .path = path}};

	if (task->facts & MFF_MODE) {
		task->facts &= ~(unsigned)MFF_MODE;
		buf_printf(&task->done, "UNIX.mode=%04o;", task->mode);
		ask(s, &m, mff_answered);
	} else if (task->facts & MFF_GROUP) {
		task->facts &= ~(unsigned)MFF_GROUP;
		buf_printf(&task->done, "UNIX.group=%s;", task->group);
		m = (struct message){.id = MSG_F_CHGRP,
				     .f_chgrp = {.group = slice_of(task->group), .path = path}};
		ask(s, &m, mff_answered);
	} else {
		task->facts &= ~(unsigned)MFF_MODIFY;
		buf_add_str(&task->done, "modify=");
		when_format(&task->done, task->modify.tv_sec);
		buf_add_byte(&task->done, ';');
		ask_utime(s, mff_answered);
	}
}

static void
mff_answered(struct ftp_session *s, struct message *m)
{
	struct task *task = s->task;
	struct buf b = BUF_INIT;

	if (answer_error(m)) {
		/* What was set before it stays. */
		if (task->step)
			changed(s, s->path, slice_head(buf_slice(&task->done), task->step));
		reply_errno(s, answer_error(m));
		return;
	}
	task->step = task->done.len;
	if (task->facts) {
		mff_ask(s);
		return;
	}
	changed(s, s->path, buf_slice(&task->done));
	buf_add_str(&b, "213 ");
	buf_add_slice(&b, buf_slice(&task->reply));
	buf_printf(&b, " %s\r\n", s->path);
	reply_raw(s, 213, &b);
	buf_deinit(&b);
}

void
do_mff(struct ftp_session *s, struct slice arg)
{
	struct slice path;
	struct slice facts = split_word(arg, &path);
	struct task *task = task_begin(s);
	unsigned refused = facts.n ? 0 : 501;

	if (!task)
		return;
	while (facts.n && !refused) {
		const char *end = memchr(facts.p, ';', facts.n);
		size_t n = end ? (size_t)(end - facts.p) : facts.n;
		refused = end ? mff_read(task, slice_head(facts, n)) : 501;
		facts = slice_from(facts, n + (end ? 1 : 0));
	}
	if (!refused && !path.n)
		refused = 501;
	if (refused)
		reply(s, refused,
		      refused == 504 ? "modify, UNIX.mode and UNIX.group can be set."
				     : "fact=value; and a path are wanted.");
	else if (resolve_path(s, path, &s->path))
		mff_ask(s);
}
