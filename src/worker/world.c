/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The world of a protocol session: what it asks for, and who does it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "auth.h"
#include "control.h"
#include "data.h"
#include "events.h"
#include "secure.h"
#include "status_pipe.h"

/*
 * So long after an upload's end that of its control connection may come, where the client has died:
 * its kernel closes descriptors in no order; or where it has given up, and ends TLS as one that is
 * done.  Smaller files do not wait.
 */
#define PROOF_MS    5
#define PROOF_LEAST (1024 * 1024)

static void
world_reply(struct ftp_session *ftp, struct slice bytes)
{
	struct session *s = session_of(ftp);

	if (!s->broken && !s->closing)
		buf_add_slice(&s->out, bytes);
}

static bool
world_is_full(struct ftp_session *ftp)
{
	return control_is_full(session_of(ftp));
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

static bool
world_can_secure(struct ftp_session *ftp)
{
	const struct tls_hosts *hosts = session_of(ftp)->worker->hosts.tls;

	return hosts && tls_hosts_serve(hosts);
}

static void
world_secure(struct ftp_session *ftp)
{
	session_due(session_of(ftp), DUE_SECURE, 0);
}

static void
world_unsecure(struct ftp_session *ftp)
{
	secure_end(session_of(ftp));
}

static void
world_ticket(struct ftp_session *ftp)
{
	struct session *s = session_of(ftp);

	if (s->secure)
		tls_ticket(s->secure->tls);
}

static bool
world_host(struct ftp_session *ftp, struct slice name)
{
	struct session *s = session_of(ftp);
	const struct tls_hosts *hosts = s->worker->hosts.tls;
	const struct tls_host *host = NULL;

	if (name.n && hosts && tls_hosts_are_many(hosts)) {
		host = tls_hosts_find(hosts, name);
		if (!host || (secure_is_on(s) && tls_sni(s->secure->tls).n &&
			      tls_host_of(s->secure->tls) != host))
			return false;
	}
	s->host = host;
	return true;
}

static int
world_required(struct ftp_session *ftp, struct slice user)
{
	return rules_require_tls(&session_of(ftp)->worker->rules, user);
}

static void
world_ask(struct ftp_session *ftp, struct message *m)
{
	agent_ask(session_of(ftp), m);
}

static void
world_tell(struct ftp_session *ftp, struct message *m)
{
	agent_tell(session_of(ftp), m);
}

static void
world_close(struct ftp_session *ftp, int fd)
{
	agent_let_go(session_of(ftp), &fd);
}

static void
world_reserve(struct ftp_session *ftp, uint64_t bytes, uint64_t least, bool one_more, bool replaces)
{
	struct session *s = session_of(ftp);

	/* A refusal is logged as a transfer: not with what the last one had. */
	s->result = (struct pump_result){.fd = -1};
	quota_reserve(s, bytes, least, one_more, replaces);
}

static void
world_release(struct ftp_session *ftp)
{
	quota_settle(session_of(ftp), 0, true);
}

static void
world_ask_quota(struct ftp_session *ftp)
{
	quota_ask(session_of(ftp));
}

static void
world_login(struct ftp_session *ftp, enum word_source source, struct slice user,
	    struct slice secret)
{
	auth_login(session_of(ftp), source, user, secret);
}

static void
world_login_certified(struct ftp_session *ftp, enum word_source source, struct slice user)
{
	auth_login_certified(session_of(ftp), source, user);
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
on_transferred(void *owner, const struct pump_result *result, const char *digest)
{
	struct session *s = owner;

	REQUIRE(s->magic == SESSION_MAGIC);
	if (result->end == TRANSFER_TLS_FAILED)
		event_data_tls_failed(s, *result->why ? result->why : "it took too long");
	bool uploads = s->pump->plan.kind == TRANSFER_RECEIVE;
	s->pump = NULL;
	s->result = *result;
	s->digest = *digest ? strdup(digest) : NULL;
	/* A client that has died, or gives up, ends both connections alike. */
	bool proved = uploads && result->end == TRANSFER_COMPLETE;
	if (proved && control_is_lost(s))
		s->result.end = TRANSFER_CONTROL_LOST;
	if (uploads)
		quota_settle(s, result->grown, result->sure);
	if (s->port)
		ports_release(&s->listener->ports, s->port, uv_now(&s->worker->loop) / 1000);
	if (proved && !s->closing && result->bytes >= PROOF_LEAST) {
		s->proof_until = uv_now(&s->worker->loop) + PROOF_MS;
		if (!s->inside)
			control_update(s);
		return;
	}
	session_due(s, DUE_TRANSFERRED, 0);
	if (s->closing)
		session_transferred_late(s);
}

static void
on_more(void *owner, uint64_t bytes)
{
	quota_more(owner, bytes);
}

/* Whether the data connection is the client's, as far as TLS can tell (RFC 4217 §10). */
static bool
on_secured(void *owner)
{
	struct session *s = owner;
	const struct tls *data = s->pump->tls;

	REQUIRE(s->magic == SESSION_MAGIC);
	if (s->ftp.settings->tls_reuse == WORD_tls_reuse_on && !tls_is_resumed(data))
		event_data_tls_failed(s, "the session of the control connection was not resumed");
	else if (!tls_is_same_peer(data, s->secure->tls))
		event_data_tls_failed(s, "the certificate is not the control connection's");
	else
		return true;
	return false;
}

/* Nothing has moved; the file is as it was. */
static void
transfer_failed(struct session *s, const struct transfer_plan *plan, enum transfer_end end)
{
	struct statx st;
	bool uploads = plan->kind == TRANSFER_RECEIVE;
	int fd = plan->fd;

	s->result = (struct pump_result){.end = end, .fd = -1, .may_hang = true};
	if (uploads && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &st) == 0) {
		s->result.size = st.stx_size;
		s->result.fd = fd;
	} else {
		fd_close(&fd);
	}
	if (uploads)
		quota_settle(s, 0, true);
	session_due(s, DUE_TRANSFERRED, 0);
}

static void
world_transfer(struct ftp_session *ftp, const struct transfer_plan *plan)
{
	static const struct pump_calls calls = {on_secured, on_transferred, on_more};
	struct session *s = session_of(ftp);
	struct tls *tls;
	int socket = data_take(s, &tls);

	if (socket < 0) {
		tls_free(tls);
		transfer_failed(s, plan, TRANSFER_RESET);
		return;
	}
	if (!plan->protect) {
		/* PROT C came behind PASV. */
		tls_free(tls);
		tls = NULL;
	}
	if (plan->protect && !tls && s->secure)
		tls = tls_new_data(s->secure->tls, socket, ftp->settings);
	if (plan->protect && !tls) {
		fd_close(&socket);
		transfer_failed(s, plan, TRANSFER_TLS_FAILED);
		return;
	}
	const struct pump_terms terms = {ftp->settings->stall_timeout * 1000,
					 ftp->settings->tls_handshake_timeout * 1000,
					 !ftp->settings->tls_require_close_notify};
	struct transfer_plan mine = *plan;
	if (!s->quota.account)
		mine.reserved = UINT64_MAX;
	s->pump = pump_new(&s->worker->pumps, socket, tls, &mine, &terms, &calls, s);
	if (!s->pump) {
		s->result = (struct pump_result){
			.end = TRANSFER_FILE_ERROR, .error = -ENOMEM, .fd = -1};
		if (plan->kind == TRANSFER_RECEIVE)
			quota_settle(s, 0, true);
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

	if (s->closing)
		return;
	session_enter(s);
	ftp_session_job_runs(&s->ftp, bytes);
	session_settle(s);
}

static void
on_job_done(void *owner, const struct job_result *result)
{
	struct session *s = owner;

	s->job = NULL;
	if (result->copied)
		quota_settle(s, result->grown, result->sure);
	s->result.may_hang = true;
	if (s->closing) {
		ftp_session_job_done(&s->ftp, result->error, result->digest, result->fd);
		session_may_end(s);
		return;
	}
	session_enter(s);
	ftp_session_job_done(&s->ftp, result->error, result->digest, result->fd);
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

static void
world_log_change(struct ftp_session *ftp, const struct change_record *record)
{
	event_change(session_of(ftp), record);
}

const struct ftp_world session_world = {
	.reply = world_reply,
	.is_full = world_is_full,
	.hang_up = world_hang_up,
	.now = world_now,
	.delay = world_delay,
	.can_secure = world_can_secure,
	.secure = world_secure,
	.unsecure = world_unsecure,
	.ticket = world_ticket,
	.host = world_host,
	.required = world_required,
	.ask = world_ask,
	.tell = world_tell,
	.close = world_close,
	.reserve = world_reserve,
	.release = world_release,
	.ask_quota = world_ask_quota,
	.login = world_login,
	.login_certified = world_login_certified,
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
	.log_change = world_log_change,
};
