/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A session's life, its lines in order, and the checks that stand before every handler; see
 * wharf/ftp/session.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/ftp/path.h>

#include "transfer.h"

/* A line in the queue: its kind, its length, its bytes. */
struct queued {
	uint32_t kind; /* enum line_result, or 0 for one that was answered out of turn */
	uint32_t n;
};

void
ftp_session_init(struct ftp_session *s, const struct ftp_world *world,
		 const struct settings *settings, const struct sockaddr_storage *peer,
		 const struct sockaddr_storage *local)
{
	*s = (struct ftp_session){.magic = SESSION_MAGIC,
				  .world = world,
				  .settings = settings,
				  .peer = endpoint_of(peer),
				  .local = endpoint_of(local),
				  .ascii = true,
				  .range_start = 1,
				  .facts = FACT_ALL,
				  .idle_timeout = settings->idle_timeout};
	line_reader_init(&s->lines, SESSION_LINE_MAX);
}

void
ftp_session_start(struct ftp_session *s)
{
	if (s->settings->tls == WORD_tls_implicit)
		tls_begin_implicit(s);
	else
		session_greet(s);
}

void
session_greet(struct ftp_session *s)
{
	s->greeted = true;
	reply(s, 220, "%s", s->settings->banner);
}

/* RFC 959 §4.1.1.  EPSV ALL holds on: it was a promise to the way between (attacks A10); and so
 * does the count of failures. */
void
session_reset(struct ftp_session *s)
{
	s->world->logout(s);
	s->world->disconnect(s);
	login_forget(s);
	free(s->user);
	free(s->cwd);
	free(s->rename_from);
	free(s->copy_from);
	s->user = s->cwd = s->rename_from = s->copy_from = NULL;
	s->login = LOGIN_NONE;
	s->data = DATA_NONE;
	s->ascii = true;
	s->facts = FACT_ALL;
	s->hash_algorithm = 0;
	s->idle_timeout = s->settings->idle_timeout;
	prepared_reset(s);
}

void
ftp_session_end(struct ftp_session *s)
{
	s->closing = true;
	if (s->transfer && s->transfer->upload)
		upload_end(s);
	else if (s->task && s->task->stage)
		copy_end(s);
}

void
ftp_session_deinit(struct ftp_session *s)
{
	transfer_free(s);
	task_end(s);
	login_forget(s);
	line_reader_deinit(&s->lines);
	buf_wipe(&s->queue);
	free(s->user);
	free(s->certified);
	free(s->cwd);
	free(s->rename_from);
	free(s->copy_from);
	free(s->path);
	free(s->line);
	s->magic = 0;
}

bool
require_right(struct ftp_session *s, unsigned rights)
{
	if ((s->settings->rights & rights) == rights)
		return true;
	reply(s, 550, "You have no right to do that here.");
	return false;
}

int
find_path(struct ftp_session *s, struct slice arg, char **out)
{
	struct buf path = BUF_INIT;
	int r = path_join(&path, slice_of(s->cwd), arg);

	free(*out);
	*out = NULL;
	if (r == 0 && path_reserved(buf_slice(&path), s->settings->show_versions))
		r = -ENOENT;
	if (r == 0 && path_hidden(buf_slice(&path), (const char *const *)s->settings->hidden.item,
				  s->settings->hidden.n))
		r = -ENOENT;
	if (r == 0) {
		*out = slice_dup(buf_slice(&path));
		r = *out ? 0 : -ENOMEM;
	}
	buf_deinit(&path);
	return r;
}

/* Whether find_path() went well; when not, the reply was sent. */
static bool
is_found(struct ftp_session *s, int r)
{
	if (r == PATH_TOO_LONG)
		reply(s, 553, "The name is too long.");
	else if (r == PATH_BAD)
		reply(s, 501, "A name can't hold that.");
	else if (r < 0)
		reply_errno(s, r);
	return r == 0;
}

bool
resolve_path(struct ftp_session *s, struct slice arg, char **out)
{
	return is_found(s, find_path(s, arg, out));
}

bool
resolve_name(struct ftp_session *s, struct slice arg, char **out)
{
	struct buf path = BUF_INIT;
	bool reserved = path_join(&path, slice_of(s->cwd), arg) == 0 &&
			path_reserved(buf_slice(&path), false);

	buf_deinit(&path);
	if (reserved)
		reply(s, 553, "That name is reserved.");
	return !reserved && resolve_path(s, arg, out);
}

/*
 * Whether only a folder can have that name.  open(2) makes no file of it either (EISDIR), and an
 * upload to "x/" is one of a client that took x for a folder, or lost the name.
 */
static bool
is_folder_name(struct slice arg)
{
	struct slice last = path_base(arg);

	return last.n == 0 || slice_equal(last, SLICE(".")) || slice_equal(last, SLICE(".."));
}

/* What a row of the table demands.  Returns false when it was refused, and the reply sent. */
static bool
may_run(struct ftp_session *s, const struct command *c, struct slice arg)
{
	if (c->needs >= NEEDS_USER && s->login != LOGIN_DONE) {
		reply(s, 530, "Log in with USER and PASS.");
		return false;
	}
	if (c->argument == ARG_NONE && arg.n) {
		reply(s, 501, "%s takes no argument.", c->verb.p);
		return false;
	}
	if (c->argument != ARG_NONE && c->argument != ARG_ANY && c->argument != ARG_PATH_OPT &&
	    !arg.n) {
		reply(s, 501, "%s needs an argument.", c->verb.p);
		return false;
	}
	if ((c->right && !require_right(s, c->right)) || !tls_allows(s, c, arg))
		return false;
	if (c->needs == NEEDS_DATA && s->data == DATA_NONE) {
		reply(s, 425, "Use PASV, EPSV, PORT or EPRT first.");
		return false;
	}
	if (c->argument == ARG_PATH || c->argument == ARG_PATH_OPT)
		return resolve_path(s, arg, &s->path);
	if (c->argument == ARG_FILE && is_folder_name(arg)) {
		reply(s, 553, "That is the name of a folder.");
		return false;
	}
	return (c->argument != ARG_NAME && c->argument != ARG_FILE) ||
	       resolve_name(s, arg, &s->path);
}

/* Runs one row with its argument.  SITE runs another row inside its own. */
static void
run_command(struct ftp_session *s, const struct command *c, struct slice arg)
{
	s->running = c;
	if (may_run(s, c, arg))
		c->run(s, arg);
	else if (c->needs == NEEDS_DATA)
		prepared_reset(s);
	if (s->waits == WAIT_NONE)
		finish(s);
}

/* An AT_ONCE command: the one that runs stays the one that runs. */
static void
run_aside(struct ftp_session *s, const struct command *c, struct slice arg)
{
	if (may_run(s, c, arg))
		c->run(s, arg);
}

static void
run_unknown(struct ftp_session *s, struct slice line)
{
	if (command_is_foreign(line)) {
		ftp_session_expire(s, "This is an FTP server.");
	} else if (s->login != LOGIN_DONE && ++s->unknown > SESSION_UNKNOWN_MAX) {
		ftp_session_expire(s, "Too many unknown commands.");
	} else {
		reply(s, 500, "Unknown command.");
	}
}

struct slice
split_word(struct slice text, struct slice *rest)
{
	const char *blank = text.n ? memchr(text.p, ' ', text.n) : NULL;
	size_t n = blank ? (size_t)(blank - text.p) : text.n;

	*rest = slice_from(text, n + (blank ? 1 : 0));
	return slice_head(text, n);
}

/* What the log may show: no password, nor what looks like one behind a blank too many. */
static struct slice
shown_line(struct slice line)
{
	struct slice text = line;

	while (text.n && text.p[0] == ' ')
		text = slice_from(text, 1);
	if (text.n >= 4 && slice_equal_nocase(slice_head(text, 4), SLICE("PASS")))
		return SLICE("PASS (hidden)");
	return line;
}

static void
log_line(struct ftp_session *s, struct slice line)
{
	s->world->log_command(s, shown_line(line), s->last_code);
}

static void
run_line(struct ftp_session *s, enum line_result kind, struct slice line)
{
	if (kind != LINE_READY && command_is_foreign(line)) {
		ftp_session_expire(s, "This is an FTP server.");
		return;
	}
	if (kind != LINE_READY) {
		reply(s, kind == LINE_TOO_LONG ? 500 : 501,
		      kind == LINE_TOO_LONG ? "The command line is too long."
					    : "The command line holds a byte that it can't.");
		return;
	}

	struct slice arg;
	struct slice verb = split_word(line, &arg);
	const struct command *c = command_find(verb);
	unsigned before = s->last_code;
	bool aside = s->waits != WAIT_NONE;

	s->last_code = 0;
	if (s->rename_from && (!c || c->run != do_rnto)) {
		free(s->rename_from);
		s->rename_from = NULL;
	}
	if (!c)
		run_unknown(s, line);
	else if (aside)
		run_aside(s, c, arg);
	else
		run_command(s, c, arg);
	if (s->waits == WAIT_NONE || aside)
		log_line(s, line);
	else if (log_wants(LOG_LEVEL_DEBUG))
		s->line = slice_dup(shown_line(line));
	if (!s->last_code)
		s->last_code = before;
}

/* Whether a line is answered although a command runs. */
static bool
is_at_once(struct ftp_session *s, enum line_result kind, struct slice line)
{
	struct slice rest;

	if (kind != LINE_READY || (s->transfer ? s->transfer->to_control : s->waits != WAIT_JOB))
		return false;
	const struct command *c = command_find(split_word(line, &rest));
	/* ABOR always: it makes an end. */
	if (c && c->run != do_abor && s->world->is_full(s))
		return false;
	/* STAT of a folder is a transfer of its own; and nothing is told of one that 150 did not
	 * announce. */
	return c && c->during == DURING_AT_ONCE && rest.n == 0 &&
	       (c->run == do_abor || s->waits == WAIT_TRANSFER);
}

static void
enqueue(struct ftp_session *s, enum line_result kind, struct slice line)
{
	struct queued head = {kind, (uint32_t)line.n};

	buf_consume(&s->queue, s->queue_at);
	s->aside_at -= s->aside_at < s->queue_at ? s->aside_at : s->queue_at;
	s->queue_at = 0;
	if (buf_reserve_secret(&s->queue, sizeof(head) + line.n) < 0)
		return;
	buf_add(&s->queue, &head, sizeof(head));
	buf_add_slice(&s->queue, line);
}

/*
 * Answers lines of the queue that need not wait for the transfer that runs now.  Each is looked at
 * once, as long as the session waits for the same, lest a long queue be gone through for each byte
 * that comes; but what had to wait for room is looked at again.
 */
static void
run_queue_aside(struct ftp_session *s)
{
	size_t at = s->aside_waits == s->waits ? s->aside_at : 0;

	s->aside_waits = s->waits;
	if (at < s->queue_at)
		at = s->queue_at;
	while (at < s->queue.len && s->waits != WAIT_NONE) {
		struct queued head;
		memcpy(&head, s->queue.data + at, sizeof(head));
		struct slice line = {s->queue.data + at + sizeof(head), head.n};
		if (is_at_once(s, (enum line_result)head.kind, line)) {
			uint32_t done = LINE_MORE;
			memcpy(s->queue.data + at, &done, sizeof(done));
			run_line(s, LINE_READY, line);
		}
		at += sizeof(head) + head.n;
	}
	if (!s->world->is_full(s))
		s->aside_at = at;
}

/* Whether the next line of the queue may run. */
static bool
may_go_on(struct ftp_session *s)
{
	return s->queue_at < s->queue.len && s->waits == WAIT_NONE && !s->closing &&
	       !s->world->is_full(s);
}

/* Runs lines of the queue until one has to wait. */
static void
run_queue(struct ftp_session *s)
{
	if (s->waits == WAIT_NONE)
		s->aside_at = 0;
	while (may_go_on(s)) {
		struct queued head;
		memcpy(&head, s->queue.data + s->queue_at, sizeof(head));
		struct slice line = {s->queue.data + s->queue_at + sizeof(head), head.n};
		s->queue_at += sizeof(head) + head.n;
		if (head.kind != LINE_MORE)
			run_line(s, (enum line_result)head.kind, line);
	}
}

void
session_go_on(struct ftp_session *s)
{
	do {
		run_queue(s);
		if (s->waits != WAIT_NONE && !s->closing)
			run_queue_aside(s);
	} while (may_go_on(s));
	if ((s->waits != WAIT_NONE || s->queue_at < s->queue.len) && !s->closing)
		return;
	buf_wipe(&s->queue);
	s->queue_at = s->aside_at = 0;
	if (s->input_ended && !s->closing) {
		s->closing = true;
		s->world->hang_up(s, true);
	}
}

bool
ftp_session_go_on(struct ftp_session *s)
{
	if (!may_go_on(s))
		return false;
	session_go_on(s);
	return true;
}

void
session_answered(struct ftp_session *s)
{
	if (s->waits == WAIT_NONE && s->line) {
		s->world->log_command(s, slice_of(s->line), s->last_code);
		free(s->line);
		s->line = NULL;
	}
	session_go_on(s);
}

bool
session_has_more(const struct ftp_session *s)
{
	return s->behind || s->queue_at < s->queue.len || !line_reader_is_between(&s->lines);
}

int
ftp_session_input(struct ftp_session *s, const char *bytes, size_t n)
{
	/* The world reads no clear bytes after AUTH: they would be commands inside TLS. */
	if (!CHECK(s->waits != WAIT_TLS))
		return -EPROTO;
	for (;;) {
		struct slice line = SLICE_NULL;
		size_t used;
		int r = line_reader_feed(&s->lines, bytes, n, &used, &line);
		if (r < 0)
			return r;
		if (r == LINE_MORE || s->closing)
			break;
		bytes += used;
		n -= used;
		s->behind = n;
		if (s->waits == WAIT_NONE && s->queue.len == 0 && !s->world->is_full(s))
			run_line(s, (enum line_result)r, line);
		else if (is_at_once(s, (enum line_result)r, line))
			run_line(s, LINE_READY, line);
		else
			enqueue(s, (enum line_result)r, line);
		if (buf_error(&s->queue) < 0)
			return -ENOMEM;
	}
	s->behind = 0;
	session_go_on(s);
	return 0;
}

bool
ftp_session_wants_input(const struct ftp_session *s)
{
	if (s->closing || s->input_ended || s->queue.len - s->queue_at > SESSION_QUEUE_MAX)
		return false;
	return s->waits == WAIT_NONE || s->waits == WAIT_JOB || s->transfer;
}

void
ftp_session_input_ended(struct ftp_session *s)
{
	s->input_ended = true;
	if (s->waits == WAIT_NONE)
		session_go_on(s);
}

void
finish(struct ftp_session *s)
{
	s->waits = WAIT_NONE;
	s->running = NULL;
	s->then = NULL;
	free(s->path);
	s->path = NULL;
	task_end(s);
}

void
ask(struct ftp_session *s, struct message *m, void (*then)(struct ftp_session *, struct message *))
{
	ask_late(s, m, -1, then);
	s->then_late = false;
}

void
ask_late(struct ftp_session *s, struct message *m, int fd,
	 void (*then)(struct ftp_session *, struct message *))
{
	s->waits = WAIT_AGENT;
	s->then = then;
	s->then_late = true;
	m->fd = fd;
	s->world->ask(s, m);
}

void
tell(struct ftp_session *s, struct message *m, int fd)
{
	m->fd = fd;
	s->world->tell(s, m);
}

int
answer_error(const struct message *m)
{
	switch (m->id) {
	case MSG_R_DONE:
		return (int)m->r_done.error;
	case MSG_R_OPENED:
		return (int)m->r_opened.error;
	case MSG_R_STAT:
		return (int)m->r_stat.error;
	case MSG_R_LISTING:
		return (int)m->r_listing.error;
	case MSG_R_SPACE:
		return (int)m->r_space.error;
	case MSG_R_CLOSED:
		return (int)m->r_closed.error;
	default:
		return EPROTO;
	}
}

void
changed(struct ftp_session *s, const char *path, struct slice other)
{
	const struct change_record record = {
		.command = s->running->name, .path = slice_of(path), .other = other};

	s->world->log_change(s, &record);
}

void
answer_done(struct ftp_session *s, struct message *m)
{
	bool told = s->task && s->task->other;

	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	changed(s, s->path, told ? slice_of(s->task->other) : SLICE_NULL);
	reply(s, 250, "Done.");
}

struct task *
task_begin(struct ftp_session *s)
{
	task_end(s);
	s->task = calloc(1, sizeof(*s->task));
	if (s->task)
		s->task->fd = s->task->to = -1;
	else
		reply_errno(s, ENOMEM);
	return s->task;
}

void
task_end(struct ftp_session *s)
{
	if (!s->task)
		return;
	fd_close(&s->task->fd);
	fd_close(&s->task->to);
	free(s->task->other);
	free(s->task->group);
	free(s->task->stage);
	buf_deinit(&s->task->reply);
	buf_deinit(&s->task->done);
	free(s->task);
	s->task = NULL;
}

void
ftp_session_answered(struct ftp_session *s, struct message *m)
{
	void (*then)(struct ftp_session *, struct message *) = s->then;

	if ((s->closing && !s->then_late) || !CHECK(s->waits == WAIT_AGENT && then)) {
		fd_close(&m->fd);
		return;
	}
	s->then = NULL;
	if (s->closing) {
		then(s, m);
		fd_close(&m->fd);
		return;
	}
	s->waits = WAIT_NONE;
	then(s, m);
	if (s->waits == WAIT_NONE)
		finish(s);
	session_answered(s);
}

void
ftp_session_reserved(struct ftp_session *s, int error, uint64_t bytes)
{
	/* What was reserved for a session that is closing is released at its end. */
	if (s->closing || !CHECK(s->waits == WAIT_QUOTA))
		return;
	if (s->transfer)
		upload_reserved(s, error, bytes);
	else
		copy_reserved(s, error);
	session_answered(s);
}

void
ftp_session_expire(struct ftp_session *s, const char *why)
{
	if (s->closing)
		return;
	/* A reply whose time had come but for a last question to the agent. */
	if (s->transfer && s->transfer->upload)
		upload_expire(s);
	s->closing = true;
	/* In the middle of a handshake nothing can be said. */
	if (s->waits != WAIT_TLS)
		reply(s, 421, "%s", why);
	s->world->hang_up(s, s->waits != WAIT_TLS);
}
