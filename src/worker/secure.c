/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* TLS on a control connection; see secure.h. */
#include <stdlib.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "control.h"
#include "events.h"
#include "secure.h"

/* A TLS record holds no more. */
#define PLAINTEXT_MAX (16U * 1024)

static void
on_turn(void *owner)
{
	struct session *s = owner;

	REQUIRE(s->magic == SESSION_MAGIC);
	control_read(s);
}

void
secure_free(struct session *s)
{
	struct secure *c = s->secure;

	if (!c)
		return;
	s->secure = NULL;
	turns_leave(&s->worker->turns, &c->turn);
	tls_free(c->tls);
	free(c);
}

void
secure_begin(struct session *s)
{
	const struct settings *settings = s->ftp.settings;
	struct secure *c = calloc(1, sizeof(*c));

	secure_free(s);
	/* Who has not read what came before does not wait for a handshake either. */
	if (!c || s->out.len || !s->worker->hosts.tls) {
		free(c);
		s->broken = true;
		return;
	}
	c->tls = tls_new_control(s->worker->hosts.tls, s->fd, s->host, settings);
	if (!c->tls) {
		free(c);
		s->broken = true;
		return;
	}
	c->turn.run = on_turn;
	c->turn.owner = s;
	c->until = uv_now(&s->worker->loop) + settings->tls_handshake_timeout * 1000;
	s->secure = c;
}

void
secure_say_goodbye(struct session *s)
{
	struct secure *c = s->secure;

	if (!c || c->ended || (c->phase != SECURE_ON && c->phase != SECURE_ENDING))
		return;
	c->ended = true;
	tls_end(c->tls, s->ending);
	secure_flush(s);
}

void
secure_end(struct session *s)
{
	struct secure *c = s->secure;

	if (!c || c->phase != SECURE_ON)
		return;
	/* What was replied so far is still encrypted. */
	secure_flush(s);
	c->phase = SECURE_ENDING;
	secure_say_goodbye(s);
}

bool
secure_is_on(const struct session *s)
{
	return s->secure && s->secure->phase != SECURE_OFF;
}

bool
secure_may_read(struct session *s)
{
	struct secure *c = s->secure;

	if (!c || c->phase != SECURE_HANDSHAKE)
		return true;
	return turns_take(&s->worker->turns, &c->turn, false);
}

bool
secure_wants_input(const struct session *s)
{
	const struct secure *c = s->secure;

	return c && c->phase == SECURE_HANDSHAKE && !c->turn.waits;
}

uint64_t
secure_deadline(const struct session *s)
{
	return s->secure ? s->secure->until : 0;
}

bool
secure_is_clear(const struct session *s)
{
	const struct secure *c = s->secure;

	return !c || c->phase == SECURE_OFF ||
	       (c->phase == SECURE_ENDING && tls_unsent(c->tls) == 0);
}

size_t
secure_unsent(const struct session *s)
{
	return s->secure ? tls_unsent(s->secure->tls) : 0;
}

/* The handshake is over: without TLS there is no session. */
static void
fail(struct session *s, const char *why)
{
	event_tls_failed(s, why);
	s->secure->until = 0;
	s->ending = true;
}

static void
shake_hands(struct session *s)
{
	struct secure *c = s->secure;
	struct buf user = BUF_INIT;
	struct tls_client client = {SLICE_NULL};
	int r = tls_handshake(c->tls);

	if (r == TLS_AGAIN) {
		/* An answer acknowledges, too. */
		if (tls_unsent(c->tls) == 0)
			fd_acknowledge(s->fd);
		return;
	}
	if (r != 0) {
		fail(s, r == TLS_BROKEN ? tls_why(c->tls) : "the connection ended");
		return;
	}
	c->phase = SECURE_ON;
	c->until = 0;
	if (tls_client_user(c->tls, &user))
		client.user = buf_slice(&user);
	event_secured(s, client.user);
	ftp_session_secured(&s->ftp, &client);
	buf_deinit(&user);
}

/* The client ended TLS: to go on in clear where that was agreed on, else to end the session. */
static void
take_end(struct session *s)
{
	struct secure *c = s->secure;

	if (c->phase != SECURE_ENDING) {
		s->input_ended = true;
		ftp_session_input_ended(&s->ftp);
		return;
	}
	c->phase = SECURE_OFF;
	struct slice rest = tls_unread(c->tls);
	if (rest.n)
		control_take(s, rest);
}

void
secure_input_ended(struct session *s)
{
	if (s->secure && s->secure->phase == SECURE_HANDSHAKE) {
		event_tls_failed(s, "the connection ended");
		s->broken = true;
	}
}

/* A piece of plaintext.  Behind the command that ends TLS only its end may come: it would be
 * answered in clear. */
static void
take_plain(struct session *s, struct slice plain)
{
	if (s->secure->phase == SECURE_ON) {
		control_take(s, plain);
	} else {
		event_tls_failed(s, "more came before the end of TLS");
		s->broken = true;
	}
}

void
secure_take(struct session *s, struct slice bytes)
{
	char *plain = s->worker->scratch + WORKER_SCRATCH - PLAINTEXT_MAX;
	struct secure *c = s->secure;
	ssize_t n = 1;

	tls_feed(c->tls, bytes);
	if (c->phase == SECURE_HANDSHAKE)
		shake_hands(s);
	while (n > 0 && !s->broken && (c->phase == SECURE_ON || c->phase == SECURE_ENDING)) {
		n = tls_read(c->tls, plain, PLAINTEXT_MAX);
		if (n > 0)
			take_plain(s, (struct slice){plain, (size_t)n});
	}
	if (n == 0) {
		take_end(s);
	} else if (n < 0 && n != TLS_AGAIN) {
		event_tls_failed(s, tls_why(c->tls));
		s->broken = true;
	}
}

size_t
secure_flush(struct session *s)
{
	struct secure *c = s->secure;
	size_t before;

	if (c->phase == SECURE_HANDSHAKE) {
		/* Nobody could read it. */
		buf_deinit(&s->out);
	} else if (c->phase == SECURE_ON && s->out.len) {
		if (!c->ended && tls_write(c->tls, s->out.data, s->out.len) < 0)
			s->broken = true;
		buf_deinit(&s->out);
	}
	/* The last reply and close_notify leave together. */
	if (s->ending && c->phase == SECURE_ON && !c->ended) {
		c->ended = true;
		tls_end(c->tls, true);
	}
	before = tls_unsent(c->tls);
	if (before && tls_flush(c->tls) == TLS_RESET)
		s->broken = true;
	return before - tls_unsent(c->tls);
}
