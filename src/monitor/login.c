/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Logins; see login.h. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <wharf/base/log.h>

#include "agent.h"
#include "auth.h"
#include "login.h"
#include "root.h"
#include "worker.h"

/* A user is in so many groups at most, as far as the blocks of groups go. */
#define GROUP_NAMES_MAX 4096

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

/* Splits names that each have a NUL behind them.  Returns how many. */
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
login_settings(const struct monitor *m, const struct login_claim *claim, size_t listener,
	       const struct sockaddr_storage *address, struct settings *out)
{
	struct slice *names = calloc(GROUP_NAMES_MAX, sizeof(*names));
	int r = -ENOMEM;

	if (names) {
		const struct conf_subject subject = {
			.listener = listener,
			.user = claim->user,
			.groups = names,
			.n_groups = split_names(claim->group_names, names, GROUP_NAMES_MAX),
			.address = address};
		r = conf_settings_for(m->conf, &subject, out);
	}
	free(names);
	return r;
}

const char *
login_policy_against(const struct monitor *m, const struct login_claim *claim)
{
	if (!claim->user.n)
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
      const struct settings *settings, struct slice root, struct auth *holder)
{
	struct agent_identity who = {
		.owner = {.user = claim->user, .group_names = claim->group_names, .folder = root}};
	struct buf bytes = BUF_INIT;
	int r;

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
	settings_encode(settings, &bytes);
	who.settings = buf_slice(&bytes);
	s->source = claim->source;
	s->state = SESSION_IDENTIFIED;
	r = buf_error(&bytes) < 0 ? -ENOMEM : agent_assign(m, s, &who, holder);
	buf_deinit(&bytes);
	return r;
}

void
login_identified(struct monitor *m, struct session *s, const struct login_claim *claim,
		 struct auth *holder)
{
	struct settings settings;
	struct buf root = BUF_INIT;
	const char *against = login_policy_against(m, claim);
	struct sockaddr_storage peer = endpoint_address(&s->peer);

	if (against) {
		refuse(m, s, claim, REFUSED_POLICY, against);
		return;
	}
	if (login_settings(m, claim, s->listener, &peer, &settings) < 0) {
		refuse(m, s, claim, REFUSED_RESOURCES, "memory");
		return;
	}
	/* Rights are what the configuration gives, without what the users file takes away. */
	if (claim->narrowed)
		settings.rights &= claim->rights;
	struct slice option = claim->source == WORD_source_anonymous ? SLICE_NULL
								     : slice_of(settings.root);
	if (tally_get(&m->users, claim->user) >= settings.max_sessions_per_user)
		refuse(m, s, claim, REFUSED_USER_SESSIONS, "max_sessions_per_user");
	else if (root_choose(option, claim->root, claim->user, claim->home, &root))
		refuse(m, s, claim, REFUSED_ROOT_FOLDER,
		       "no root folder can be made of its settings");
	else if (begin(m, s, claim, &settings, buf_slice(&root), holder) < 0)
		refuse(m, s, claim, REFUSED_RESOURCES, "no agent can be started");
	buf_deinit(&root);
	settings_deinit(&settings);
}

void
login_anonymous(struct monitor *m, struct session *s)
{
	const struct login_claim claim = {.source = WORD_source_anonymous,
					  .user = SLICE("anonymous"),
					  .uid = m->anonymous.uid,
					  .gid = m->anonymous.gid,
					  .root = slice_of(m->server->anonymous_root)};

	if (monitor_has_source(m, WORD_source_anonymous))
		login_identified(m, s, &claim, NULL);
	else
		refuse(m, s, &claim, REFUSED_POLICY, "anonymous logins are off");
}
