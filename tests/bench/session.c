/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Sessions: see session.h.  One reply is awaited at a time, and the state's row says what follows
 * it.
 */
#include "session.h"

#include "secure.h"

#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum state {
	ST_GREETING,
	ST_AUTH,
	ST_SHAKE,
	ST_PBSZ,
	ST_PROT,
	ST_USER,
	ST_PASS,
	ST_TYPE,
	ST_REST,
	ST_COMMAND,
	ST_PASV,
	ST_MOVE,
	ST_QUIT,
};

static struct session *
session_of(struct data *d)
{
	return (struct session *)((char *)d - offsetof(struct session, data));
}

__attribute__((format(printf, 3, 4))) static void
say(struct session *s, enum state state, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text) - 2, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text) - 2)
		errx(1, "a command is too long");
	memcpy(text + n, "\r\n", 2);
	n += 2;
	s->state = state;
	if (s->ssl ? SSL_write(s->ssl, text, n) != n
		   : send(s->watch.fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		errx(1, "cannot send a command");
}

/* Where a stage ends for a session. */
static void
rest(struct session *s)
{
	s->state = ST_REST;
	s->job->pending--;
}

static void
file_name(const struct job *job, long number, char *name, size_t size)
{
	size_t length = strlen(job->name);

	if (!length || job->name[length - 1] != '/')
		snprintf(name, size, "%s", job->name);
	else if (job->folders)
		snprintf(name, size, "%s%ld/%ld", job->name, number * job->folders / job->count,
			 number);
	else
		snprintf(name, size, "%s%ld", job->name, number);
}

static void
on_greeting(struct session *s, const char *line)
{
	(void)line;
	if (s->job->tls)
		say(s, ST_AUTH, "AUTH TLS");
	else
		say(s, ST_USER, "USER %s", s->job->user);
}

static void
shake(struct session *s)
{
	int r = SSL_do_handshake(s->ssl);

	if (r != 1) {
		watch_want(&s->watch, &s->job->loop, secure_waits(s->ssl, r, "handshake"));
		return;
	}
	watch_want(&s->watch, &s->job->loop, EPOLLIN);
	say(s, ST_PBSZ, "PBSZ 0");
}

static void
on_auth(struct session *s, const char *line)
{
	(void)line;
	s->ssl = secure_begin(s->job->tls, s->watch.fd, &s->ticket, NULL);
	s->state = ST_SHAKE;
	shake(s);
}

static void
on_pbsz(struct session *s, const char *line)
{
	(void)line;
	say(s, ST_PROT, "PROT P");
}

static void
on_prot(struct session *s, const char *line)
{
	(void)line;
	say(s, ST_USER, "USER %s", s->job->user);
}

static void
on_login(struct session *s, const char *line)
{
	bool text = s->job->text || s->job->work->lines;

	(void)line;
	samples_add(&s->job->times, loop_now() - s->since);
	if (s->job->work->start == session_open)
		say(s, ST_QUIT, "QUIT");
	else
		say(s, ST_TYPE, "TYPE %c", text ? 'A' : 'I');
}

static void
on_user(struct session *s, const char *line)
{
	if (line[0] == '3')
		say(s, ST_PASS, "PASS %s", s->job->password);
	else
		on_login(s, line);
}

static void
on_type(struct session *s, const char *line)
{
	struct job *job = s->job;

	(void)line;
	rest(s);
	if (job->opened < job->sessions)
		session_open(&job->all[job->opened++]);
}

static void
on_command(struct session *s, const char *line)
{
	(void)line;
	samples_add(&s->job->times, loop_now() - s->since);
	session_work(s);
}

static void
on_pasv(struct session *s, const char *line)
{
	const char *open = strchr(line, '(');
	char name[400];
	unsigned a[6];

	if (!open || sscanf(open, "(%u,%u,%u,%u,%u,%u)", a, a + 1, a + 2, a + 3, a + 4, a + 5) != 6)
		errx(1, "%s", line);
	data_connect(&s->data, (uint16_t)(a[4] * 256 + a[5]));
	file_name(s->job, s->number, name, sizeof(name));
	s->confirmed = false;
	say(s, ST_MOVE, "%s %s", s->job->work->verb, name);
}

/* The next one begins when this one is confirmed: durable, where the server promises that. */
static void
on_move(struct session *s, const char *line)
{
	if (line[0] == '1') {
		data_begin(&s->data, s->ticket);
		return;
	}
	if (strncmp(line, "226", 3) != 0)
		errx(1, "%s", line);
	s->confirmed = true;
	if (s->data.watch.fd < 0)
		session_work(s);
}

static void
on_data(struct data *d)
{
	struct session *s = session_of(d);

	if (s->confirmed)
		session_work(s);
}

static void
on_quit(struct session *s, const char *line)
{
	(void)line;
	session_close(s);
	if (s->job->leaving)
		s->job->pending--;
	else
		session_work(s);
}

/* What may come, by its first digit, and what follows. */
static const struct {
	const char *want;
	void (*then)(struct session *s, const char *line);
} rows[] = {
	[ST_GREETING] = {"2", on_greeting}, [ST_AUTH] = {"2", on_auth}, [ST_SHAKE] = {"", NULL},
	[ST_PBSZ] = {"2", on_pbsz},         [ST_PROT] = {"2", on_prot}, [ST_USER] = {"23", on_user},
	[ST_PASS] = {"2", on_login},        [ST_TYPE] = {"2", on_type}, [ST_REST] = {"", NULL},
	[ST_COMMAND] = {"2", on_command},   [ST_PASV] = {"2", on_pasv}, [ST_MOVE] = {"12", on_move},
	[ST_QUIT] = {"2", on_quit},
};

/* One line; only the last of a reply counts. */
static void
on_line(struct session *s, const char *line)
{
	if (strlen(line) < 4 || line[3] != ' ' || line[0] < '1' || line[0] > '5')
		return;
	if (!strchr(rows[s->state].want, line[0]))
		errx(1, "%s", line);
	rows[s->state].then(s, line);
}

static void
take_lines(struct session *s)
{
	char line[sizeof(s->in)], *end;

	while ((end = memchr(s->in, '\n', s->n))) {
		size_t n = (size_t)(end - s->in);
		memcpy(line, s->in, n);
		line[n > 0 && line[n - 1] == '\r' ? n - 1 : n] = '\0';
		s->n -= n + 1;
		memmove(s->in, end + 1, s->n);
		on_line(s, line);
	}
	if (s->n == sizeof(s->in))
		errx(1, "a line of a reply is too long");
}

/* Returns whether more may be there. */
static bool
fill(struct session *s)
{
	size_t room = sizeof(s->in) - s->n;
	ssize_t r;

	if (!s->ssl) {
		r = recv(s->watch.fd, s->in + s->n, room, 0);
		if (r < 0 && errno == EAGAIN)
			return false;
		if (r <= 0)
			errx(1, "the server hung up");
		s->n += (size_t)r;
		take_lines(s);
		return false;
	}
	r = SSL_read(s->ssl, s->in + s->n, (int)room);
	if (r <= 0) {
		secure_waits(s->ssl, (int)r, "the server hung up");
		return false;
	}
	s->n += (size_t)r;
	take_lines(s);
	return s->ssl != NULL;
}

static void
on_ready(struct watch *w)
{
	struct session *s = (struct session *)w; /* its first member */

	if (s->state == ST_SHAKE)
		shake(s);
	else
		while (fill(s))
			;
}

void
session_init(struct session *s, struct job *job)
{
	*s = (struct session){.watch = {.fd = -1, .ready = on_ready}, .job = job};
	data_init(&s->data, job, on_data);
}

void
session_open(struct session *s)
{
	s->state = ST_GREETING;
	s->n = 0;
	s->since = loop_now();
	watch_dial(&s->watch, s->job->port);
	watch_want(&s->watch, &s->job->loop, EPOLLIN);
}

void
session_work(struct session *s)
{
	struct job *job = s->job;

	if (job->next >= job->count) {
		rest(s);
		return;
	}
	s->number = job->next++;
	job->work->start(s);
}

/* The last one began a pace ago, or that is awaited. */
static void
keep_pace(const struct session *s)
{
	uint64_t due = s->since + s->job->pace;
	struct timespec at = {.tv_sec = (time_t)(due / 1000000000),
			      .tv_nsec = (long)(due % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

void
session_command(struct session *s)
{
	if (s->job->pace)
		keep_pace(s);
	s->since = loop_now();
	say(s, ST_COMMAND, "%s", s->job->work->verb);
}

void
session_transfer(struct session *s)
{
	say(s, ST_PASV, "PASV");
}

void
session_leave(struct session *s)
{
	say(s, ST_QUIT, "QUIT");
}

void
session_close(struct session *s)
{
	SSL_SESSION_free(s->ticket);
	s->ticket = NULL;
	SSL_free(s->ssl);
	s->ssl = NULL;
	watch_close(&s->watch);
}
