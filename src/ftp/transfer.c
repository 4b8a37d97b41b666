/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * RETR, STOR, APPE, STOU and ABOR: the order of question, data connection, 150, bytes and last
 * reply (RFC 959 §5.4). What is read is opened before the data connection is waited for, so that a
 * missing file is told at once.  What is written is opened after it has come, so that a client that
 * never connects has touched nothing (attacks A11).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/ftp/path.h>

#include "transfer.h"

static const char *const end_names[] = {
	[TRANSFER_COMPLETE] = "complete",
	[TRANSFER_ABORTED] = "abor",
	[TRANSFER_RESET] = "reset",
	[TRANSFER_STALLED] = "timeout",
	[TRANSFER_FILE_ERROR] = "file-error",
	[TRANSFER_FILE_SHRANK] = "file-shrank",
	[TRANSFER_CONTROL_LOST] = "control-lost",
	[TRANSFER_SHUT_DOWN] = "shutdown",
	[TRANSFER_TRUNCATED] = "no-close-notify",
	[TRANSFER_TLS_FAILED] = "tls-failed",
	[TRANSFER_TLS_REFUSED] = "tls-refused",
	[TRANSFER_SHORT] = "short",
	[TRANSFER_QUOTA] = "quota",
};

const char *
transfer_verdict(const struct transfer_result *result, bool upload)
{
	if (upload && result->end == TRANSFER_COMPLETE)
		return result->protected ? "close-notify" : "fin";
	if (result->end == TRANSFER_FILE_ERROR &&
	    (result->error == -ENOSPC || result->error == -EDQUOT))
		return "disk-full";
	return end_names[result->end];
}

struct transfer *
transfer_begin(struct ftp_session *s, bool upload)
{
	struct transfer *t = calloc(1, sizeof(*t));

	REQUIRE(!s->transfer);
	s->transfer = t;
	if (!t) {
		reply_errno(s, ENOMEM);
		return NULL;
	}
	t->plan = (struct transfer_plan){
		.kind = upload ? TRANSFER_RECEIVE : TRANSFER_SEND_FILE,
		.fd = -1,
		.ascii = s->ascii,
		.protect = s->protect,
		.length = UINT64_MAX,
		.rate = upload ? s->settings->upload_rate : s->settings->download_rate,
	};
	t->upload = upload;
	t->began = s->world->now(s);
	return t;
}

void
transfer_free(struct ftp_session *s)
{
	struct transfer *t = s->transfer;

	if (!t)
		return;
	fd_close(&t->plan.fd);
	free(t->path);
	free(t->said);
	free(t->wanted);
	buf_deinit(&t->line);
	free(t);
	s->transfer = NULL;
}

void
transfer_end(struct ftp_session *s)
{
	if (s->transfer && !s->transfer->to_control) {
		s->world->disconnect(s);
		s->data = DATA_NONE;
		restart_reset(s);
	}
	transfer_free(s);
	finish(s);
}

void
reply_aborts(struct ftp_session *s)
{
	for (; s->aborts > 0; s->aborts--)
		reply(s, 226, "ABOR is done.");
}

static void
reply_aborted(struct ftp_session *s)
{
	reply(s, 426, "The transfer was ended.");
	reply_aborts(s);
}

/* The bytes can go: 150, and the pump. */
static void
start(struct ftp_session *s)
{
	struct transfer *t = s->transfer;
	struct buf b = BUF_INIT;

	if (t->said) {
		/* RFC 1123 §4.1.2.9: this form, so that a client can read the name. */
		buf_printf(&b, "150 FILE: %s\r\n", t->said);
	} else if (t->plan.kind == TRANSFER_SEND_FILE && !t->plan.ascii) {
		buf_printf(&b, "150 Opening data connection (%llu bytes).\r\n",
			   (unsigned long long)t->plan.length);
	} else {
		buf_add_str(&b, "150 Opening data connection.\r\n");
	}
	reply_raw(s, 150, &b);
	buf_deinit(&b);
	t->started = true;
	s->waits = WAIT_TRANSFER;
	struct transfer_plan plan = t->plan;
	t->plan.fd = -1;
	s->world->transfer(s, &plan);
}

void
transfer_connect(struct ftp_session *s)
{
	s->waits = WAIT_CONNECT;
	s->world->connect(s);
}

/* An answer of the agent while a transfer is prepared: whether to go on with it. */
bool
transfer_goes_on(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;
	int error = answer_error(m);

	if (!error && !s->aborts) {
		t->plan.fd = m->fd;
		return true;
	}
	fd_close(&m->fd);
	if (s->aborts)
		reply_aborted(s);
	else if (t->upload)
		reply_errno_naming(s, error);
	else
		reply_errno(s, error);
	transfer_end(s);
	return false;
}

/* RETR: what is sent, from REST or RANG and the file's size. */
static void
opened_for_reading(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;

	if (!transfer_goes_on(s, m))
		return;
	uint64_t size = m->r_opened.size;
	if (s->range_start <= s->range_end) {
		t->plan.offset = s->range_start < size ? s->range_start : size;
		t->plan.length = s->range_end < size ? s->range_end + 1 - t->plan.offset
						     : size - t->plan.offset;
	} else if (s->restart <= size) {
		t->plan.offset = s->restart;
		t->plan.length = size - s->restart;
	} else {
		reply(s, 554, "The file ends before the offset of REST.");
		transfer_end(s);
		return;
	}
	transfer_connect(s);
}

/* STOR, APPE, STOU: where in the file the bytes go.  No offset may leave a hole (attacks E13). */
static void
opened_for_writing(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;

	/* Only an upload that begins at an offset does not make its file. */
	if (answer_error(m) == ENOENT && !(t->how & OPEN_CREATE) && !s->aborts) {
		reply(s, 554, "There is no file to go on with.");
		transfer_end(s);
		return;
	}
	if (!transfer_goes_on(s, m))
		return;
	uint64_t size = m->r_opened.size;
	bool ranged = s->range_start <= s->range_end;
	uint64_t offset = ranged ? s->range_start : s->restart;
	if (t->how & OPEN_UNIQUE) {
		free(t->path);
		t->path = slice_dup(m->r_opened.name);
		t->said = slice_dup(path_base(m->r_opened.name));
	} else if (t->appends) {
		t->plan.offset = size;
	} else if (offset > size) {
		reply(s, 554, "The file ends before the offset of %s.", ranged ? "RANG" : "REST");
		transfer_end(s);
		return;
	} else {
		t->plan.offset = offset;
		t->plan.cut = !ranged && (offset || t->plan.protect);
		t->plan.length = ranged ? s->range_end - s->range_start + 1 : UINT64_MAX;
	}
	start(s);
}

static void
open_file(struct ftp_session *s, unsigned how, void (*then)(struct ftp_session *, struct message *))
{
	struct message m = {.id = MSG_F_OPEN,
			    .f_open = {.how = how,
				       .mode = 0666 & ~s->umask,
				       .path = slice_of(s->transfer->path)}};

	ask(s, &m, then);
}

void
ftp_session_connected(struct ftp_session *s, int error)
{
	struct transfer *t = s->transfer;

	if (s->closing || !CHECK(s->waits == WAIT_CONNECT && t))
		return;
	if (error) {
		reply(s, 425,
		      error == -ETIMEDOUT ? "No data connection came in time."
					  : "Can't open the data connection.");
		transfer_end(s);
	} else if (t->how) {
		open_file(s, t->how, opened_for_writing);
	} else {
		start(s);
	}
	session_answered(s);
}

/* TYPE A counts other bytes than the file has, so there is no offset that both sides mean (RFC 3659
 * §5). */
static bool
may_restart(struct ftp_session *s)
{
	bool restarts = s->restart > 0 || s->range_start <= s->range_end;

	if (restarts && s->ascii) {
		reply(s, 504, "REST and RANG want TYPE I.");
		restart_reset(s);
		return false;
	}
	return true;
}

void
do_retr(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (!may_restart(s))
		return;
	struct transfer *t = transfer_begin(s, false);
	if (!t)
		return;
	t->path = s->path;
	s->path = NULL;
	open_file(s, OPEN_READ, opened_for_reading);
}

/* An upload to s->path, which becomes the transfer's. */
static void
upload(struct ftp_session *s, unsigned how, bool appends)
{
	struct transfer *t = transfer_begin(s, true);

	if (!t)
		return;
	t->path = s->path;
	s->path = NULL;
	t->appends = appends;
	t->how = how | OPEN_WRITE;
	if (!(s->settings->rights & RIGHT(overwrite)))
		t->how |= OPEN_EXCLUSIVE;
	transfer_connect(s);
}

void
do_stor(struct ftp_session *s, struct slice arg)
{
	bool whole = s->restart == 0 && s->range_start > s->range_end;

	/* Over TLS the file is cut when the data connection's handshake is done, not sooner: where
	 * that fails the file is as it was (attacks B10). */
	unsigned truncate = whole && !s->protect ? OPEN_TRUNCATE : 0;

	(void)arg;
	uint64_t offset = s->range_start <= s->range_end ? s->range_start : s->restart;
	if (!may_restart(s))
		return;
	if (!whole && !require_right(s, RIGHT(overwrite))) {
		restart_reset(s);
		return;
	}
	upload(s, truncate | (offset ? 0 : OPEN_CREATE), false);
}

/* REST says nothing about an append (attacks E15): it is dropped. */
void
do_appe(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	restart_reset(s);
	upload(s, OPEN_CREATE, true);
}

/* RFC 959 §4.1.3; a name that some clients suggest is not taken. */
void
do_stou(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	restart_reset(s);
	s->path = strdup(s->cwd);
	if (s->path)
		upload(s, OPEN_CREATE | OPEN_UNIQUE | OPEN_EXCLUSIVE, false);
	else
		reply_errno(s, ENOMEM);
}

static void
log_end(struct ftp_session *s, const struct transfer_result *result)
{
	const struct transfer *t = s->transfer;
	struct transfer_record record = {
		.path = slice_of(t->path),
		.command = s->running ? s->running->verb : SLICE_NULL,
		.upload = t->upload,
		.ascii = t->plan.ascii,
		.bytes = result->bytes,
		.size = result->size,
		.milliseconds = s->world->now(s) - t->began,
		.verdict = transfer_verdict(result, t->upload),
		.whole = result->end == TRANSFER_COMPLETE,
		.digest = result->digest,
		.error = result->error,
	};

	s->world->log_transfer(s, &record);
}

/* The last reply to each end; where there is no code the errno of the file tells it, or nobody is
 * there to be told. */
static const struct {
	unsigned code;
	const char *text;
} last_replies[] = {
	[TRANSFER_COMPLETE] = {226, "Transfer complete."},
	[TRANSFER_ABORTED] = {426, "The transfer was ended."},
	[TRANSFER_RESET] = {426, "The data connection broke."},
	[TRANSFER_STALLED] = {426, "The data connection stood still for too long."},
	[TRANSFER_FILE_SHRANK] = {451, "The file became shorter while it was sent."},
	[TRANSFER_SHUT_DOWN] = {426, "The server ends."},
	[TRANSFER_TRUNCATED] = {426, "The data connection ended without TLS's close_notify."},
	/* RFC 4217 §10.2 */
	[TRANSFER_TLS_FAILED] = {522, "TLS on the data connection failed."},
	[TRANSFER_TLS_REFUSED] =
		{522, "The data connection must resume the control connection's TLS session."},
	[TRANSFER_SHORT] = {451, "Fewer bytes came than ALLO said."},
	[TRANSFER_QUOTA] = {552, "Your quota is spent."},
};

static void
reply_end(struct ftp_session *s, enum transfer_end end, int error)
{
	if (end == TRANSFER_FILE_ERROR)
		reply_errno(s, error);
	else if (end != TRANSFER_CONTROL_LOST)
		reply(s, last_replies[end].code, "%s", last_replies[end].text);
}

void
ftp_session_transferred(struct ftp_session *s, const struct transfer_result *result)
{
	int fd = result->fd;

	fd_close(&fd);
	if (!CHECK(s->waits == WAIT_TRANSFER && s->transfer))
		return;
	log_end(s, result);
	if (!s->closing) {
		reply_end(s, result->end, result->error);
		reply_aborts(s);
	}
	transfer_end(s);
	if (!s->closing)
		session_answered(s);
}

/*
 * RFC 959 §4.1.3: 426 for what was ended and 226 for ABOR; when nothing runs, what was prepared is
 * dropped: 225. Every ABOR gets its reply, also one that comes while another is at work.
 */
void
do_abor(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (s->waits == WAIT_NONE) {
		s->world->disconnect(s);
		s->data = DATA_NONE;
		restart_reset(s);
		reply(s, 225, "Nothing to abort.");
		return;
	}
	if (s->aborts++ > 0)
		return;
	if (s->waits == WAIT_JOB) {
		s->world->job_stop(s);
	} else if (s->waits == WAIT_TRANSFER) {
		s->world->stop(s, TRANSFER_ABORTED);
	} else if (s->waits == WAIT_CONNECT) {
		reply_aborted(s);
		transfer_end(s);
	}
}
