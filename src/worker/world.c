/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The world of a protocol session: what it asks for, and who does it. */
#include <errno.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "auth.h"
#include "control.h"
#include "data.h"
#include "events.h"
#include "status_pipe.h"

static void
world_reply(struct ftp_session *ftp, struct slice bytes)
{
	struct session *s = session_of(ftp);

	if (!s->broken && !s->closing)
		buf_add_slice(&s->out, bytes);
}

static void
world_hang_up(struct ftp_session *ftp, bool graceful)
{
	struct session *s = session_of(ftp);

	s->ending = true;
	if (!graceful)
		s->broken = true;
}

static uint64_t
world_now(struct ftp_session *ftp)
{
	return uv_now(&session_of(ftp)->worker->loop);
}

static void
world_delay(struct ftp_session *ftp, uint64_t milliseconds)
{
	struct session *s = session_of(ftp);

	s->delay_until = uv_now(&s->worker->loop) + (milliseconds ? milliseconds : 1);
}

/* No certificate reaches the worker, so nothing of TLS is asked. */
static bool
world_can_secure(struct ftp_session *ftp)
{
	(void)ftp;
	return false;
}

/* And every name is the one host's. */
static bool
world_host(struct ftp_session *ftp, struct slice name)
{
	(void)ftp;
	(void)name;
	return true;
}

static int
world_required(struct ftp_session *ftp, struct slice user)
{
	(void)ftp;
	(void)user;
	return -1;
}

static void
world_ask(struct ftp_session *ftp, struct message *m)
{
	agent_ask(session_of(ftp), m);
}

static void
world_login(struct ftp_session *ftp, enum word_source source, struct slice user,
	    struct slice secret)
{
	auth_login(session_of(ftp), source, user, secret);
}

static void
world_login_answer(struct ftp_session *ftp, struct slice secret)
{
	auth_answer(session_of(ftp), secret);
}

static void
world_logout(struct ftp_session *ftp)
{
	auth_logout(session_of(ftp));
}

static int
world_passive(struct ftp_session *ftp, int family, struct sockaddr_storage *announce)
{
	return data_listen(session_of(ftp), family, announce);
}

static void
world_active(struct ftp_session *ftp, const struct sockaddr_storage *to)
{
	data_aim(session_of(ftp), to);
}

static void
world_connect(struct ftp_session *ftp)
{
	session_due(session_of(ftp), DUE_CONNECT, 0);
}

static void
world_disconnect(struct ftp_session *ftp)
{
	data_close(session_of(ftp));
}

static void
on_transferred(void *owner, const struct pump_result *result)
{
	struct session *s = owner;

	REQUIRE(s->magic == SESSION_MAGIC);
	s->pump = NULL;
	s->result = *result;
	if (s->port)
		ports_release(&s->listener->ports, s->port, uv_now(&s->worker->loop) / 1000);
	session_due(s, DUE_TRANSFERRED, 0);
}

static void
world_transfer(struct ftp_session *ftp, const struct transfer_plan *plan)
{
	static const struct pump_calls calls = {on_transferred};
	struct session *s = session_of(ftp);
	int socket = data_take(s), fd = plan->fd;

	if (socket < 0) {
		fd_close(&fd);
		s->result = (struct pump_result){TRANSFER_RESET, 0, 0};
		session_due(s, DUE_TRANSFERRED, 0);
		return;
	}
	s->pump = pump_new(&s->worker->pumps, socket, plan, ftp->settings->stall_timeout * 1000,
			   &calls, s);
	if (!s->pump) {
		s->result = (struct pump_result){TRANSFER_FILE_ERROR, -ENOMEM, 0};
		session_due(s, DUE_TRANSFERRED, 0);
		return;
	}
	session_due(s, DUE_TRANSFER, 0);
}

static void
world_stop(struct ftp_session *ftp, enum transfer_end end)
{
	struct session *s = session_of(ftp);

	if (s->pump)
		pump_stop(s->pump, end, 0);
}

static uint64_t
world_moved(struct ftp_session *ftp)
{
	const struct session *s = session_of(ftp);

	return s->pump ? pump_moved(s->pump) : 0;
}

static void
world_read_pipe(struct ftp_session *ftp, int fd)
{
	status_pipe_open(session_of(ftp), fd);
}

static void
on_job_runs(void *owner, uint64_t bytes)
{
	struct session *s = owner;

	session_enter(s);
	ftp_session_job_runs(&s->ftp, bytes);
	session_settle(s);
}

static void
on_job_done(void *owner, int error, struct slice digest)
{
	struct session *s = owner;

	s->job = NULL;
	session_enter(s);
	ftp_session_job_done(&s->ftp, error, digest);
	session_settle(s);
}

static void
world_job(struct ftp_session *ftp, const struct job_plan *plan)
{
	static const struct job_calls calls = {on_job_runs, on_job_done};
	struct session *s = session_of(ftp);
	struct worker *w = s->worker;

	s->job = job_start(&w->loop, w->pool, &w->digests, plan, &calls, s);
	if (!s->job)
		session_due(s, DUE_JOB_DONE, -ENOMEM);
}

static void
world_job_stop(struct ftp_session *ftp)
{
	struct session *s = session_of(ftp);

	if (s->job)
		job_stop(s->job);
}

static void
world_log_command(struct ftp_session *ftp, struct slice line, unsigned code)
{
	event_command(session_of(ftp), line, code);
}

static void
world_log_login(struct ftp_session *ftp, struct slice user, bool accepted, const char *why)
{
	event_login(session_of(ftp), user, accepted, why);
}

static void
world_log_transfer(struct ftp_session *ftp, const struct transfer_record *record)
{
	event_transfer(session_of(ftp), record);
}

const struct ftp_world session_world = {
	.reply = world_reply,
	.hang_up = world_hang_up,
	.now = world_now,
	.delay = world_delay,
	.can_secure = world_can_secure,
	.host = world_host,
	.required = world_required,
	.ask = world_ask,
	.login = world_login,
	.login_answer = world_login_answer,
	.logout = world_logout,
	.passive = world_passive,
	.active = world_active,
	.connect = world_connect,
	.disconnect = world_disconnect,
	.transfer = world_transfer,
	.stop = world_stop,
	.moved = world_moved,
	.read_pipe = world_read_pipe,
	.job = world_job,
	.job_stop = world_job_stop,
	.log_command = world_log_command,
	.log_login = world_log_login,
	.log_transfer = world_log_transfer,
};
