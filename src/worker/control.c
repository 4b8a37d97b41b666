/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The control connection; see control.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "control.h"
#include "secure.h"
#include "status_pipe.h"

/* A client that sends commands and reads no replies is not read on above this. */
#define UNSENT_MAX (64U * 1024)
/* Bytes of the socket that are taken at a time; the rest of the scratch is for their plaintext. */
#define CONTROL_INPUT (48U * 1024)
/* The same of TLS: a record of 27 bytes can ask for new keys, which others would have to wait for.
 */
#define SECURE_INPUT (4U * 1024)
/* How long the client's FIN is awaited after ours: closing earlier could reset the last reply away.
 */
#define LINGER_MS 1000
/* How long the last replies may take when the session ends. */
#define FAREWELL_MS 5000
/* Both, when the worker's own time is up: the monitor waits for it no longer than two seconds. */
#define LAST_LINGER_MS   500
#define LAST_FAREWELL_MS 1000
/* A time that is so far off is met to within a part of a second: thousands of sessions that logged
 * in one after the other are looked at together, and the loop sleeps between. */
#define FAR_MS   10000
#define ROUGH_MS 250

static void on_event(void *owner);

static uint64_t
now_of(const struct session *s)
{
	return uv_now(&s->worker->loop);
}

int
control_init(struct session *s)
{
	int r = deadlines_add(&s->worker->deadlines, &s->deadline);

	if (r < 0)
		return r;
	watch_init_standing(&s->watch, &s->worker->watcher, s->fd, on_event, s);
	s->born = s->login_since = s->idle_since = now_of(s);
	return 0;
}

/* What is to be sent and has not left, in clear or encrypted. */
static size_t
unsent(const struct session *s)
{
	return s->out.len + secure_unsent(s);
}

bool
control_is_full(const struct session *s)
{
	return unsent(s) >= UNSENT_MAX;
}

/* Sends replies as they are.  Returns how many bytes left. */
static size_t
flush_clear(struct session *s)
{
	/* control_update() sends FIN behind the last reply: that goes in the same segment. */
	int more = s->ending && !s->secure ? MSG_MORE : 0;
	size_t at = 0;

	while (at < s->out.len && !s->broken) {
		ssize_t n = send(s->fd, s->out.data + at, s->out.len - at,
				 MSG_NOSIGNAL | MSG_DONTWAIT | more);
		if (n >= 0)
			at += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			s->broken = true;
	}
	if (at < s->out.len)
		buf_consume(&s->out, at);
	else if (s->out.cap)
		buf_deinit(&s->out);
	return at;
}

void
control_flush(struct session *s)
{
	size_t left = 0;

	if (buf_error(&s->out) < 0)
		s->broken = true;
	if (s->secure && !s->broken)
		left = secure_flush(s);
	if (secure_is_clear(s) && !s->broken)
		left += flush_clear(s);
	if (s->broken && s->out.cap)
		buf_deinit(&s->out);
	if (unsent(s) == 0 || s->broken)
		s->out_since = 0;
	else if (left > 0 || s->out_since == 0)
		s->out_since = now_of(s);
}

/* Bytes that nobody reads any more, until the client's FIN. */
static void
discard(struct session *s)
{
	ssize_t n = recv(s->fd, s->worker->scratch, WORKER_SCRATCH, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		session_close(s);
}

bool
control_is_lost(const struct session *s)
{
	char byte;

	/* What still waits may be QUIT. */
	if (s->input_ended)
		return s->ftp.queue.len == s->ftp.queue_at;
	ssize_t n = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void
control_take(struct session *s, struct slice bytes)
{
	/* Only a whole line is a command: bytes that never end one don't keep a session alive. */
	if (memchr(bytes.p, '\n', bytes.n))
		s->idle_since = now_of(s);
	if (ftp_session_input(&s->ftp, bytes.p, bytes.n) < 0)
		s->broken = true;
	/* PASS may stand there, at the wrong time too. */
	explicit_bzero((char *)bytes.p, bytes.n);
}

void
control_read(struct session *s)
{
	char *bytes = s->worker->scratch;
	size_t room = secure_is_on(s) ? SECURE_INPUT : CONTROL_INPUT;
	ssize_t n = recv(s->fd, bytes, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		control_update(s);
		return;
	}
	session_enter(s);
	if (n < 0) {
		s->broken = true;
	} else if (n == 0) {
		s->input_ended = true;
		secure_input_ended(s);
		ftp_session_input_ended(&s->ftp);
	} else if (secure_is_on(s)) {
		secure_take(s, (struct slice){bytes, (size_t)n});
	} else {
		control_take(s, (struct slice){bytes, (size_t)n});
	}
	session_settle(s);
}

static bool
wants_input(const struct session *s)
{
	return !s->input_ended && !s->ending && !control_is_full(s) &&
	       (secure_wants_input(s) || ftp_session_wants_input(&s->ftp));
}

static void
on_event(void *owner)
{
	struct session *s = owner;
	int told = s->watch.told;

	REQUIRE(s->magic == SESSION_MAGIC && !s->closing);
	if (told & (UV_WRITABLE | WATCH_BROKEN)) {
		session_enter(s);
		s->broken |= (told & WATCH_BROKEN) != 0;
		session_settle(s);
	}
	if (!(told & UV_READABLE) || s->closing)
		return;
	if (s->fin_sent)
		discard(s);
	else if (wants_input(s) && secure_may_read(s))
		control_read(s);
	else
		/* The watch was left on in the hope that it would not be needed: usually an answer
		 * comes first. */
		(void)watch_wait(&s->watch, s->watch.events & ~UV_READABLE);
}

/* When the client must have taken some of what is sent to it; 0 when nothing waits. */
static uint64_t
output_deadline(const struct session *s)
{
	if (s->out_since == 0)
		return 0;
	if (s->ending)
		return s->out_since + (s->worker->drained ? LAST_FAREWELL_MS : FAREWELL_MS);
	return s->out_since + s->ftp.settings->stall_timeout * 1000;
}

/* When the client must have logged in, or sent the next command; 0 for never. */
static uint64_t
input_deadline(const struct session *s)
{
	if (s->ending)
		return 0;
	if (!ftp_session_is_logged_in(&s->ftp))
		return s->login_since + s->ftp.settings->login_timeout * 1000;
	return ftp_session_is_busy(&s->ftp) ? 0 : s->idle_since + s->ftp.idle_timeout * 1000;
}

/* The nearest of all that may come to its time; 0 for never. */
static uint64_t
next_time(const struct session *s)
{
	const uint64_t t[] = {s->delay_until,     s->proof_until,    s->linger_until,
			      output_deadline(s), input_deadline(s), secure_deadline(s)};
	uint64_t least = 0;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (t[i] && (!least || t[i] < least))
			least = t[i];
	return least;
}

static bool
is_over(uint64_t time, uint64_t now)
{
	return time && time <= now;
}

void
control_on_deadline(struct session *s)
{
	uint64_t now = now_of(s);

	if (!is_over(next_time(s), now)) {
		control_update(s);
		return;
	}
	session_enter(s);
	if (is_over(s->delay_until, now)) {
		s->delay_until = 0;
		ftp_session_delayed(&s->ftp);
	} else if (is_over(s->proof_until, now)) {
		s->proof_until = 0;
		if (control_is_lost(s))
			s->result.end = TRANSFER_CONTROL_LOST;
		session_due(s, DUE_TRANSFERRED, 0);
	} else if (is_over(s->linger_until, now) || is_over(output_deadline(s), now) ||
		   is_over(secure_deadline(s), now)) {
		s->broken = true;
	} else if (ftp_session_is_logged_in(&s->ftp)) {
		session_expire(s, 0, "Idle for too long, goodbye.");
	} else {
		session_expire(s, 0, "No login in time, goodbye.");
	}
	session_settle(s);
}

/* The deadline is moved only to an earlier time: one that comes too soon finds nothing to do, and
 * that costs less. */
static void
set_deadline(struct session *s)
{
	uint64_t next = next_time(s), now = now_of(s);

	if (next == 0)
		return;
	uint64_t at = next > now ? next : now + 1;
	if (at - now >= FAR_MS)
		at += ROUGH_MS - 1 - (at - 1) % ROUGH_MS;
	if (s->deadline.at > at)
		deadlines_set(&s->worker->deadlines, &s->deadline, at);
}

void
control_update(struct session *s)
{
	if (s->broken) {
		session_close(s);
		return;
	}
	if (s->ending && unsent(s) == 0) {
		secure_say_goodbye(s);
		/* Where there is no room for it, it waits no longer than a last reply. */
		if (unsent(s) > 0)
			s->out_since = now_of(s);
	}
	if (s->ending && unsent(s) == 0 && !s->fin_sent) {
		if (s->input_ended) {
			session_close(s);
			return;
		}
		shutdown(s->fd, SHUT_WR);
		s->fin_sent = true;
		s->linger_until = now_of(s) + (s->worker->drained ? LAST_LINGER_MS : LINGER_MS);
	}
	int events = unsent(s) ? UV_WRITABLE : 0;
	if (s->fin_sent || wants_input(s))
		events |= UV_READABLE;
	else if (!s->input_ended && !control_is_full(s))
		events |= s->watch.events & UV_READABLE;
	if (watch_wait(&s->watch, events) < 0) {
		session_close(s);
		return;
	}
	status_pipe_go_on(s, !control_is_full(s));
	set_deadline(s);
}
