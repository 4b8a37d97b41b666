/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * LIST, NLST, MLSD, and STAT with a path.  Names are names: options and globs are looked for only
 * in LIST, NLST and STAT, a glob only in the last part, and neither when a file of just that name
 * exists.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/ftp/glob.h>
#include <wharf/ftp/listing.h>
#include <wharf/ftp/path.h>

#include "transfer.h"

/* What stands before the last part of an argument, with its slash. */
static struct slice
folder_part(struct slice arg)
{
	const char *slash = arg.n ? memrchr(arg.p, '/', arg.n) : NULL;

	return slice_head(arg, slash ? (size_t)(slash - arg.p) + 1 : 0);
}

/* The agent's pipe is there: to the data connection, or to the control connection. */
static void
list_opened(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;

	/* RFC 3659 §7.2.1: MLSD of what is no folder is an error of the argument. */
	if (m->r_listing.error == ENOTDIR && t->form == LIST_FACTS && !s->aborts) {
		reply(s, 501, "Not a folder.");
		transfer_end(s);
		return;
	}
	if (!transfer_goes_on(s, m))
		return;
	if (!t->to_control) {
		transfer_connect(s);
		return;
	}
	t->code = m->r_listing.is_file ? 213 : 212;
	struct buf b = BUF_INIT;
	buf_printf(&b, "%u-Status:\r\n", t->code);
	reply_raw(s, t->code, &b);
	buf_deinit(&b);
	s->waits = WAIT_PIPE;
	int fd = t->plan.fd;
	t->plan.fd = -1;
	s->world->read_pipe(s, fd);
}

/* Lists `arg`, or what in it fits the pattern. */
static void
list_go(struct ftp_session *s, struct slice arg, struct slice pattern)
{
	struct transfer *t = s->transfer;
	struct buf prefix = BUF_INIT;

	if (!resolve_path(s, arg, &t->path)) {
		transfer_end(s);
		return;
	}
	/* Names that a pattern fits are told themselves, as a shell would give them to ls -d. */
	if (pattern.n)
		t->flags &= ~(unsigned)LIST_ITSELF;
	/* NLST's names are arguments for RETR: they begin as the argument did. */
	buf_add_slice(&prefix, arg.n == 0 && t->flags & LIST_ITSELF ? SLICE(".") : arg);
	if (prefix.len && prefix.data[prefix.len - 1] != '/')
		buf_add_byte(&prefix, '/');
	struct message m = {.id = MSG_F_LIST,
			    .f_list = {.form = (uint8_t)t->form,
				       .flags = t->flags,
				       .facts = s->facts,
				       .path = slice_of(t->path),
				       .pattern = pattern,
				       .prefix = buf_slice(&prefix)}};
	ask(s, &m, list_opened);
	buf_deinit(&prefix);
}

/* Whether a question about a file's existence was answered with yes.  An ABOR meanwhile ends the
 * command. */
static bool
exists(struct ftp_session *s, const struct message *m)
{
	return m->id == MSG_R_STAT && m->r_stat.error == 0 && !s->aborts;
}

static void
list_glob_answered(struct ftp_session *s, struct message *m)
{
	struct slice wanted = slice_of(s->transfer->wanted);
	struct slice folder = folder_part(wanted);

	if (exists(s, m))
		list_go(s, wanted, SLICE_NULL);
	else
		list_go(s, folder, slice_from(wanted, folder.n));
}

/* Asks whether arg exists as it is written; returns false when it can't, so that there is nothing
 * to ask. */
static bool
ask_literal(struct ftp_session *s, struct slice arg,
	    void (*then)(struct ftp_session *, struct message *))
{
	if (find_path(s, arg, &s->path) != 0)
		return false;
	struct message m = {.id = MSG_F_STAT, .f_stat = {.path = slice_of(s->path)}};
	ask(s, &m, then);
	return true;
}

/* The argument without options: a glob, or a path. */
static void
list_wanted(struct ftp_session *s)
{
	struct slice wanted = slice_of(s->transfer->wanted);
	struct slice folder = folder_part(wanted);
	struct slice last = slice_from(wanted, folder.n);

	if (!glob_has_magic(last))
		list_go(s, wanted, SLICE_NULL);
	else if (!ask_literal(s, wanted, list_glob_answered))
		list_go(s, folder, last);
}

static void
list_options_answered(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;

	if (!exists(s, m)) {
		list_wanted(s);
		return;
	}
	/* A file of that name is there: no options were meant. */
	t->flags = 0;
	list_go(s, slice_of(s->task->other), SLICE_NULL);
}

static void
list(struct ftp_session *s, struct slice arg, enum list_form form, bool to_control)
{
	struct list_options o = {0};
	struct slice rest = arg;
	struct transfer *t = transfer_begin(s, false);

	if (!t)
		return;
	t->plan.kind = TRANSFER_SEND_PIPE;
	t->plan.ascii = false;
	t->to_control = to_control;
	bool optioned = listing_parse_options(arg, &o, &rest);
	t->form = form == LIST_LONG && o.names && !to_control ? LIST_NAMES : form;
	t->flags = (o.all ? LIST_ALL : 0) |
		   (o.recursive && s->settings->list_recursive ? LIST_RECURSIVE : 0) |
		   (o.by_time ? LIST_BY_TIME : 0) | (o.reverse ? LIST_REVERSE : 0) |
		   (o.itself ? LIST_ITSELF : 0);
	t->wanted = slice_dup(rest);
	struct task *task = task_begin(s);
	if (task)
		task->other = slice_dup(arg);
	if (!t->wanted || !task || !task->other) {
		reply_errno(s, ENOMEM);
		transfer_end(s);
	} else if (!optioned || !ask_literal(s, arg, list_options_answered)) {
		list_wanted(s);
	}
}

void
do_list(struct ftp_session *s, struct slice arg)
{
	list(s, arg, LIST_LONG, false);
}

void
do_nlst(struct ftp_session *s, struct slice arg)
{
	list(s, arg, LIST_NAMES, false);
}

void
transfer_status(struct ftp_session *s, struct slice arg)
{
	list(s, arg, LIST_LONG, true);
}

void
do_mlsd(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	struct transfer *t = transfer_begin(s, false);
	if (!t)
		return;
	t->plan.kind = TRANSFER_SEND_PIPE;
	t->plan.ascii = false;
	t->form = LIST_FACTS;
	t->path = s->path;
	s->path = NULL;
	struct message m = {.id = MSG_F_LIST,
			    .f_list = {.form = LIST_FACTS,
				       .flags = LIST_ONLY_FOLDER,
				       .facts = s->facts,
				       .path = slice_of(t->path)}};
	ask(s, &m, list_opened);
}

/* STAT <path>: each line gets a blank before it, so that none can be taken for the end (attacks
 * C09). */
void
ftp_session_piped(struct ftp_session *s, struct slice bytes)
{
	struct transfer *t = s->transfer;
	struct buf b = BUF_INIT;

	if (s->closing || s->waits != WAIT_PIPE)
		return;
	if (bytes.n == 0) {
		reply(s, t->code, "End.");
		transfer_end(s);
		session_answered(s);
		return;
	}
	buf_add_slice(&t->line, bytes);
	size_t done = 0;
	for (const char *end;
	     done < t->line.len && (end = memchr(t->line.data + done, '\n', t->line.len - done));) {
		size_t n = (size_t)(end - t->line.data) + 1 - done;
		buf_add_byte(&b, ' ');
		buf_add(&b, t->line.data + done, n);
		done += n;
	}
	buf_consume(&t->line, done);
	if (b.len)
		reply_raw(s, t->code, &b);
	buf_deinit(&b);
}
