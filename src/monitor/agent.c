/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The agents; see agent.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <utlist.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "agent.h"
#include "auth.h"
#include "login.h"
#include "peer.h"
#include "sweep.h"
#include "worker.h"

#define START_TIMEOUT_MS 10000
/* An agent without sessions stays so long: the next connection of the same client comes soon. */
#define IDLE_MS 10000
/* How long one may sweep that was started for that: a tree of millions of files on a cold disk. */
#define SWEEP_MS 3600000
/* How long one has to leave once its channel is closed. */
#define LEAVE_MS 3000

struct agent {
	struct peer peer; /* first: an agent is one */
	struct monitor *monitor;
	uint32_t id;
	bool shared, ready;
	bool sweeping;       /* it was started for that, and has no sessions */
	struct buf key;      /* all of its identity */
	struct buf settings; /* its identity's, encoded: for each W_LOGIN */
	struct root root;
	uint64_t staged; /* what of its root's staged it has swept */
	bool *channels;  /* by worker: it has one to this agent */
	struct session *sessions;
	uv_timer_t idle;
	bool idle_closed, is_gone;
	struct agent *prev, *next; /* of all */
	UT_hash_handle hh;         /* of the shared ones */
};

static struct agent *
agent_of(struct peer *p)
{
	REQUIRE(p->class->role == WIRE_AGENT);
	return (struct agent *)p;
}

static void
free_agent(struct agent *a)
{
	if (!a->idle_closed || !a->is_gone)
		return;
	buf_deinit(&a->key);
	buf_deinit(&a->settings);
	root_deinit(&a->root);
	free(a->channels);
	free(a);
}

static void
on_idle_closed(uv_handle_t *handle)
{
	struct agent *a = handle->data;

	a->idle_closed = true;
	free_agent(a);
}

/* Takes it out of the tables: nobody finds it any more.  Its sessions were sent away before. */
static void
forget(struct agent *a)
{
	if (a->shared)
		HASH_DEL(a->monitor->shared_agents, a);
	DL_DELETE(a->monitor->agents, a);
	uv_close((uv_handle_t *)&a->idle, on_idle_closed);
}

static void
end(struct agent *a)
{
	forget(a);
	peer_end(&a->peer, LEAVE_MS);
}

static void
on_idle(uv_timer_t *timer)
{
	end(timer->data);
}

/* Those that still wait are refused; those that are logged in hear of it by their worker's own
 * channel. */
static void
send_away(struct agent *a, enum login_refusal why)
{
	struct session *s, *next;

	DL_FOREACH_SAFE(a->sessions, s, next)
	{
		/* NOLINTNEXTLINE(clang-analyzer-*): the analyser loses its way in utlist. */
		DL_DELETE(a->sessions, s);
		s->agent = NULL;
		if (s->state == SESSION_IDENTIFIED)
			login_refuse(a->monitor, s, why);
	}
}

/* Makes a channel between the agent and a worker, once. */
static int
connect_worker(struct agent *a, struct worker *w)
{
	struct message to_agent = {.id = MSG_G_CHANNEL};
	struct message to_worker = {.id = MSG_W_AGENT};
	int pair[2];
	int r;

	if (a->channels[w->index])
		return 0;
	r = fd_seqpacket_pair(pair);
	if (r < 0)
		return r;
	to_agent.fd = pair[0];
	to_agent.g_channel.worker = (uint32_t)w->index;
	to_worker.fd = pair[1];
	to_worker.w_agent.agent = a->id;
	r = peer_send(&a->peer, &to_agent);
	if (r == 0)
		r = peer_send(&w->peer, &to_worker);
	a->channels[w->index] = r == 0;
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	return r;
}

/* The agent is ready for this session: its worker may serve it. */
static void
deliver(struct agent *a, struct session *s)
{
	struct worker *w = &a->monitor->workers[s->worker];
	struct message msg = {.id = MSG_W_LOGIN, .fd = -1};
	int r = connect_worker(a, w);

	msg.w_login.session = s->id;
	msg.w_login.agent = a->id;
	msg.w_login.user = slice_of(s->user);
	msg.w_login.settings = buf_slice(&a->settings);
	if (r == 0)
		r = peer_send(&w->peer, &msg);
	if (r < 0) {
		/* A worker that drains may have ended it, and itself. */
		if (!a->monitor->draining)
			LOG(ERROR, "a login cannot be told to its worker",
			    LOG_NUM("session", s->id), LOG_ERRNO(r));
		login_refuse(a->monitor, s, REFUSED_RESOURCES);
		return;
	}
	s->state = SESSION_LOGGED_IN;
}

static int
on_ready(struct peer *p, const struct message *msg)
{
	struct agent *a = agent_of(p);
	struct session *s, *next;

	peer_keep(p);
	if (msg->r_ready.error) {
		LOG(WARNING, "an agent cannot enter its jail", LOG_NUM("agent", a->id),
		    LOG_BYTES("step", msg->r_ready.what), LOG_ERRNO(-(int)msg->r_ready.error));
		sweeps_failed(a->monitor, &a->root.owner, -(int)msg->r_ready.error,
			      msg->r_ready.what);
		send_away(a, REFUSED_ROOT_FOLDER);
		end(a);
		return 0;
	}
	p->wire.phase = WIRE_SERVING;
	a->ready = true;
	if (a->sweeping)
		uv_timer_start(&a->idle, on_idle, SWEEP_MS, 0);
	DL_FOREACH_SAFE(a->sessions, s, next)
	deliver(a, s);
	return 0;
}

static int
on_stages(struct peer *p, const struct message *msg)
{
	const struct agent *a = agent_of(p);

	(void)msg;
	sweeps_expect(a->monitor, &a->root.owner);
	return 0;
}

static int
on_swept(struct peer *p, const struct message *msg)
{
	struct agent *a = agent_of(p);

	a->staged = sweeps_done(a->monitor, &a->root.owner, a->staged, &msg->r_swept);
	if (a->sweeping)
		end(a);
	return 0;
}

static const peer_handler handlers[MSG_COUNT] = {
	[MSG_R_READY] = on_ready,
	[MSG_R_STAGES] = on_stages,
	[MSG_R_SWEPT] = on_swept,
};

static void
on_lost(struct peer *p)
{
	struct agent *a = agent_of(p);

	if (!a->monitor->draining)
		LOG(WARNING, "an agent ended", LOG_NUM("agent", a->id), LOG_NUM("pid", p->pid));
	send_away(a, REFUSED_RESOURCES);
	forget(a);
}

static void
on_gone(struct peer *p, int status)
{
	struct agent *a = agent_of(p);

	if (WIFSIGNALED(status) && !a->monitor->draining)
		LOG(WARNING, "an agent was killed", LOG_NUM("agent", a->id),
		    LOG_NUM("signal", WTERMSIG(status)));
	a->is_gone = true;
	free_agent(a);
}

static const struct peer_class agent_class = {"wharfd-agent", WIRE_AGENT, handlers, on_lost,
					      on_gone};

void
agent_leave(struct session *s)
{
	struct agent *a = s->agent;

	if (!a)
		return;
	DL_DELETE(a->sessions, s);
	s->agent = NULL;
	if (a->sessions)
		return;
	if (a->shared)
		uv_timer_start(&a->idle, on_idle, IDLE_MS, 0);
	else
		end(a);
}

/* The settings, and the owner but for the names of his groups, which make no other agent. */
static void
make_key(const struct agent_identity *who, struct buf *key)
{
	const struct root_owner *o = &who->owner;
	const struct slice parts[] = {o->user, o->groups, o->folder, who->settings};

	buf_add(key, &o->uid, sizeof(o->uid));
	buf_add(key, &o->gid, sizeof(o->gid));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		buf_add(key, &parts[i].n, sizeof(parts[i].n));
		buf_add_slice(key, parts[i]);
	}
}

/* Starts the process, or lets the holder start it, and tells it who to be. */
static int
start(struct agent *a, const struct agent_identity *who, struct auth *holder)
{
	struct message msg = {.id = MSG_G_START, .fd = -1};
	int fd;
	int r;

	if (holder) {
		fd = auth_start_agent(holder);
		r = fd < 0 ? fd : peer_adopt(&a->peer, &agent_class, a->monitor, fd);
	} else {
		r = peer_start(&a->peer, &agent_class, a->monitor);
	}
	if (r < 0)
		return r;
	uv_timer_init(&a->monitor->loop, &a->idle);
	a->idle.data = a;
	peer_kill_after(&a->peer, START_TIMEOUT_MS);
	msg.g_start = (struct g_start){.as_root = a->monitor->as_root,
				       .user = who->owner.user,
				       .uid = who->owner.uid,
				       .gid = who->owner.gid,
				       .groups = who->owner.groups,
				       .root = who->owner.folder,
				       .settings = who->settings,
				       .key = sweeps_key(a->monitor),
				       .sweep = sweeps_begin(a->monitor, &who->owner, &a->staged)};
	/* What could not be told ends by the timer, or by the end of the channel. */
	peer_send(&a->peer, &msg);
	return 0;
}

/* One that nobody finds yet but by the list of all. */
static struct agent *
new_agent(struct monitor *m, const struct agent_identity *who, struct auth *holder)
{
	struct agent *a = calloc(1, sizeof(*a));
	bool *channels = calloc(m->n_workers, sizeof(*channels));

	if (!a || !channels)
		goto fail;
	a->monitor = m;
	a->channels = channels;
	if (root_init(&a->root, &who->owner) < 0)
		goto fail;
	buf_add_slice(&a->settings, who->settings);
	if (buf_error(&a->settings) < 0 || start(a, who, holder) < 0)
		goto fail_root;
	a->id = ++m->last_agent;
	DL_APPEND(m->agents, a);
	return a;
fail_root:
	buf_deinit(&a->settings);
	root_deinit(&a->root);
fail:
	free(channels);
	free(a);
	return NULL;
}

static void
share(struct agent *a, struct buf *key)
{
	a->key = *key;
	*key = BUF_INIT;
	a->shared = true;
	HASH_ADD_KEYPTR(hh, a->monitor->shared_agents, a->key.data, a->key.len, a);
}

int
agent_assign(struct monitor *m, struct session *s, const struct agent_identity *who,
	     struct auth *holder)
{
	struct buf key = BUF_INIT;
	struct agent *a = NULL;

	make_key(who, &key);
	if (buf_error(&key) < 0)
		return -ENOMEM;
	if (!holder)
		HASH_FIND(hh, m->shared_agents, key.data, key.len, a);
	if (!a) {
		a = new_agent(m, who, holder);
		if (a && !holder)
			share(a, &key);
	}
	buf_deinit(&key);
	if (!a)
		return -EAGAIN;
	uv_timer_stop(&a->idle);
	DL_APPEND(a->sessions, s);
	s->agent = a;
	if (a->ready)
		deliver(a, s);
	return 0;
}

int
agent_sweep(struct monitor *m, const struct agent_identity *who)
{
	struct agent *a = new_agent(m, who, NULL);

	if (!a)
		return -EAGAIN;
	a->sweeping = true;
	return 0;
}

size_t
agents_sweeping(const struct monitor *m)
{
	const struct agent *a;
	size_t n = 0;

	DL_FOREACH (m->agents, a)
		n += a->sweeping;
	return n;
}

bool
agents_serve(const struct monitor *m, const struct root_owner *owner)
{
	const struct agent *a;

	DL_FOREACH (m->agents, a)
		if (root_owner_same(&a->root.owner, owner))
			return true;
	return false;
}

void
agents_forget_worker(struct monitor *m, size_t worker)
{
	struct agent *a;

	DL_FOREACH (m->agents, a)
		a->channels[worker] = false;
}

void
agents_pass_log(struct monitor *m, int fd)
{
	struct agent *a;

	DL_FOREACH (m->agents, a)
		peer_send(&a->peer, &(struct message){.id = MSG_G_LOG, .fd = fd});
}

void
agents_end(struct monitor *m)
{
	struct agent *a, *next;

	DL_FOREACH_SAFE(m->agents, a, next)
	{
		send_away(a, REFUSED_RESOURCES);
		end(a);
	}
}
