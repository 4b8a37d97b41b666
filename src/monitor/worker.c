/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The workers; see worker.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "agent.h"
#include "auth.h"
#include "hosts.h"
#include "ledger.h"
#include "listener.h"
#include "login.h"
#include "worker.h"

#define START_TIMEOUT_MS 30000
/* What a worker has beyond the time that it was given to drain. */
#define DRAIN_GRACE_MS 4000

static void start_later(struct worker *w);

static struct worker *
worker_of(struct peer *p)
{
	REQUIRE(p->class->role == WIRE_WORKER);
	return (struct worker *)p;
}

void
worker_forget_session(struct monitor *m, struct session *s)
{
	struct sockaddr_storage peer = endpoint_address(&s->peer);

	login_forget(m, s);
	admission_leave(&m->admission, &peer);
	m->workers[s->worker].sessions--;
	session_free(&m->sessions, &s);
}

void
worker_take_sessions(struct worker *w)
{
	if (w->takes_sessions)
		return;
	w->takes_sessions = true;
	LOG(INFO, "a worker serves", LOG_NUM("worker", w->index), LOG_NUM("pid", w->peer.pid));
	listeners_start(w->monitor);
}

static int
on_ready(struct peer *p, const struct message *msg)
{
	struct worker *w = worker_of(p);

	(void)msg;
	if (w->state != WORKER_STARTING)
		return -EPROTO;
	p->wire.phase = WIRE_SERVING;
	w->state = WORKER_SERVING;
	w->served = true;
	/* Its time to leave runs, and it may be gone already. */
	if (w->monitor->draining)
		return 0;
	peer_keep(p);
	ledger_connect(w);
	if (monitor_has_source(w->monitor, WORD_source_users))
		auth_connect(w);
	else
		worker_take_sessions(w);
	return 0;
}

static int
on_anonymous(struct peer *p, const struct message *msg)
{
	struct worker *w = worker_of(p);
	struct session *s = session_find_of(&w->monitor->sessions, msg->m_anonymous.session,
					    w->index);

	/* An attempt by PAM that failed may not be over for us yet. */
	if (!s || (s->state != SESSION_CONNECTED && s->state != SESSION_AUTHENTICATING))
		return -EPROTO;
	login_forget(w->monitor, s);
	login_anonymous(w->monitor, s);
	return 0;
}

static int
on_pam(struct peer *p, const struct message *msg)
{
	struct worker *w = worker_of(p);
	struct session *s = session_find_of(&w->monitor->sessions, msg->m_pam.session, w->index);
	struct message answer = {.id = MSG_W_PAM, .fd = -1};

	if (!s || (s->state != SESSION_CONNECTED && s->state != SESSION_AUTHENTICATING))
		return -EPROTO;
	login_forget(w->monitor, s);
	int r = auth_start_pam(w->monitor, s, &answer.fd);
	answer.w_pam.session = s->id;
	answer.w_pam.error = (uint32_t)-r;
	peer_send(p, &answer);
	fd_close(&answer.fd);
	return 0;
}

/* A socket for an active data connection, from the port that is ours alone to use.  Or a negative
 * errno. */
static int
active_socket(const struct monitor *m, const struct session *s)
{
	struct sockaddr_storage from = endpoint_address(&s->local);
	int on = 1;

	if (m->server->active_port == 0)
		return -EACCES;
	int fd = socket(from.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	address_set_port(&from, (uint16_t)m->server->active_port);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&from,
		 from.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					    : sizeof(struct sockaddr_in)) < 0) {
		int r = -errno;
		fd_close(&fd);
		return r;
	}
	return fd;
}

static int
on_active(struct peer *p, const struct message *msg)
{
	struct worker *w = worker_of(p);
	const struct session *s = session_find_of(&w->monitor->sessions, msg->m_active.session,
						  w->index);
	struct message answer = {.id = MSG_W_ACTIVE};

	if (!s || s->state != SESSION_LOGGED_IN)
		return -EPROTO;
	int fd = active_socket(w->monitor, s);
	answer.fd = fd < 0 ? -1 : fd;
	answer.w_active.session = s->id;
	answer.w_active.error = fd < 0 ? (uint32_t)-fd : 0;
	peer_send(p, &answer);
	fd_close(&answer.fd);
	return 0;
}

/* Also the end of an attempt at a login, so every state will do: it only takes away. */
static int
on_logout(struct peer *p, const struct message *msg)
{
	struct worker *w = worker_of(p);
	struct session *s = session_find_of(&w->monitor->sessions, msg->m_logout.session, w->index);

	if (!s)
		return -EPROTO;
	login_forget(w->monitor, s);
	return 0;
}

static int
on_ended(struct peer *p, const struct message *msg)
{
	struct worker *w = worker_of(p);
	struct session *s = session_find_of(&w->monitor->sessions, msg->m_ended.session, w->index);

	if (!s)
		return -EPROTO;
	worker_forget_session(w->monitor, s);
	return 0;
}

static int
on_host(struct peer *p, const struct message *msg)
{
	const struct worker *w = worker_of(p);

	return hosts_answered(w->monitor, w->index, &msg->m_host);
}

static const peer_handler handlers[MSG_COUNT] = {
	[MSG_M_READY] = on_ready, [MSG_M_HOST] = on_host,     [MSG_M_ANONYMOUS] = on_anonymous,
	[MSG_M_PAM] = on_pam,     [MSG_M_ACTIVE] = on_active, [MSG_M_LOGOUT] = on_logout,
	[MSG_M_ENDED] = on_ended,
};

static void
on_lost(struct peer *p)
{
	struct worker *w = worker_of(p);
	struct session *s, *next;

	w->state = WORKER_DOWN;
	w->takes_sessions = false;
	w->lost_sessions = w->sessions;
	HASH_ITER (hh, w->monitor->sessions.by_id, s, next)
		if (s->worker == w->index)
			worker_forget_session(w->monitor, s);
	agents_forget_worker(w->monitor, w->index);
}

static void
on_gone(struct peer *p, int status)
{
	struct worker *w = worker_of(p);
	struct monitor *m = w->monitor;

	if (m->draining) {
		monitor_check_drained(m);
		return;
	}
	LOG(ERROR, "a worker ended", LOG_NUM("worker", w->index),
	    LOG_NUM(WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
	    LOG_NUM("sessions", w->lost_sessions));
	if (!w->served) {
		/* It never worked, so it will not now: the daemon's start failed. */
		monitor_fail(m);
		return;
	}
	start_later(w);
}

static const struct peer_class worker_class = {"wharfd-worker", WIRE_WORKER, handlers, on_lost,
					       on_gone};

static int
send_start(struct worker *w)
{
	struct monitor *m = w->monitor;
	struct message msg = {.id = MSG_W_START, .fd = -1};
	struct buf blob = BUF_INIT;
	int r;

	settings_encode(m->server, &blob);
	msg.w_start = (struct w_start){.worker = (uint32_t)w->index,
				       .workers = (uint32_t)m->n_workers,
				       .as_root = m->as_root,
				       .uid = m->run_as.uid,
				       .gid = m->run_as.gid,
				       .settings = buf_slice(&blob)};
	r = buf_error(&blob) < 0 ? -ENOMEM : peer_send(&w->peer, &msg);
	buf_deinit(&blob);
	return r;
}

static int
send_listener(struct worker *w, size_t i)
{
	const struct conf_subject nobody = {.listener = i};
	struct message msg = {.id = MSG_W_LISTENER, .fd = -1};
	struct settings settings;
	struct buf blob = BUF_INIT;
	int r = conf_settings_for(w->monitor->conf, &nobody, &settings);

	if (r < 0)
		return r;
	settings_encode(&settings, &blob);
	msg.w_listener.listener = (uint32_t)i;
	msg.w_listener.settings = buf_slice(&blob);
	r = buf_error(&blob) < 0 ? -ENOMEM : peer_send(&w->peer, &msg);
	buf_deinit(&blob);
	settings_deinit(&settings);
	return r;
}

/* What is asked of single users before their password is. */
static int
send_users(struct worker *w)
{
	struct message msg = {.id = MSG_W_USER, .fd = -1};
	struct conf_requirement of;
	int r = 0;

	for (size_t i = 0; r == 0 && conf_next_requirement(w->monitor->conf, &i, &of);) {
		msg.w_user.user = slice_of(of.user);
		msg.w_user.require_tls = (uint8_t)of.require_tls;
		r = peer_send(&w->peer, &msg);
	}
	return r;
}

/* Everything that a worker has to know before it serves. */
static int
tell(struct worker *w)
{
	const struct monitor *m = w->monitor;
	int r = send_start(w);

	if (r == 0 && m->xferlog_fd >= 0)
		r = peer_send(&w->peer,
			      &(struct message){.id = MSG_W_XFERLOG, .fd = m->xferlog_fd});
	if (r == 0)
		r = ledger_start_worker(w);
	for (size_t i = 0; r == 0 && i < m->n_listeners; i++)
		r = send_listener(w, i);
	if (r == 0)
		r = hosts_start_worker(w->monitor, w->index);
	if (r == 0)
		r = send_users(w);
	if (r == 0)
		r = peer_send(&w->peer, &(struct message){.id = MSG_W_RUN, .fd = -1});
	return r;
}

static int
start(struct worker *w)
{
	struct monitor *m = w->monitor;
	int r = peer_start(&w->peer, &worker_class, m);

	retry_started(&w->retry, uv_now(&m->loop));
	if (r < 0)
		return r;
	w->state = WORKER_STARTING;
	peer_kill_after(&w->peer, START_TIMEOUT_MS);
	r = tell(w);
	/* A peer that can't be told what it is for is lost by its channel's end, or by the timer.
	 */
	if (r < 0)
		LOG(ERROR, "a worker cannot be told its settings", LOG_NUM("worker", w->index),
		    LOG_ERRNO(r));
	return 0;
}

static void
on_restart(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	if (!w->monitor->draining && start(w) < 0)
		start_later(w);
}

static void
start_later(struct worker *w)
{
	uv_timer_start(&w->restart, on_restart, retry_pause(&w->retry, uv_now(&w->monitor->loop)),
		       0);
}

int
workers_start(struct monitor *m)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n = m->server->workers ? (size_t)m->server->workers
		   : online > 0       ? (size_t)online
				      : 1;

	m->workers = calloc(n, sizeof(*m->workers));
	if (!m->workers)
		return -ENOMEM;
	for (m->n_workers = 0; m->n_workers < n; m->n_workers++) {
		struct worker *w = &m->workers[m->n_workers];
		w->monitor = m;
		w->index = m->n_workers;
		uv_timer_init(&m->loop, &w->restart);
		uv_timer_init(&m->loop, &w->users_restart);
		w->restart.data = w->users_restart.data = w;
	}
	for (size_t i = 0; i < n; i++) {
		int r = start(&m->workers[i]);
		if (r < 0)
			return r;
		if (monitor_has_source(m, WORD_source_users))
			auth_start_users(&m->workers[i]);
	}
	return 0;
}

void
workers_free(struct monitor *m)
{
	free(m->workers);
	m->workers = NULL;
	m->n_workers = 0;
}

void
workers_pass(struct monitor *m, enum message_id id, int fd)
{
	for (size_t i = 0; i < m->n_workers; i++)
		if (m->workers[i].state != WORKER_DOWN)
			peer_send(&m->workers[i].peer, &(struct message){.id = id, .fd = fd});
}

void
workers_drain(struct monitor *m, unsigned seconds)
{
	struct message msg = {.id = MSG_W_DRAIN, .fd = -1};

	msg.w_drain.seconds = seconds;
	for (size_t i = 0; i < m->n_workers; i++) {
		struct worker *w = &m->workers[i];
		uv_timer_stop(&w->restart);
		uv_timer_stop(&w->users_restart);
		if (w->state == WORKER_DOWN)
			continue;
		peer_send(&w->peer, &msg);
		peer_kill_after(&w->peer, seconds * 1000ULL + DRAIN_GRACE_MS);
	}
}

bool
workers_alive(const struct monitor *m)
{
	for (size_t i = 0; i < m->n_workers; i++)
		if (m->workers[i].state != WORKER_DOWN || m->workers[i].peer.pid)
			return true;
	return false;
}
