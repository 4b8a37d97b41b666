/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Scripts of script.h. */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script.h"

/* Takes the next line off the buffer, without its end of n bytes. */
static char *
take_line(struct buf *b, size_t n)
{
	const char *end = b->len ? memchr(b->data, '\n', b->len) : NULL;

	if (!end)
		return NULL;
	size_t used = (size_t)(end - b->data) + 1;
	char *line = strndup(b->data, used - n);
	assert_true(used >= n && (n == 1 || end[-1] == '\r'));
	buf_consume(b, used);
	return line;
}

void
world_expect(struct world *w, const char *pattern, const char *after)
{
	char *line = take_line(&w->out, 2);

	if (!line)
		fail_msg("nothing was replied to %s, not %s", after, pattern);
	if (fnmatch(pattern, line, 0) != 0)
		fail_msg("to %s: expected %s, got %s", after, pattern, line);
	free(line);
}

static void
expect_trace(struct world *w, const char *pattern, const char *after)
{
	char *line = take_line(&w->trace, 1);

	if (!line)
		fail_msg("nothing was done behind %s, not %s", after, pattern);
	if (fnmatch(pattern, line, 0) != 0)
		fail_msg("behind %s: expected %s, done was %s", after, pattern, line);
	free(line);
}

static void
secured(struct world *w, const char *user)
{
	struct tls_client client = {user ? slice_of(user) : SLICE_NULL};

	assert_true(w->securing);
	w->securing = false;
	ftp_session_secured(&w->s, &client);
	world_turn(w);
}

/* The number that ends the text, or -1. */
static int
number_in(const char *text)
{
	const char *digit = strpbrk(text, "0123456789");

	return digit ? (int)strtol(digit, NULL, 10) : -1;
}

static void
act_go(struct world *w, const char *what)
{
	(void)what;
	w->held = w->held_all = false;
	world_turn(w);
}

static void
act_hold(struct world *w, const char *what)
{
	w->held = true;
	w->held_all = strcmp(what, "hold all") == 0;
}

static void
act_connect(struct world *w, const char *what)
{
	(void)what;
	w->connect = false;
	ftp_session_connected(&w->s, 0);
}

static void
act_answer(struct world *w, const char *what)
{
	(void)what;
	assert_true(w->pending);
	world_answer(w);
}

static void
act_reserved(struct world *w, const char *what)
{
	(void)what;
	assert_true(w->reserving);
	world_end_reserving(w);
}

static void
act_transferred(struct world *w, const char *what)
{
	(void)what;
	assert_true(w->transfer);
	world_end_transfer(w);
}

static void
act_end(struct world *w, const char *what)
{
	w->end = strcmp(what, "full") == 0    ? TRANSFER_FILE_ERROR
		 : strcmp(what, "reset") == 0 ? TRANSFER_RESET
					      : (enum transfer_end)number_in(what);
	if (what[0] != 'e')
		act_go(w, what);
}

static void
act_twice(struct world *w, const char *what)
{
	ftp_session_input(&w->s, "ABOR\r\nABOR\r\n", 12);
	act_go(w, what);
}

static void
act_tick(struct world *w, const char *what)
{
	(void)what;
	ftp_session_job_runs(&w->s, 7);
}

static void
act_expire(struct world *w, const char *what)
{
	(void)what;
	ftp_session_expire(&w->s, "Too late.");
}

static void
act_lost(struct world *w, const char *what)
{
	(void)what;
	ftp_session_end(&w->s);
	if (w->transfer) {
		w->end = TRANSFER_CONTROL_LOST;
		world_end_transfer(w);
	}
}

static void
act_gone(struct world *w, const char *what)
{
	(void)what;
	assert_true(w->hung_up && w->graceful);
}

static void
act_tls(struct world *w, const char *what)
{
	secured(w, what[3] ? what + 4 : NULL);
}

static void
act_no_tls(struct world *w, const char *what)
{
	(void)what;
	assert_false(w->securing);
}

static void
act_clear(struct world *w, const char *what)
{
	assert_int_equal(w->clear, what[0] == 'c');
	w->clear = false;
}

static void
act_protected(struct world *w, const char *what)
{
	assert_int_equal(w->plan.protect, what[0] == 'p');
}

static void
act_tickets(struct world *w, const char *what)
{
	assert_int_equal(w->tickets, number_in(what));
	w->tickets = 0;
}

static void
act_delayed(struct world *w, const char *what)
{
	assert_int_equal(w->delayed, number_in(what));
	w->delayed = 0;
}

static void
act_asked(struct world *w, const char *what)
{
	assert_true(slice_equal(buf_slice(&w->question), slice_of(what + 6)));
}

static void
act_host(struct world *w, const char *what)
{
	assert_true(slice_equal(buf_slice(&w->host), slice_of(what + 5)));
}

/* By how they begin; the first that fits counts. */
static const struct {
	const char *begins;
	void (*run)(struct world *w, const char *what);
} acts[] = {
	{"hold", act_hold},           {"host ", act_host},     {"connect", act_connect},
	{"answer", act_answer},       {"asked ", act_asked},   {"reserved", act_reserved},
	{"reset", act_end},           {"full", act_end},       {"end ", act_end},
	{"gone", act_gone},           {"go", act_go},          {"twice", act_twice},
	{"tickets ", act_tickets},    {"tick", act_tick},      {"tls", act_tls},
	{"no tls", act_no_tls},       {"clear", act_clear},    {"not clear", act_clear},
	{"protected", act_protected}, {"bare", act_protected}, {"delayed ", act_delayed},
	{"expire", act_expire},       {"lost", act_lost},      {"transferred", act_transferred},
};

void
world_act(struct world *w, const char *what)
{
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strncmp(what, acts[i].begins, strlen(acts[i].begins)) == 0) {
			acts[i].run(w, what);
			return;
		}
	fail_msg("nobody can do \"%s\"", what);
}

static void
send_line(struct world *w, const char *line)
{
	struct buf piece = BUF_INIT;

	if (w->out.len)
		fail_msg("before \"%s\": unread: %.*s", line, (int)w->out.len, w->out.data);
	if (w->setup.traced && w->trace.len)
		fail_msg("before \"%s\": also done: %.*s", line, (int)w->trace.len, w->trace.data);
	buf_add_str(&piece, line + 2);
	if (*line == '>')
		buf_add_str(&piece, "\r\n");
	assert_int_equal(ftp_session_input(&w->s, piece.data, piece.len), 0);
	buf_deinit(&piece);
	world_turn(w);
}

void
world_run(struct world *w, const char *const *script)
{
	const char *last = "the connect";

	for (; *script; script++) {
		const char *text = *script + 2;
		if (**script == '<')
			world_expect(w, text, last);
		else if (**script == '!')
			world_act(w, text);
		else if (**script == '=')
			expect_trace(w, text, last);
		else
			send_line(w, *script);
		if (**script != '<' && **script != '=')
			last = text;
	}
	if (w->out.len && !w->setup.traced)
		fail_msg("at the end: unread: %.*s", (int)w->out.len, w->out.data);
}

void
run_script(const struct setup *setup, const char *const *script)
{
	struct world w;

	world_init(&w, setup);
	world_run(&w, script);
	world_deinit(&w);
}
