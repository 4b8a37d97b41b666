/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The worker and its link to the monitor; see worker.h. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "auth.h"
#include "control.h"
#include "data.h"
#include "session.h"

#define WORKER_MAGIC MAGIC('w', 'o', 'r', 'k')
#define POOL_THREADS 1024
/* How long jobs may take to end when the worker does. */
#define POOL_END_MS 2000

int
worker_init(struct worker *w)
{
	*w = (struct worker){.magic = WORKER_MAGIC, .xferlog = -1};
	SLIST_INIT(&w->listeners);
	TAILQ_INIT(&w->sessions);
	int r = uv_loop_init(&w->loop);
	if (r < 0)
		return r;
	w->pool = pool_new(&w->loop, POOL_THREADS);
	w->scratch = malloc(WORKER_SCRATCH);
	if (!w->pool || !w->scratch)
		return -ENOMEM;
	r = watcher_init(&w->watcher, &w->loop);
	if (r == 0)
		r = pumps_init(&w->pumps, &w->loop, &w->watcher, w->pool, &w->turns, &w->digests);
	if (r == 0)
		r = digests_init(&w->digests);
	deadlines_init(&w->deadlines, &w->loop, session_on_deadline);
	agents_init(&w->agents, w);
	ledger_init(&w->ledger, w);
	journal_init(&w->journal, &w->loop, &w->ledger);
	uv_timer_init(&w->loop, &w->drain_timer);
	w->drain_timer.data = w;
	return r;
}

int
worker_configure(struct worker *w, const struct settings *server)
{
	return turns_init(&w->turns, &w->loop, (unsigned)server->handshakes_per_worker,
			  &w->watcher.told);
}

int
worker_add_listener(struct worker *w, uint32_t id, struct slice settings)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->id = id;
	l->shared = shared_get(&w->settings, settings);
	if (!l->shared || ports_init(&l->ports, l->shared->settings.passive_ports) < 0) {
		shared_put(&l->shared);
		free(l);
		return -EBADMSG;
	}
	SLIST_INSERT_HEAD(&w->listeners, l, link);
	return 0;
}

void
worker_set_log(int fd)
{
	log_replace(fd);
	fd_close(&fd);
}

void
worker_set_xferlog(struct worker *w, int fd)
{
	fd_close(&w->xferlog);
	w->xferlog = fd;
}

struct session *
worker_find(struct worker *w, uint64_t session)
{
	struct session *s;

	LIST_FOREACH (s, &w->by_id[session % WORKER_ROWS], by_id)
		if (s->id == session)
			return s->closing ? NULL : s;
	return NULL;
}

static void
stop(struct worker *w, int status)
{
	w->status = status;
	uv_stop(&w->loop);
}

void
worker_tell(struct worker *w, const struct message *m)
{
	if (w->monitor_lost)
		return;
	int r = link_send(&w->monitor, m);
	if (r < 0) {
		LOG(ERROR, "the monitor can't be told", LOG_STR("message", message_name(m->id)),
		    LOG_ERRNO(r));
		w->monitor_lost = true;
		stop(w, 1);
	}
}

void
worker_add_session(struct worker *w, struct session *s)
{
	TAILQ_INSERT_TAIL(&w->sessions, s, link);
	LIST_INSERT_HEAD(&w->by_id[s->id % WORKER_ROWS], s, by_id);
}

/* The last session ends a worker that is drained. */
static void
stop_if_drained(struct worker *w)
{
	if (w->draining && TAILQ_EMPTY(&w->sessions))
		stop(w, 0);
}

void
worker_drop_session(struct worker *w, struct session *s)
{
	TAILQ_REMOVE(&w->sessions, s, link);
	LIST_REMOVE(s, by_id);
	stop_if_drained(w);
}

static void
on_auth(struct worker *w, struct message *m)
{
	auth_set_users(w, m->fd);
}

/* A host that was renewed. */
static void
on_host(struct worker *w, struct message *m)
{
	struct buf text = BUF_INIT;
	struct message answer;
	int r = hosts_take(&w->hosts, NULL, m, &answer, &text);

	if (r == HOSTS_ANSWER)
		worker_tell(w, &answer);
	else if (r < 0)
		LOG(ERROR, "a host was not understood", LOG_ERRNO(r));
	buf_deinit(&text);
}

static void
on_session(struct worker *w, struct message *m)
{
	uint64_t id = m->w_session.session;
	int r = session_new(w, m);

	if (r < 0) {
		struct message ended = {.id = MSG_M_ENDED, .fd = -1, .m_ended = {id}};
		LOG(WARNING, "a session could not begin", LOG_NUM("session", id), LOG_ERRNO(r));
		worker_tell(w, &ended);
	}
}

static void
on_pam(struct worker *w, struct message *m)
{
	struct session *s = worker_find(w, m->w_pam.session);

	if (s)
		auth_pam_channel(s, m->fd);
	else
		fd_close(&m->fd);
}

static void
on_agent(struct worker *w, struct message *m)
{
	int r = agents_add(&w->agents, m->w_agent.agent, m->fd);

	/* Without it the logins that name it are refused, one by one. */
	if (r < 0)
		LOG(ERROR, "an agent's channel could not be opened", LOG_ERRNO(r));
}

static void
on_login(struct worker *w, struct message *m)
{
	struct session *s = worker_find(w, m->w_login.session);

	if (s)
		auth_admitted(s, &m->w_login);
}

static void
on_refused(struct worker *w, struct message *m)
{
	struct session *s = worker_find(w, m->w_refused.session);
	uint8_t why = m->w_refused.why;

	if (s)
		auth_refused(s,
			     why <= REFUSED_RESOURCES ? (enum login_refusal)why : REFUSED_POLICY);
}

static void
on_ledger(struct worker *w, struct message *m)
{
	ledger_connect(&w->ledger, m->fd);
}

static void
on_active(struct worker *w, struct message *m)
{
	struct session *s = worker_find(w, m->w_active.session);
	bool is_last = s && s->active_asked == 1;

	if (s && s->active_asked > 0)
		s->active_asked--;
	/* An answer to an earlier question, which has been given up, is not this one's. */
	if (!is_last) {
		fd_close(&m->fd);
		return;
	}
	session_enter(s);
	data_active_socket(s, m->fd);
	session_settle(s);
}

static void
on_log(struct worker *w, struct message *m)
{
	(void)w;
	worker_set_log(m->fd);
}

static void
on_xferlog(struct worker *w, struct message *m)
{
	worker_set_xferlog(w, m->fd);
}

static void
end_sessions(struct worker *w, bool busy_too)
{
	struct session *s;

	TAILQ_FOREACH (s, &w->sessions, link) {
		if (s->closing || (!busy_too && ftp_session_is_busy(&s->ftp)))
			continue;
		if (s->ending) {
			control_update(s);
			continue;
		}
		session_enter(s);
		session_expire(s, 0, "The server ends, goodbye.");
		session_settle(s);
	}
}

static void
on_drained(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	REQUIRE(w->magic == WORKER_MAGIC);
	w->drained = true;
	end_sessions(w, true);
}

static void
on_drain(struct worker *w, struct message *m)
{
	w->draining = true;
	end_sessions(w, false);
	uv_timer_start(&w->drain_timer, on_drained, (uint64_t)m->w_drain.seconds * 1000, 0);
	stop_if_drained(w);
}

/* What the monitor may say while sessions are served; whether it may is the wire's matter. */
static void (*const handlers[MSG_COUNT])(struct worker *, struct message *) = {
	[MSG_W_AUTH] = on_auth,     [MSG_W_SESSION] = on_session, [MSG_W_PAM] = on_pam,
	[MSG_W_AGENT] = on_agent,   [MSG_W_LOGIN] = on_login,     [MSG_W_REFUSED] = on_refused,
	[MSG_W_ACTIVE] = on_active, [MSG_W_LOG] = on_log,         [MSG_W_XFERLOG] = on_xferlog,
	[MSG_W_DRAIN] = on_drain,   [MSG_W_HOST] = on_host,       [MSG_W_HOST_FILE] = on_host,
	[MSG_W_HOST_END] = on_host, [MSG_W_LEDGER] = on_ledger,
};

static void
on_message(struct link *l, struct message *m, bool fd_lost)
{
	struct worker *w = l->owner;
	bool is_answer = m->id == MSG_W_PAM || m->id == MSG_W_ACTIVE;

	REQUIRE(w->magic == WORKER_MAGIC);
	if (fd_lost && !is_answer) {
		LOG(ERROR, "out of descriptors", LOG_STR("message", message_name(m->id)));
		if (m->id == MSG_W_SESSION) {
			struct message ended = {
				.id = MSG_M_ENDED, .fd = -1, .m_ended = {m->w_session.session}};
			worker_tell(w, &ended);
		}
		return;
	}
	if (!handlers[m->id]) {
		l->calls->ended(l, -EPROTO);
		return;
	}
	handlers[m->id](w, m);
}

static void
on_ended(struct link *l, int reason)
{
	struct worker *w = l->owner;

	if (reason == -EPROTO)
		LOG(ERROR, "the monitor broke the rules");
	else if (reason != -EPIPE)
		LOG(ERROR, "the monitor can't be told", LOG_ERRNO(reason));
	w->monitor_lost = true;
	link_close(l);
	stop(w, reason != -EPIPE);
}

static void
on_closed(struct link *l)
{
	(void)l;
}

static const struct link_calls calls = {on_message, on_ended, on_closed};

static void
close_everything(struct worker *w)
{
	struct session *s;

	w->monitor_lost = true;
	TAILQ_FOREACH (s, &w->sessions, link)
		session_close(s);
	pumps_close(&w->pumps);
	agents_close(&w->agents);
	TAILQ_FOREACH (s, &w->sessions, link)
		session_abandon(s);
	journal_close(&w->journal);
	ledger_close(&w->ledger);
	if (w->users)
		link_close(w->users);
	w->users = NULL;
	link_close(&w->monitor);
	uv_close((uv_handle_t *)&w->drain_timer, NULL);
	turns_close(&w->turns);
	watcher_close(&w->watcher);
	/* Sessions that have ended go in a turn of the loop. */
	uv_run(&w->loop, UV_RUN_NOWAIT);
	deadlines_close(&w->deadlines);
}

static void
free_everything(struct worker *w)
{
	struct listener *l;

	while ((l = SLIST_FIRST(&w->listeners))) {
		SLIST_REMOVE_HEAD(&w->listeners, link);
		ports_deinit(&l->ports);
		shared_put(&l->shared);
		free(l);
	}
	shared_rest(&w->settings);
	deadlines_deinit(&w->deadlines);
	agents_deinit(&w->agents);
	pumps_deinit(&w->pumps);
	digests_deinit(&w->digests);
	hosts_deinit(&w->hosts);
	rules_deinit(&w->rules);
	free(w->scratch);
	fd_close(&w->xferlog);
}

int
worker_run(struct worker *w, const struct wire *monitor)
{
	struct message ready = {.id = MSG_M_READY, .fd = -1};

	int r = link_init(&w->monitor, &w->loop, monitor, &calls, w);
	if (r < 0)
		return 1;
	worker_tell(w, &ready);
	w->monitor.wire.phase = WIRE_SERVING;
	if (!w->monitor_lost)
		uv_run(&w->loop, UV_RUN_DEFAULT);
	close_everything(w);
	if (pool_free(w->pool, POOL_END_MS) < 0) {
		/* Threads that hang in a dead disk still use what would be freed. */
		_exit(w->status);
	}
	uv_run(&w->loop, UV_RUN_DEFAULT);
	r = uv_loop_close(&w->loop);
	REQUIRE(r == 0);
	free_everything(w);
	/* Nothing points to what was forgotten, so that a leak checker sees it. */
	int status = w->status;
	*w = (struct worker){.magic = 0};
	return status;
}
