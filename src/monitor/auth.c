/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The processes that check passwords; see auth.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "auth.h"
#include "listener.h"
#include "login.h"
#include "peer.h"
#include "worker.h"

#define START_TIMEOUT_MS 30000
/* A PAM session may take its time to close. */
#define LEAVE_MS 10000
#define WATCH_MS 1000

struct auth {
	struct peer peer; /* first: an auth process is one */
	struct monitor *monitor;
	enum word_source source;
	size_t worker;
	uint64_t session; /* of PAM */
	bool ready;
	struct auth *prev, *next;
};

static struct auth *
auth_of(struct peer *p)
{
	REQUIRE(p->class->role == WIRE_AUTH);
	return (struct auth *)p;
}

static int
on_ready(struct peer *p, const struct message *msg)
{
	struct auth *a = auth_of(p);

	(void)msg;
	a->ready = true;
	p->wire.phase = WIRE_SERVING;
	if (a->source == WORD_source_users) {
		peer_keep(p);
		auth_connect(&a->monitor->workers[a->worker]);
	}
	return 0;
}

/*
 * The session that a message of an auth process is about.  NULL is no breach: the client may have
 * left meanwhile.  The process can speak for its own worker's sessions only, and one for PAM for a
 * single one.
 */
static struct session *
session_of(const struct auth *a, uint64_t id)
{
	struct session *s = session_find_of(&a->monitor->sessions, id, a->worker);

	if (!s)
		return NULL;
	if (a->source == WORD_source_pam)
		return s->auth == a && s->state == SESSION_AUTHENTICATING ? s : NULL;
	/* An attempt by PAM before this one may not be over for us yet. */
	return s->state == SESSION_CONNECTED || s->state == SESSION_AUTHENTICATING ? s : NULL;
}

static int
on_identity(struct peer *p, const struct message *msg)
{
	struct auth *a = auth_of(p);
	const struct i_identity *i = &msg->i_identity;
	struct session *s = session_of(a, i->session);
	const struct login_claim claim = {.source = a->source,
					  .user = i->user,
					  .uid = i->uid,
					  .gid = i->gid,
					  .groups = i->groups,
					  .group_names = i->group_names,
					  .home = i->home,
					  .root = i->root,
					  .narrowed = i->narrowed != 0,
					  .rights = i->rights};

	if (a->source == WORD_source_pam && i->session != a->session)
		return -EPROTO;
	if (!s)
		return 0;
	peer_keep(p);
	if (a->source == WORD_source_users)
		auth_leave(s);
	bool holds = a->source == WORD_source_pam && a->monitor->server->pam_session;
	login_identified(a->monitor, s, &claim, holds ? a : NULL);
	if (a->source == WORD_source_pam && !holds)
		auth_leave(s);
	return 0;
}

static int
on_failed(struct peer *p, const struct message *msg)
{
	struct auth *a = auth_of(p);
	const struct session *s = session_of(a, msg->i_failed.session);

	if (s) {
		struct sockaddr_storage peer = endpoint_address(&s->peer);
		admission_failed(&a->monitor->admission, &peer, uv_now(&a->monitor->loop));
	}
	return 0;
}

static const peer_handler handlers[MSG_COUNT] = {
	[MSG_I_READY] = on_ready,
	[MSG_I_IDENTITY] = on_identity,
	[MSG_I_FAILED] = on_failed,
};

/* Takes the process out of the tables. */
static void
forget(struct auth *a)
{
	struct worker *w = &a->monitor->workers[a->worker];
	struct session *s = session_find(&a->monitor->sessions, a->session);

	DL_DELETE(a->monitor->auths, a);
	if (w->users == a)
		w->users = NULL;
	if (s && s->auth == a) {
		s->auth = NULL;
		if (s->state == SESSION_AUTHENTICATING)
			s->state = SESSION_CONNECTED;
	}
}

static void
on_lost(struct peer *p)
{
	forget(auth_of(p));
}

static void
on_users_restart(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	if (!w->monitor->draining)
		auth_start_users(w);
}

static void
start_users_later(struct worker *w)
{
	uv_timer_start(&w->users_restart, on_users_restart,
		       retry_pause(&w->users_retry, uv_now(&w->monitor->loop)), 0);
}

static void
on_gone(struct peer *p, int status)
{
	struct auth *a = auth_of(p);
	struct worker *w = &a->monitor->workers[a->worker];
	bool odd = a->source == WORD_source_users || WIFSIGNALED(status) || WEXITSTATUS(status);

	if (odd && !a->monitor->draining)
		LOG(WARNING, "an auth process ended",
		    LOG_STR("source", a->source == WORD_source_users ? "users" : "pam"),
		    LOG_NUM(WIFSIGNALED(status) ? "signal" : "status",
			    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
	if (a->source == WORD_source_users && !a->monitor->draining)
		start_users_later(w);
	free(a);
}

static const struct peer_class auth_class = {"wharfd-auth", WIRE_AUTH, handlers, on_lost, on_gone};

/* A process that was told what it is for, or NULL. */
static struct auth *
new_auth(struct worker *w, enum word_source source, const struct session *s)
{
	struct monitor *m = w->monitor;
	struct message msg = {.id = MSG_A_START, .fd = -1};
	struct buf blob = BUF_INIT;
	struct auth *a = calloc(1, sizeof(*a));

	if (!a || peer_start(&a->peer, &auth_class, m) < 0) {
		free(a);
		return NULL;
	}
	a->monitor = m;
	a->source = source;
	a->worker = w->index;
	a->session = s ? s->id : 0;
	DL_APPEND(m->auths, a);
	settings_encode(m->server, &blob);
	msg.a_start = (struct a_start){.source = (uint8_t)source,
				       .session = a->session,
				       .as_root = m->as_root,
				       .uid = m->run_as.uid,
				       .gid = m->run_as.gid,
				       .settings = buf_slice(&blob)};
	if (s)
		msg.a_start.peer = endpoint_address(&s->peer);
	peer_send(&a->peer, &msg);
	buf_deinit(&blob);
	return a;
}

int
auth_open_users(const char *path, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	*why = NULL;
	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = -errno;
		fd_close(&fd);
		return r;
	}
	if (!S_ISREG(st.st_mode))
		*why = "it is no regular file";
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		*why = "its owner is neither root nor who runs wharfd";
	else if (st.st_mode & 077)
		*why = "its mode lets others than its owner at it";
	if (!*why)
		return fd;
	fd_close(&fd);
	return -EPERM;
}

static int
open_users(const struct monitor *m)
{
	const char *path = m->server->users_file, *why;
	int fd = auth_open_users(path, &why);

	if (why)
		LOG(ERROR, "the users file is not used", LOG_STR("file", path),
		    LOG_STR("why", why));
	else if (fd < 0)
		LOG(ERROR, "the users file cannot be read", LOG_STR("file", path), LOG_ERRNO(fd));
	return fd;
}

/* Each process has an open file of its own: they share no offset. */
static void
send_users(struct auth *a)
{
	struct message msg = {.id = MSG_A_USERS, .fd = open_users(a->monitor)};

	if (msg.fd >= 0)
		peer_send(&a->peer, &msg);
	fd_close(&msg.fd);
}

void
auth_start_users(struct worker *w)
{
	retry_started(&w->users_retry, uv_now(&w->monitor->loop));
	w->users = new_auth(w, WORD_source_users, NULL);
	if (!w->users) {
		start_users_later(w);
		return;
	}
	peer_kill_after(&w->users->peer, START_TIMEOUT_MS);
	send_users(w->users);
}

/* A channel between an auth process and a worker: tells the one, and hands the other's end back. */
static int
make_channel(struct auth *a, int *workers_end)
{
	struct message msg = {.id = MSG_A_CHANNEL};
	int pair[2];
	int r = fd_seqpacket_pair(pair);

	*workers_end = -1;
	if (r < 0)
		return r;
	msg.fd = pair[0];
	msg.a_channel.worker = (uint32_t)a->worker;
	r = peer_send(&a->peer, &msg);
	fd_close(&pair[0]);
	if (r < 0)
		fd_close(&pair[1]);
	*workers_end = pair[1];
	return r;
}

void
auth_connect(struct worker *w)
{
	struct message msg = {.id = MSG_W_AUTH};
	int r;

	if (w->monitor->draining || !worker_is_ready(w) || !w->users || !w->users->ready)
		return;
	r = make_channel(w->users, &msg.fd);
	msg.w_auth.source = WORD_source_users;
	if (r == 0)
		r = peer_send(&w->peer, &msg);
	if (r < 0)
		LOG(ERROR, "a worker cannot be joined to its auth process",
		    LOG_NUM("worker", w->index), LOG_ERRNO(r));
	else
		worker_take_sessions(w);
	fd_close(&msg.fd);
}

static void
on_watch(uv_timer_t *timer)
{
	struct monitor *m = timer->data;
	struct stat st;
	struct users_stamp now = {0};

	if (lstat(m->server->users_file, &st) == 0)
		now = (struct users_stamp){true, st.st_ino, (uint64_t)st.st_size, st.st_ctim.tv_sec,
					   st.st_ctim.tv_nsec};
	struct users_stamp *old = &m->users_stamp;
	if (now.known == old->known && now.ino == old->ino && now.size == old->size &&
	    now.seconds == old->seconds && now.nanoseconds == old->nanoseconds)
		return;
	*old = now;
	LOG(INFO, "the users file changed", LOG_STR("file", m->server->users_file));
	for (size_t i = 0; i < m->n_workers; i++)
		if (m->workers[i].users)
			send_users(m->workers[i].users);
}

void
auth_watch_users(struct monitor *m)
{
	struct stat st;

	if (lstat(m->server->users_file, &st) == 0)
		m->users_stamp = (struct users_stamp){true, st.st_ino, (uint64_t)st.st_size,
						      st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
	uv_timer_start(&m->users_watch, on_watch, WATCH_MS, WATCH_MS);
}

int
auth_start_pam(struct monitor *m, struct session *s, int *fd)
{
	struct auth *a;

	if (!monitor_has_source(m, WORD_source_pam))
		return -EACCES;
	a = new_auth(&m->workers[s->worker], WORD_source_pam, s);
	if (!a)
		return -EAGAIN;
	s->auth = a;
	s->state = SESSION_AUTHENTICATING;
	/* The process measures pam_timeout itself; this is for one that does not. */
	peer_kill_after(&a->peer, (m->server->pam_timeout + s->login_timeout) * 1000);
	int r = make_channel(a, fd);
	if (r < 0)
		auth_leave(s);
	return r;
}

int
auth_start_agent(struct auth *a)
{
	struct message msg = {.id = MSG_A_AGENT};
	int pair[2];
	int r = fd_seqpacket_pair(pair);

	if (r < 0)
		return r;
	msg.fd = pair[1];
	r = peer_send(&a->peer, &msg);
	fd_close(&pair[1]);
	if (r < 0)
		fd_close(&pair[0]);
	return r < 0 ? r : pair[0];
}

static void
end(struct auth *a)
{
	forget(a);
	peer_end(&a->peer, LEAVE_MS);
}

void
auth_leave(struct session *s)
{
	if (s->auth)
		end(s->auth);
}

void
auths_pass_log(struct monitor *m, int fd)
{
	struct auth *a;

	DL_FOREACH (m->auths, a)
		peer_send(&a->peer, &(struct message){.id = MSG_A_LOG, .fd = fd});
}

void
auths_end(struct monitor *m)
{
	struct auth *a, *next;

	DL_FOREACH_SAFE(m->auths, a, next)
	end(a);
}
