/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * RETR and ABOR, and what all transfers share: the order of question, data connection, 150, bytes
 * and last reply (RFC 959 §5.4). What is read is opened before the data connection is waited for,
 * so that a missing file is told at once; uploads differ, see upload.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "transfer.h"

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
		.digest = upload ? (enum word_digest)s->settings->digest : WORD_digest_none,
		.reserved = UINT64_MAX,
	};
	t->upload = upload;
	t->result.fd = -1;
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
	fd_close(&t->result.fd);
	free(t->path);
	free(t->stage);
	free(t->digest);
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
		prepared_reset(s);
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

void
reply_aborted(struct ftp_session *s)
{
	reply(s, 426, "The transfer was ended.");
	reply_aborts(s);
}

/* The bytes can go: 150, and the pump. */
void
transfer_start(struct ftp_session *s)
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
	} else if (t->upload) {
		upload_connected(s);
	} else {
		transfer_start(s);
	}
	session_answered(s);
}

/* TYPE A counts other bytes than the file has, so there is no offset that both sides mean (RFC 3659
 * §5). */
bool
transfer_may_restart(struct ftp_session *s)
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
	if (!transfer_may_restart(s))
		return;
	struct transfer *t = transfer_begin(s, false);
	if (!t)
		return;
	t->path = s->path;
	s->path = NULL;
	if (s->settings->download_digest)
		t->plan.digest = (enum word_digest)s->settings->digest;
	struct message m = {.id = MSG_F_OPEN,
			    .f_open = {.how = OPEN_READ, .path = slice_of(t->path)}};
	ask(s, &m, opened_for_reading);
}

void
transfer_log(struct ftp_session *s, const struct transfer_result *result, bool whole, int error)
{
	const struct transfer *t = s->transfer;
	struct transfer_record record = {
		.path = slice_of(t->path),
		.command = s->running ? s->running->name : SLICE_NULL,
		.upload = t->upload,
		.ascii = t->plan.ascii,
		.bytes = result->bytes,
		.size = result->size,
		.milliseconds = s->world->now(s) - t->began,
		.verdict = transfer_verdict(result, t->upload),
		.whole = whole,
		.digest = result->digest,
		.error = error ? error : result->error,
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

void
transfer_reply_end(struct ftp_session *s, enum transfer_end end)
{
	if (end != TRANSFER_CONTROL_LOST)
		reply(s, last_replies[end].code, "%s", last_replies[end].text);
}

static void
sent(struct ftp_session *s, const struct transfer_result *result)
{
	transfer_log(s, result, result->end == TRANSFER_COMPLETE, 0);
	if (!s->closing) {
		if (result->end == TRANSFER_FILE_ERROR)
			reply_errno(s, result->error);
		else
			transfer_reply_end(s, result->end);
		reply_aborts(s);
	}
	transfer_end(s);
}

void
ftp_session_transferred(struct ftp_session *s, const struct transfer_result *result)
{
	int fd = result->fd;

	if (!CHECK(s->waits == WAIT_TRANSFER && s->transfer)) {
		fd_close(&fd);
	} else if (s->transfer->upload) {
		upload_transferred(s, result);
	} else {
		fd_close(&fd);
		sent(s, result);
	}
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
		prepared_reset(s);
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
