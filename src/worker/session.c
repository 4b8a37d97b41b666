/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Sessions: their life, and the order in which things are told to the protocol; see session.h. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "auth.h"
#include "control.h"
#include "data.h"
#include "events.h"
#include "secure.h"
#include "status_pipe.h"

/* How long a copy may take to stop when its session is closed. */
#define PATIENCE_MS 1000

static void
do_answer(struct session *s)
{
	struct message m = {.id = MSG_R_DONE, .fd = -1};

	m.r_done.error = (uint32_t)-s->due_error;
	ftp_session_answered(&s->ftp, &m);
}

static void
do_refused(struct session *s)
{
	auth_close(s);
	ftp_session_refused(&s->ftp, (enum login_refusal)s->due_error);
}

static void
do_connected(struct session *s)
{
	ftp_session_connected(&s->ftp, s->due_error);
}

static void
do_transfer(struct session *s)
{
	pump_begin(s->pump);
}

static void
do_transferred(struct session *s)
{
	char *digest = s->digest;
	const struct transfer_result result = {.end = s->result.end,
					       .error = s->result.error,
					       .bytes = s->result.bytes,
					       .fd = s->result.fd,
					       .size = s->result.size,
					       .digest = slice_of(digest),
					       .protected = s->result.protected,
					       .lost = s->result.lost};

	s->result.fd = -1;
	s->digest = NULL;
	ftp_session_transferred(&s->ftp, &result);
	free(digest);
	if (s->expires)
		ftp_session_expire(&s->ftp, s->expires);
	s->expires = NULL;
}

static void
do_piped(struct session *s)
{
	ftp_session_piped(&s->ftp, SLICE_NULL);
}

static void
do_job_done(struct session *s)
{
	ftp_session_job_done(&s->ftp, s->due_error, SLICE_NULL, -1);
}

static void
do_reserved(struct session *s)
{
	ftp_session_reserved(&s->ftp, s->due_error, UINT64_MAX);
}

static void
do_quota_told(struct session *s)
{
	const struct quota none = {.limit_bytes = UINT64_MAX, .limit_files = UINT64_MAX};

	ftp_session_quota_told(&s->ftp, s->due_error, &none);
}

static void (*const dues[DUE_COUNT])(struct session *) = {
	[DUE_ANSWER] = do_answer,           [DUE_REFUSED] = do_refused,
	[DUE_SECURE] = secure_begin,        [DUE_CONNECT] = data_connect,
	[DUE_CONNECTED] = do_connected,     [DUE_TRANSFER] = do_transfer,
	[DUE_TRANSFERRED] = do_transferred, [DUE_PIPED] = do_piped,
	[DUE_JOB_DONE] = do_job_done,       [DUE_RESERVED] = do_reserved,
	[DUE_QUOTA_TOLD] = do_quota_told,
};

static bool
run_due(struct session *s)
{
	enum due due = s->due;

	s->due = DUE_NONE;
	if (due != DUE_NONE)
		dues[due](s);
	return due != DUE_NONE;
}

void
session_enter(struct session *s)
{
	REQUIRE(s->magic == SESSION_MAGIC && !s->inside && !s->closing);
	s->inside = true;
}

/*
 * Replies leave before what they announce begins.  But a small file has left as soon as it begins:
 * then 150 and 226 are one segment, and the client is woken once.
 */
static void
flush(struct session *s)
{
	bool at_once = s->due == DUE_TRANSFER && s->pump && pump_is_short(s->pump);

	if (!at_once && s->due != DUE_TRANSFERRED)
		control_flush(s);
}

void
session_settle(struct session *s)
{
	do
		flush(s);
	while (!s->broken && (run_due(s) || ftp_session_go_on(&s->ftp)));

	bool busy = ftp_session_is_busy(&s->ftp);
	if (s->worker->draining && !busy && !s->ending && !s->broken) {
		ftp_session_expire(&s->ftp, "The server ends, goodbye.");
		control_flush(s);
	}
	if (busy || s->was_busy)
		s->idle_since = uv_now(&s->worker->loop);
	s->was_busy = busy;
	s->inside = false;
	control_update(s);
}

void
session_due(struct session *s, enum due due, int error)
{
	s->due = due;
	s->due_error = error;
	if (!s->inside && !s->closing) {
		session_enter(s);
		session_settle(s);
	}
}

void
session_expire(struct session *s, int error, const char *why)
{
	if (s->pump) {
		pump_stop(s->pump, error ? TRANSFER_FILE_ERROR : TRANSFER_SHUT_DOWN, error);
		run_due(s);
	}
	/* An upload that still writes, or is to be proved, is told first. */
	if (s->pump || s->proof_until) {
		s->expires = why;
		return;
	}
	ftp_session_expire(&s->ftp, why);
}

static void
session_free(struct session *s)
{
	struct worker *w = s->worker;

	deadlines_remove(&w->deadlines, &s->deadline);
	worker_drop_session(w, s);
	s->magic = 0;
	free(s->passive_address);
	free(s);
}

void
session_close(struct session *s)
{
	if (s->closing)
		return;
	s->closing = true;
	/* No line that waits is run any more; a transfer is told how it ended, for the log. */
	s->ftp.closing = true;
	watch_close(&s->watch);
	fd_close(&s->fd);
	if (s->proof_until) {
		s->result.end = TRANSFER_CONTROL_LOST;
		s->due = DUE_TRANSFERRED;
	}
	s->proof_until = 0;
	if (s->due != DUE_TRANSFERRED)
		s->due = DUE_NONE;
	if (s->pump)
		pump_stop(s->pump, TRANSFER_CONTROL_LOST, 0);
	if (s->job)
		job_stop(s->job);
	if (s->due == DUE_TRANSFERRED)
		run_due(s);
	data_close(s);
	status_pipe_close(s);
	secure_free(s);
	auth_close(s);
	agent_forget_late(s);
	quota_forget(s);
	/* A copy on a file system that hangs is not waited for. */
	deadlines_set(&s->worker->deadlines, &s->deadline, uv_now(&s->worker->loop) + PATIENCE_MS);
	session_may_end(s);
}

static void
give_up_job(struct session *s)
{
	if (!s->job)
		return;
	job_abandon(s->job);
	s->job = NULL;
	quota_settle(s, 0, false);
	session_may_end(s);
}

void
session_on_deadline(struct deadline *d)
{
	struct session *s = (struct session *)((char *)d - offsetof(struct session, deadline));

	REQUIRE(s->magic == SESSION_MAGIC);
	if (s->ended)
		session_free(s);
	else if (!s->closing)
		control_on_deadline(s);
	else if (!s->ended)
		give_up_job(s);
}

void
session_transferred_late(struct session *s)
{
	run_due(s);
	session_may_end(s);
}

void
session_abandon(struct session *s)
{
	if (s->pump || s->job)
		quota_settle(s, 0, false);
	if (s->job)
		job_abandon(s->job);
	s->job = NULL;
	s->pump = NULL;
	session_may_end(s);
}

void
session_may_end(struct session *s)
{
	struct message ended = {.id = MSG_M_ENDED, .fd = -1, .m_ended = {s->id}};

	if (!s->closing || s->ended || s->pump || s->job || s->request)
		return;
	if (!s->told_end) {
		s->told_end = true;
		ftp_session_end(&s->ftp);
	}
	if (s->told)
		return;
	s->ended = true;
	agent_of_session(s, NULL);
	quota_logout(s);
	event_closed(s);
	fd_close(&s->result.fd);
	free(s->digest);
	ftp_session_deinit(&s->ftp);
	shared_put(&s->shared);
	shared_put(&s->before);
	buf_deinit(&s->out);
	/* Not from within what may still look at it. */
	deadlines_set(&s->worker->deadlines, &s->deadline, 0);
	worker_tell(s->worker, &ended);
}

const struct settings *
session_settings(const struct session *s)
{
	return s->before ? &s->before->settings : &s->listener->shared->settings;
}

static struct listener *
find_listener(struct worker *w, uint32_t id)
{
	struct listener *l;

	SLIST_FOREACH (l, &w->listeners, link)
		if (l->id == id)
			return l;
	return NULL;
}

/* What needs no handle yet.  0 or a negative errno. */
static int
prepare(struct session *s, const struct w_session *m)
{
	s->listener = find_listener(s->worker, m->listener);
	if (!s->listener)
		return -EPROTO;
	if (m->passive_address.ss_family != AF_UNSPEC) {
		s->passive_address = malloc(sizeof(*s->passive_address));
		if (!s->passive_address)
			return -ENOMEM;
		*s->passive_address = m->passive_address;
	}
	if (m->settings.n) {
		s->before = shared_get(&s->worker->settings, m->settings);
		if (!s->before)
			return -EBADMSG;
	}
	return 0;
}

int
session_new(struct worker *w, const struct message *m)
{
	struct session *s = calloc(1, sizeof(*s));
	int fd = m->fd, r;

	if (!s) {
		fd_close(&fd);
		return -ENOMEM;
	}
	s->magic = SESSION_MAGIC;
	s->worker = w;
	s->id = m->w_session.session;
	s->fd = fd;
	s->result.fd = -1;
	r = prepare(s, &m->w_session);
	if (r == 0)
		r = control_init(s);
	if (r < 0) {
		fd_close(&s->fd);
		shared_put(&s->before);
		free(s->passive_address);
		free(s);
		return r;
	}
	worker_add_session(w, s);
	ftp_session_init(&s->ftp, &session_world, session_settings(s), &m->w_session.peer,
			 &m->w_session.local);
	event_opened(s);
	session_enter(s);
	ftp_session_start(&s->ftp);
	session_settle(s);
	return 0;
}
