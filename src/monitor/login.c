/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Logins; see login.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/log.h>

#include "agent.h"
#include "auth.h"
#include "login.h"
#include "root.h"
#include "worker.h"

/* A user is in so many groups at most, as far as the blocks of groups go. */
#define GROUP_NAMES_MAX 4096

/* What a login comes to. */
struct login_terms {
	struct settings settings;
	struct buf encoded; /* the same; empty: not made yet */
};

void
login_forget(struct monitor *m, struct session *s)
{
	agent_leave(s);
	auth_leave(s);
	if (s->user)
		tally_drop(&m->users, slice_of(s->user));
	s->user = NULL;
	s->state = SESSION_CONNECTED;
}

void
login_refuse(struct monitor *m, struct session *s, enum login_refusal why)
{
	struct message msg = {.id = MSG_W_REFUSED, .fd = -1};

	login_forget(m, s);
	msg.w_refused.session = s->id;
	msg.w_refused.why = (uint8_t)why;
	peer_send(&m->workers[s->worker].peer, &msg);
}

static void
refuse(struct monitor *m, struct session *s, const struct login_claim *claim,
       enum login_refusal why, const char *because)
{
	LOG(INFO, "a login was refused", LOG_NUM("session", s->id), LOG_BYTES("user", claim->user),
	    LOG_STR("why", because));
	login_refuse(m, s, why);
}

/* How many names there are that each have a NUL behind them. */
static size_t
count_names(struct slice names)
{
	size_t n = 0;

	for (size_t i = 0; i < names.n && n < GROUP_NAMES_MAX; i++)
		n += names.p[i] == '\0';
	return n;
}

/* Splits them.  Returns how many. */
static size_t
split_names(struct slice names, struct slice *out, size_t max)
{
	size_t n = 0;

	for (const char *end;
	     n < max && names.n && (end = memchr(names.p, '\0', names.n)) != NULL;) {
		out[n++] = slice_head(names, (size_t)(end - names.p));
		names = slice_from(names, (size_t)(end - names.p) + 1);
	}
	return n;
}

int
login_subject(const struct login_claim *claim, size_t listener,
	      const struct sockaddr_storage *address, struct login_subject *out)
{
	size_t n = count_names(claim->group_names);

	*out = (struct login_subject){.names = n ? calloc(n, sizeof(*out->names)) : NULL};
	if (n && !out->names)
		return -ENOMEM;
	out->entry = (struct conf_entry){.rights = claim->rights, .root = claim->root};
	out->subject = (struct conf_subject){
		.listener = listener,
		.user = claim->user,
		.groups = out->names,
		.n_groups = split_names(claim->group_names, out->names, n),
		.address = address,
		.entry = claim->narrowed ? &out->entry : NULL};
	return 0;
}

int
login_settings(const struct monitor *m, const struct login_claim *claim, size_t listener,
	       const struct sockaddr_storage *address, struct settings *out)
{
	struct login_subject who;
	int r = login_subject(claim, listener, address, &who);

	if (r == 0)
		r = conf_settings_for(m->conf, &who.subject, out);
	free(who.names);
	return r;
}

const char *
login_policy_against(const struct monitor *m, const struct login_claim *claim)
{
	/* Names end at a NUL in some places: one with a NUL in it would be two. */
	if (!claim->user.n || memchr(claim->user.p, '\0', claim->user.n))
		return "no name";
	if (claim->source == WORD_source_anonymous)
		return NULL;
	if (!m->as_root)
		return claim->source == WORD_source_pam && claim->uid != getuid()
			       ? "not who runs wharfd"
			       : NULL;
	if (claim->uid == 0 && !m->server->allow_root)
		return "uid 0";
	return claim->uid < m->server->minimum_uid ? "uid below minimum_uid" : NULL;
}

/* Writes the login into the session, and asks for its agent.  0 or a negative errno; login_refuse()
 * undoes it. */
static int
begin(struct monitor *m, struct session *s, const struct login_claim *claim,
      const struct login_terms *terms, struct slice root, struct auth *holder)
{
	struct agent_identity who = {
		.owner = {.user = claim->user, .group_names = claim->group_names, .folder = root}};

	if (m->as_root) {
		who.owner.uid = claim->uid;
		who.owner.gid = claim->gid;
		who.owner.groups = claim->groups;
	} else {
		who.owner.uid = getuid();
		who.owner.gid = getgid();
	}
	s->user = tally_add(&m->users, claim->user);
	if (!s->user)
		return -ENOMEM;
	who.settings = buf_slice(&terms->encoded);
	s->source = claim->source;
	s->state = SESSION_IDENTIFIED;
	return agent_assign(m, s, &who, holder);
}

static void
terms_deinit(struct login_terms *t)
{
	settings_deinit(&t->settings);
	buf_deinit(&t->encoded);
}

/* 0 or -ENOMEM. */
static int
terms_make(const struct monitor *m, const struct session *s, const struct login_claim *claim,
	   const struct sockaddr_storage *peer, struct login_terms *out)
{
	*out = (struct login_terms){.encoded = BUF_INIT};
	if (login_settings(m, claim, s->listener, peer, &out->settings) < 0)
		return -ENOMEM;
	settings_encode(&out->settings, &out->encoded);
	if (buf_error(&out->encoded) == 0)
		return 0;
	terms_deinit(out);
	*out = (struct login_terms){.encoded = BUF_INIT};
	return -ENOMEM;
}

/* Lets in whom no policy is against, or refuses him. */
static void
decide(struct monitor *m, struct session *s, const struct login_claim *claim,
       const struct login_terms *terms, struct auth *holder)
{
	struct buf root = BUF_INIT;
	struct slice option = claim->source == WORD_source_anonymous
				      ? SLICE_NULL
				      : slice_of(terms->settings.root);

	if (tally_get(&m->users, claim->user) >= terms->settings.max_sessions_per_user)
		refuse(m, s, claim, REFUSED_USER_SESSIONS, "max_sessions_per_user");
	else if (root_choose(option, claim->root, claim->user, claim->home, &root))
		refuse(m, s, claim, REFUSED_ROOT_FOLDER,
		       "no root folder can be made of its settings");
	else if (begin(m, s, claim, terms, buf_slice(&root), holder) < 0)
		refuse(m, s, claim, REFUSED_RESOURCES, "no agent can be started");
	buf_deinit(&root);
}

void
login_identified(struct monitor *m, struct session *s, const struct login_claim *claim,
		 struct auth *holder)
{
	const char *against = login_policy_against(m, claim);
	struct sockaddr_storage peer = endpoint_address(&s->peer);
	struct login_terms terms;

	if (against) {
		refuse(m, s, claim, REFUSED_POLICY, against);
		return;
	}
	if (terms_make(m, s, claim, &peer, &terms) < 0) {
		refuse(m, s, claim, REFUSED_RESOURCES, "memory");
		return;
	}
	decide(m, s, claim, &terms, holder);
	terms_deinit(&terms);
}

/* What all anonymous sessions of a listener get that no client block holds, or NULL. */
static const struct login_terms *
anonymous_terms(struct monitor *m, const struct session *s, const struct login_claim *claim)
{
	struct sockaddr_storage peer = endpoint_address(&s->peer);

	if (conf_has_client(m->conf, &peer))
		return NULL;
	if (!m->anonymous_terms)
		m->anonymous_terms = calloc(m->n_listeners, sizeof(*m->anonymous_terms));
	struct login_terms *t = m->anonymous_terms ? &m->anonymous_terms[s->listener] : NULL;
	if (t && t->encoded.len == 0 && terms_make(m, s, claim, NULL, t) < 0)
		return NULL;
	return t;
}

void
login_anonymous(struct monitor *m, struct session *s)
{
	const struct login_claim claim = {.source = WORD_source_anonymous,
					  .user = SLICE("anonymous"),
					  .uid = m->anonymous.uid,
					  .gid = m->anonymous.gid,
					  .root = slice_of(m->server->anonymous_root)};

	if (!monitor_has_source(m, WORD_source_anonymous)) {
		refuse(m, s, &claim, REFUSED_POLICY, "anonymous logins are off");
		return;
	}
	const struct login_terms *terms = anonymous_terms(m, s, &claim);
	if (terms)
		decide(m, s, &claim, terms, NULL);
	else
		login_identified(m, s, &claim, NULL);
}

void
login_free(struct monitor *m)
{
	for (size_t i = 0; m->anonymous_terms && i < m->n_listeners; i++)
		terms_deinit(&m->anonymous_terms[i]);
	free(m->anonymous_terms);
	m->anonymous_terms = NULL;
}
