/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Folders and names: PWD, CWD, CDUP, MKD, RMD, DELE, RNFR, RNTO (RFC 959 §4.1.1 and §4.1.3). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <wharf/ftp/path.h>

#include "command.h"

/* 257, with the path in quotes (RFC 959 appendix II). */
static void
reply_path(struct ftp_session *s, struct slice path, const char *text)
{
	struct buf b = BUF_INIT;

	buf_add_str(&b, "257 ");
	path_quote(&b, path);
	buf_printf(&b, " %s\r\n", text);
	reply_raw(s, 257, &b);
	buf_deinit(&b);
}

void
do_pwd(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	reply_path(s, slice_of(s->cwd), "is the working directory.");
}

static void
cwd_answered(struct ftp_session *s, struct message *m)
{
	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
	} else if (!S_ISDIR(m->r_stat.mode)) {
		reply_errno(s, ENOTDIR);
	} else if (!(m->r_stat.perm & PERM_ENTER)) {
		reply_errno(s, EACCES);
	} else {
		free(s->cwd);
		s->cwd = s->path;
		s->path = NULL;
		reply(s, 250, "OK.");
	}
}

void
do_cwd(struct ftp_session *s, struct slice arg)
{
	struct message m = {.id = MSG_F_STAT, .f_stat = {.path = slice_of(s->path)}};

	(void)arg;
	ask(s, &m, cwd_answered);
}

void
do_cdup(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (resolve_path(s, SLICE(".."), &s->path))
		do_cwd(s, SLICE_NULL);
}

static void
mkd_answered(struct ftp_session *s, struct message *m)
{
	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	changed(s, s->path, SLICE_NULL);
	reply_path(s, slice_of(s->path), "is made.");
}

void
do_mkd(struct ftp_session *s, struct slice arg)
{
	struct message m = {.id = MSG_F_MKDIR,
			    .f_mkdir = {.mode = 0777 & ~s->umask, .path = slice_of(s->path)}};

	(void)arg;
	ask(s, &m, mkd_answered);
}

void
do_rmd(struct ftp_session *s, struct slice arg)
{
	struct message m = {.id = MSG_F_RMDIR, .f_rmdir = {.path = slice_of(s->path)}};

	(void)arg;
	ask(s, &m, answer_done);
}

void
do_dele(struct ftp_session *s, struct slice arg)
{
	struct message m = {.id = MSG_F_UNLINK, .f_unlink = {.path = slice_of(s->path)}};

	(void)arg;
	ask(s, &m, answer_done);
}

static void
rnfr_answered(struct ftp_session *s, struct message *m)
{
	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	s->rename_from = s->path;
	s->path = NULL;
	reply(s, 350, "RNTO is awaited.");
}

void
do_rnfr(struct ftp_session *s, struct slice arg)
{
	struct message m = {.id = MSG_F_STAT, .f_stat = {.path = slice_of(s->path)}};

	(void)arg;
	if (slice_equal(slice_of(s->path), SLICE("/"))) {
		reply_errno(s, EACCES);
		return;
	}
	ask(s, &m, rnfr_answered);
}

static void
rnto_answered(struct ftp_session *s, struct message *m)
{
	if (answer_error(m)) {
		reply_errno_naming(s, answer_error(m));
		return;
	}
	changed(s, s->task->other, slice_of(s->path));
	reply(s, 250, "Renamed.");
}

/* A file that exists is replaced, if the session may overwrite: clients upload to a temporary name
 * and rename. */
void
do_rnto(struct ftp_session *s, struct slice arg)
{
	struct message m = {.id = MSG_F_RENAME,
			    .f_rename = {.replace = (s->settings->rights & RIGHT(overwrite)) != 0,
					 .from = slice_of(s->rename_from),
					 .to = slice_of(s->path)}};

	(void)arg;
	if (!s->rename_from) {
		reply(s, 503, "Send RNFR first.");
		return;
	}
	struct task *task = task_begin(s);
	if (!task)
		return;
	ask(s, &m, rnto_answered);
	task->other = s->rename_from;
	s->rename_from = NULL;
}
