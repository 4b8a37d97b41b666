/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Logins; see auth.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "auth.h"

#define CHANNEL_MAGIC MAGIC('a', 'u', 't', 'h')

/* A channel to an auth process: of one session (PAM), or the standing one. */
struct channel {
	uint32_t magic;
	struct link link;
	struct worker *worker;
	struct session *session; /* NULL: the standing one, or one that is closed */
};

/* An attempt, and what must stay of it while the user is logged in. */
struct login {
	enum word_source source;
	enum login_proof proof;
	bool waits;    /* for a verdict */
	bool right;    /* the verdict was AUTH_OK */
	bool admitted; /* the monitor's answer came before it */
	bool refused;
	enum login_refusal why;
	uint32_t agent;
	struct buf user,
		settings;  /* of that answer; or for PAM the name, until there is a channel */
	struct buf secret; /* for PAM, until there is a channel */
	struct channel *pam;
};

static void
close_channel(struct channel **c)
{
	if (*c) {
		(*c)->session = NULL;
		link_close(&(*c)->link);
	}
	*c = NULL;
}

void
auth_close(struct session *s)
{
	struct login *l = s->login;

	s->login = NULL;
	if (!l)
		return;
	close_channel(&l->pam);
	buf_wipe(&l->secret);
	buf_deinit(&l->user);
	buf_deinit(&l->settings);
	free(l);
}

void
auth_logout(struct session *s)
{
	struct message m = {.id = MSG_M_LOGOUT, .fd = -1, .m_logout = {s->id}};

	if (s->agent || (s->login && s->login->admitted))
		worker_tell(s->worker, &m);
	auth_close(s);
	if (ftp_session_is_logged_in(&s->ftp))
		s->login_since = uv_now(&s->worker->loop);
	agent_of_session(s, NULL);
	quota_logout(s);
	s->anonymous = false;
	s->ftp.settings = session_settings(s);
	shared_put(&s->shared);
}

static void
judge(struct session *s, enum auth_verdict verdict, struct slice text)
{
	struct login *l = s->login;

	if (!l || !l->waits)
		return;
	l->waits = false;
	l->right = verdict == AUTH_OK;
	session_enter(s);
	if (verdict != AUTH_OK)
		close_channel(&l->pam);
	ftp_session_judged(&s->ftp, verdict, text);
	l = s->login;
	if (verdict == AUTH_OK && l && l->refused) {
		enum login_refusal why = l->why;
		auth_close(s);
		ftp_session_refused(&s->ftp, why);
	}
	session_settle(s);
	l = s->login;
	if (verdict == AUTH_OK && l && l->admitted && !s->closing) {
		struct w_login m = {s->id, l->agent, buf_slice(&l->user), buf_slice(&l->settings)};
		l->admitted = false;
		auth_admitted(s, &m);
	}
}

static struct session *
session_of_message(struct channel *c, uint64_t id)
{
	struct session *s = c->session ? c->session : worker_find(c->worker, id);
	enum word_source source = c->session ? WORD_source_pam : WORD_source_users;

	return s && s->id == id && !s->closing && s->login && s->login->source == source ? s : NULL;
}

static void
on_message(struct link *link, struct message *m, bool fd_lost)
{
	struct channel *c = link->owner;

	REQUIRE(c->magic == CHANNEL_MAGIC);
	(void)fd_lost;
	struct session *s = session_of_message(c, m->id == MSG_L_PROMPT ? m->l_prompt.session
									: m->l_result.session);
	if (!s)
		return;
	if (m->id == MSG_L_RESULT) {
		judge(s,
		      m->l_result.verdict <= AUTH_UNKNOWN ? (enum auth_verdict)m->l_result.verdict
							  : AUTH_NO,
		      m->l_result.text);
	} else if (s->login->waits) {
		session_enter(s);
		ftp_session_prompted(&s->ftp, m->l_prompt.text);
		session_settle(s);
	}
}

/* Its source can't tell any more: that is no verdict, and so does not count as a failure. */
static void
give_up(struct session *s)
{
	if (!s->login || !s->login->waits)
		return;
	session_enter(s);
	auth_logout(s);
	ftp_session_refused(&s->ftp, REFUSED_RESOURCES);
	session_settle(s);
}

static void
on_ended(struct link *link, int reason)
{
	struct channel *c = link->owner;
	struct session *s = c->session;

	REQUIRE(c->magic == CHANNEL_MAGIC);
	if (reason == -EPROTO)
		LOG(WARNING, "an auth process broke the rules");
	if (s) {
		close_channel(&s->login->pam);
		give_up(s);
		return;
	}
	link_close(link);
	if (c->worker->users != link)
		return;
	c->worker->users = NULL;
	TAILQ_FOREACH (s, &c->worker->sessions, link)
		if (s->login && s->login->source == WORD_source_users && !s->closing)
			give_up(s);
}

static void
on_closed(struct link *link)
{
	free(link->owner);
}

static const struct link_calls calls = {on_message, on_ended, on_closed};

/* Takes over fd.  NULL: out of something, and fd is closed. */
static struct channel *
open_channel(struct worker *w, struct session *s, int fd)
{
	struct channel *c = calloc(1, sizeof(*c));
	struct wire wire;

	if (!c) {
		fd_close(&fd);
		return NULL;
	}
	c->magic = CHANNEL_MAGIC;
	c->worker = w;
	c->session = s;
	wire_init(&wire, fd, WIRE_WORKER, WIRE_AUTH);
	wire.phase = WIRE_SERVING;
	if (link_init(&c->link, &w->loop, &wire, &calls, c) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

void
auth_set_users(struct worker *w, int fd)
{
	struct channel *c = open_channel(w, NULL, fd);

	if (w->users)
		on_ended(w->users, -EPIPE);
	w->users = c ? &c->link : NULL;
}

/* Sends A_LOGIN. */
static void
send_login(struct session *s, struct link *link, struct slice user, struct slice secret)
{
	struct message m = {.id = MSG_A_LOGIN,
			    .fd = -1,
			    .a_login = {s->id, user, (uint8_t)s->login->proof, secret}};

	if (!link || link_send_secret(link, &m) < 0)
		session_due(s, DUE_REFUSED, REFUSED_RESOURCES);
}

/* The name and the secret wait for the channel. */
static void
ask_for_pam(struct session *s, struct slice user, struct slice secret)
{
	struct message m = {.id = MSG_M_PAM, .fd = -1, .m_pam = {s->id}};
	struct login *l = s->login;

	buf_add_slice(&l->user, user);
	/* One byte more tells an empty secret from none. */
	if (secret.p && buf_reserve(&l->secret, secret.n + 1) == 0)
		buf_add_slice(&l->secret, secret);
	if (buf_error(&l->user) < 0 || (secret.p && !l->secret.data)) {
		session_due(s, DUE_REFUSED, REFUSED_RESOURCES);
		return;
	}
	s->pam_asked++;
	worker_tell(s->worker, &m);
}

static void
begin(struct session *s, enum word_source source, struct slice user, enum login_proof proof,
      struct slice secret)
{
	struct message m = {.id = MSG_M_ANONYMOUS, .fd = -1, .m_anonymous = {s->id, user}};

	auth_close(s);
	struct login *l = s->login = calloc(1, sizeof(*l));
	if (!l) {
		session_due(s, DUE_REFUSED, REFUSED_RESOURCES);
		return;
	}
	l->source = source;
	l->proof = proof;
	l->waits = source != WORD_source_anonymous;
	if (source == WORD_source_anonymous) {
		s->anonymous_asked++;
		worker_tell(s->worker, &m);
	} else if (source == WORD_source_pam) {
		ask_for_pam(s, user, secret);
	} else {
		send_login(s, s->worker->users, user, secret);
	}
}

void
auth_login(struct session *s, enum word_source source, struct slice user, struct slice secret)
{
	begin(s, source, user, secret.p ? PROOF_SECRET : PROOF_PROMPT, secret);
}

void
auth_login_certified(struct session *s, enum word_source source, struct slice user)
{
	begin(s, source, user, PROOF_CERTIFICATE, SLICE_NULL);
}

void
auth_answer(struct session *s, struct slice secret)
{
	struct message m = {.id = MSG_A_SECRET, .fd = -1, .a_secret = {s->id, secret}};
	struct login *l = s->login;
	struct link *link = l && l->pam                           ? &l->pam->link
			    : l && l->source == WORD_source_users ? s->worker->users
								  : NULL;

	if (!link || link_send_secret(link, &m) < 0)
		session_due(s, DUE_REFUSED, REFUSED_RESOURCES);
}

void
auth_pam_channel(struct session *s, int fd)
{
	struct login *l = s->login;
	bool wanted = s->pam_asked == 1 && l && l->source == WORD_source_pam && l->waits &&
		      !l->pam && !s->closing;

	if (s->pam_asked > 0)
		s->pam_asked--;
	if (!wanted) {
		fd_close(&fd);
		return;
	}
	session_enter(s);
	l->pam = fd >= 0 ? open_channel(s->worker, s, fd) : NULL;
	send_login(s, l->pam ? &l->pam->link : NULL, buf_slice(&l->user), buf_slice(&l->secret));
	buf_wipe(&l->secret);
	buf_deinit(&l->user);
	session_settle(s);
}

/* The answer came before the verdict: keeps it. */
static void
keep(struct login *l, const struct w_login *m)
{
	buf_reset(&l->user);
	buf_reset(&l->settings);
	buf_add_slice(&l->user, m->user);
	buf_add_slice(&l->settings, m->settings);
	l->agent = m->agent;
	l->admitted = true;
}

static void
let_in(struct session *s, const struct w_login *m)
{
	struct agent *a = agents_find(&s->worker->agents, m->agent);
	struct shared *shared = shared_get(&s->worker->settings, m->settings);
	bool anonymous = s->login->source == WORD_source_anonymous;

	session_enter(s);
	/* Being told that it is logged in, the session runs the lines that wait: another one may
	 * log out and begin a login of its own, so this one's leaves s->login before. */
	if (!s->login->pam)
		auth_close(s);
	if (!a || !shared) {
		shared_put(&shared);
		session_expire(s, 0, "Out of resources, try again later.");
	} else {
		agent_of_session(s, a);
		s->anonymous = anonymous;
		s->shared = shared;
		/* Nobody gets round his quota for want of memory. */
		if (quota_login(s, m->user) < 0)
			s->broken = true;
		ftp_session_logged_in(&s->ftp, m->user, &shared->settings);
	}
	session_settle(s);
}

void
auth_admitted(struct session *s, const struct w_login *m)
{
	struct login *l = s->login;
	bool anonymous = l && l->source == WORD_source_anonymous;

	if (s->closing || s->ending)
		return;
	if (anonymous && s->anonymous_asked > 0)
		s->anonymous_asked--;
	if (l && !anonymous && !l->right) {
		keep(l, m);
	} else if (l && !s->agent) {
		/* Of a kept answer the bytes are the login's, which goes: they are needed to the
		 * end. */
		struct buf user = l->user, settings = l->settings;
		l->user = l->settings = BUF_INIT;
		let_in(s, m);
		buf_deinit(&user);
		buf_deinit(&settings);
	} else {
		struct message out = {.id = MSG_M_LOGOUT, .fd = -1, .m_logout = {s->id}};
		worker_tell(s->worker, &out);
	}
}

void
auth_refused(struct session *s, enum login_refusal why)
{
	struct login *l = s->login;
	bool anonymous = l && l->source == WORD_source_anonymous;

	if (anonymous && s->anonymous_asked > 0)
		s->anonymous_asked--;
	if (!l || s->closing)
		return;
	if (!anonymous && !l->right) {
		l->refused = true;
		l->why = why;
		return;
	}
	auth_close(s);
	session_enter(s);
	ftp_session_refused(&s->ftp, why);
	session_settle(s);
}
