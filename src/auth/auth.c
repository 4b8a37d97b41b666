/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What the two kinds of auth processes have in common; see auth.h. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "auth.h"

enum auth_event
auth_wait(struct auth *a, int child)
{
	struct pollfd fds[] = {{.fd = a->monitor.fd, .events = POLLIN},
			       {.fd = a->worker.fd, .events = POLLIN},
			       {.fd = child, .events = POLLIN}};

	while (poll(fds, 3, -1) < 0)
		;
	if (fds[0].revents & POLLIN)
		return AUTH_MONITOR;
	if (fds[0].revents)
		return AUTH_ENDED;
	return fds[1].revents ? AUTH_WORKER : AUTH_CHILD;
}

void
auth_take_common(struct auth *a, struct message *m)
{
	if (m->id == MSG_A_CHANNEL && m->fd >= 0) {
		wire_deinit(&a->worker);
		wire_init(&a->worker, m->fd, WIRE_AUTH, WIRE_WORKER);
		a->worker.phase = WIRE_SERVING;
		m->fd = -1;
	} else if (m->id == MSG_A_LOG && m->fd >= 0) {
		log_replace(m->fd);
	}
	fd_close(&m->fd);
}

/* Whether no source that wants a password comes after this one. */
static bool
is_last(const struct auth *a)
{
	const struct order *o = &a->settings.sources;
	bool seen = false;

	for (size_t i = 0; i < o->n; i++) {
		if (seen && o->item[i] != WORD_source_anonymous)
			return false;
		seen |= o->item[i] == a->source;
	}
	return true;
}

void
auth_answer(struct auth *a, uint64_t session, enum auth_verdict verdict, struct slice text)
{
	struct message failed = {.id = MSG_I_FAILED, .fd = -1};
	struct message result = {.id = MSG_L_RESULT, .fd = -1};

	if (verdict == AUTH_NO || (verdict == AUTH_UNKNOWN && is_last(a))) {
		failed.i_failed.session = session;
		wire_send(&a->monitor, &failed);
	}
	result.l_result.session = session;
	result.l_result.verdict = (uint8_t)verdict;
	result.l_result.text = text;
	wire_send(&a->worker, &result);
}

bool
auth_takes_certificates(const struct auth *a)
{
	bool takes = a->settings.tls_client_user != WORD_tls_client_user_none &&
		     !a->settings.tls_client_password;

	if (!takes)
		LOG(WARNING, "a worker asked for a login by certificate, which the configuration "
			     "does not allow");
	return takes;
}

void
auth_wipe(struct wire *w)
{
	if (w->in.data)
		explicit_bzero(w->in.data, w->in.cap);
}
