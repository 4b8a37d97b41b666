/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The world of world.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/address.h>
#include <wharf/base/fd.h>

#include "world.h"

#define PERM_ALL 0x3ff
#define STAGE    ".wharfd-stage"

/* part: of a broken upload of the user's own, where it is not 0. */
static const struct file {
	const char *path;
	mode_t mode;
	uint64_t size, part;
	const char *digest;
} files[] = {
	{"/", S_IFDIR | 0755, 0, 0, ""},
	{"/pub", S_IFDIR | 0755, 0, 0, ""},
	{"/pub/a b", S_IFREG | 0644, 7, 0, ""},
	{"/file", S_IFREG | 0644, 1000, 0, ""},
	{"/summed", S_IFREG | 0644, 1000, 0, "sha256:ab01"},
	{"/half", S_IFREG | 0644, 1000, 400, ""},
	{"/part", 0, 0, 400, ""},
	{"/ lead", S_IFREG | 0644, 3, 0, ""},
	{"/-a", S_IFDIR | 0755, 0, 0, ""},
	{"/[a] *", S_IFREG | 0600, 9, 0, ""},
	{"/file 5", S_IFREG | 0644, 5, 0, ""},
	{"/fifo", S_IFIFO | 0644, 0, 0, ""},
	{"/q\"t", S_IFDIR | 0755, 0, 0, ""},
	{"/20260101000000 x", S_IFREG | 0644, 1, 0, ""},
	{"/.wharfd-stage", S_IFREG | 01600, 1, 0, ""},
	{"/.wharfd-versions", S_IFDIR | 0755, 0, 0, ""},
};

static struct world *
world_of(struct ftp_session *s)
{
	return (struct world *)((char *)s - offsetof(struct world, s));
}

static unsigned
count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int
some_file(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
w_reply(struct ftp_session *s, struct slice bytes)
{
	/* In the middle of a handshake nothing can be said. */
	assert_false(world_of(s)->securing);
	buf_add_slice(&world_of(s)->out, bytes);
}

static bool
w_is_full(struct ftp_session *s)
{
	const struct world *w = world_of(s);

	return w->room && w->out.len >= w->room;
}

static void
w_hang_up(struct ftp_session *s, bool graceful)
{
	world_of(s)->hung_up = true;
	world_of(s)->graceful = graceful;
}

static uint64_t
w_now(struct ftp_session *s)
{
	return world_of(s)->clock;
}

static void
w_delay(struct ftp_session *s, uint64_t ms)
{
	world_of(s)->delay = true;
	world_of(s)->delayed = ms;
}

static bool
w_can_secure(struct ftp_session *s)
{
	return !world_of(s)->setup.bare;
}

static void
w_secure(struct ftp_session *s)
{
	assert_false(world_of(s)->securing);
	world_of(s)->securing = true;
}

static void
w_unsecure(struct ftp_session *s)
{
	assert_false(world_of(s)->clear);
	world_of(s)->clear = true;
}

static void
w_ticket(struct ftp_session *s)
{
	world_of(s)->tickets++;
}

static bool
w_host(struct ftp_session *s, struct slice name)
{
	struct world *w = world_of(s);

	if (slice_equal(name, SLICE("nobody.example")))
		return false;
	buf_reset(&w->host);
	buf_add_slice(&w->host, name);
	return true;
}

static int
w_required(struct ftp_session *s, struct slice user)
{
	return slice_equal(user, SLICE("demo")) ? world_of(s)->setup.block - 1 : -1;
}

/* The path that a question is about; every F_* message has one, but at different places. */
static struct slice
path_of(const struct message *m)
{
	switch (m->id) {
	case MSG_F_OPEN:
		return m->f_open.path;
	case MSG_F_COMMIT:
		return m->f_commit.path;
	case MSG_F_KEEP:
		return m->f_keep.path;
	case MSG_F_STAT:
		return m->f_stat.path;
	case MSG_F_LIST:
		return m->f_list.path;
	case MSG_F_MKDIR:
		return m->f_mkdir.path;
	case MSG_F_RMDIR:
		return m->f_rmdir.path;
	case MSG_F_UNLINK:
		return m->f_unlink.path;
	case MSG_F_RENAME:
		return m->f_rename.from;
	case MSG_F_CHMOD:
		return m->f_chmod.path;
	case MSG_F_CHGRP:
		return m->f_chgrp.path;
	case MSG_F_UTIME:
		return m->f_utime.path;
	case MSG_F_SYMLINK:
		return m->f_symlink.path;
	default:
		return m->f_space.path;
	}
}

static void
trace_question(struct world *w, const struct message *m)
{
	if (m->id == MSG_F_OPEN)
		buf_printf(&w->trace, "open %u %.*s\n", m->f_open.how, SLICE_FMT(m->f_open.path));
	if (m->id == MSG_F_COMMIT)
		buf_printf(&w->trace, "commit %u %o %.*s %.*s %.*s\n", m->f_commit.how,
			   m->f_commit.mode, SLICE_FMT(m->f_commit.path),
			   SLICE_FMT(m->f_commit.stage), SLICE_FMT(m->f_commit.digest));
	if (m->id == MSG_F_KEEP)
		buf_printf(&w->trace, "%s %.*s %.*s\n", m->f_keep.discard ? "discard" : "keep",
			   SLICE_FMT(m->f_keep.path), SLICE_FMT(m->f_keep.stage));
	/* An end comes with its file, and nothing else with any. */
	assert_int_equal(m->id == MSG_F_COMMIT || m->id == MSG_F_KEEP, m->fd >= 0);
}

static void
w_ask(struct ftp_session *s, struct message *m)
{
	struct world *w = world_of(s);

	assert_false(w->pending);
	trace_question(w, m);
	w->ask = *m;
	fd_close(&w->ask.fd);
	buf_reset(&w->asked);
	buf_add_slice(&w->asked, path_of(m));
	w->pending = true;
}

static void
w_tell(struct ftp_session *s, struct message *m)
{
	trace_question(world_of(s), m);
	fd_close(&m->fd);
}

static void
w_close(struct ftp_session *s, int fd)
{
	(void)s;
	fd_close(&fd);
}

static void
ask_login(struct world *w, enum word_source source, struct slice user)
{
	w->login = true;
	buf_reset(&w->question);
	buf_add_byte(&w->question, "upa"[source]);
	buf_add_byte(&w->question, ' ');
	buf_add_slice(&w->question, user);
	w->known = slice_equal(user, SLICE("demo")) || slice_equal(user, SLICE("till7"));
}

static void
w_login(struct ftp_session *s, enum word_source source, struct slice user, struct slice secret)
{
	struct world *w = world_of(s);

	ask_login(w, source, user);
	w->certified = false;
	w->right = source == WORD_source_anonymous || slice_equal(secret, SLICE("secret"));
}

static void
w_login_certified(struct ftp_session *s, enum word_source source, struct slice user)
{
	assert_int_not_equal(source, WORD_source_anonymous);
	assert_true(s->secure);
	ask_login(world_of(s), source, user);
	world_of(s)->certified = true;
}

static void
w_login_answer(struct ftp_session *s, struct slice secret)
{
	w_login(s, WORD_source_pam, SLICE("demo"), secret);
}

static void
w_logout(struct ftp_session *s)
{
	world_of(s)->logouts++;
	s->settings = &world_of(s)->listener;
}

static int
w_passive(struct ftp_session *s, int family, struct sockaddr_storage *announce)
{
	*announce = s->local;
	announce->ss_family = (sa_family_t)family;
	address_set_port(announce, 50000);
	return 0;
}

static void
w_active(struct ftp_session *s, const struct sockaddr_storage *to)
{
	(void)s;
	assert_true(address_port(to) >= 1024);
}

static void
w_connect(struct ftp_session *s)
{
	world_of(s)->connect = true;
}

static void
w_disconnect(struct ftp_session *s)
{
	world_of(s)->connect = false;
}

static void
w_transfer(struct ftp_session *s, const struct transfer_plan *plan)
{
	struct world *w = world_of(s);

	w->transfer = true;
	w->plan = *plan;
	if (plan->kind != TRANSFER_SEND_PIPE)
		buf_printf(&w->trace, "%s %llu %lld %d %d %d %lld\n",
			   plan->kind == TRANSFER_RECEIVE ? "receive" : "send",
			   (unsigned long long)plan->offset, (long long)plan->length, plan->cut,
			   plan->digest, plan->sync, (long long)plan->reserved);
}

static void
w_reserve(struct ftp_session *s, uint64_t bytes, uint64_t least, bool new_file, bool replaces)
{
	struct world *w = world_of(s);

	assert_false(w->reserving);
	w->reserving = true;
	buf_printf(&w->trace, "reserve %llu %llu %d %d\n", (unsigned long long)bytes,
		   (unsigned long long)least, new_file, replaces);
}

static void
w_release(struct ftp_session *s)
{
	buf_add_str(&world_of(s)->trace, "release\n");
}

static void
w_ask_quota(struct ftp_session *s)
{
	world_of(s)->asking_quota = true;
}

static void
w_stop(struct ftp_session *s, enum transfer_end end)
{
	world_of(s)->end = end;
	world_of(s)->held = false;
}

static uint64_t
w_moved(struct ftp_session *s)
{
	(void)s;
	return 42;
}

static void
w_read_pipe(struct ftp_session *s, int fd)
{
	fd_close(&fd);
	world_of(s)->pipe = true;
}

static void
w_job(struct ftp_session *s, const struct job_plan *plan)
{
	struct world *w = world_of(s);

	w->job = true;
	w->stopped = false;
	w->job_plan = *plan;
	buf_printf(&w->trace, "job %s %d %d\n", plan->kind == JOB_COPY ? "copy" : "digest",
		   plan->digest, plan->sync);
}

static void
w_job_stop(struct ftp_session *s)
{
	world_of(s)->stopped = true;
}

static void
w_log_command(struct ftp_session *s, struct slice line, unsigned code)
{
	(void)s;
	(void)code;
	assert_false(slice_starts(line, SLICE("PASS s")));
}

static void
w_log_login(struct ftp_session *s, struct slice user, bool accepted, const char *why)
{
	(void)s;
	(void)user;
	(void)accepted;
	assert_non_null(why);
}

static void
w_log_transfer(struct ftp_session *s, const struct transfer_record *r)
{
	assert_true(r->command.n > 0);
	if (r->path.n)
		buf_printf(&world_of(s)->trace, "log %.*s %.*s %s %d %llu %.*s %d\n",
			   SLICE_FMT(r->command), SLICE_FMT(r->path), r->verdict, r->whole,
			   (unsigned long long)r->size, SLICE_FMT(r->digest), r->error);
}

static void
w_log_change(struct ftp_session *s, const struct change_record *r)
{
	assert_true(r->command.n > 0 && r->path.n > 0);
	buf_printf(&world_of(s)->trace, "change %.*s %.*s %.*s\n", SLICE_FMT(r->command),
		   SLICE_FMT(r->path), SLICE_FMT(r->other));
}

static const struct ftp_world world_ops = {
	.reply = w_reply,
	.is_full = w_is_full,
	.hang_up = w_hang_up,
	.now = w_now,
	.delay = w_delay,
	.can_secure = w_can_secure,
	.secure = w_secure,
	.unsecure = w_unsecure,
	.ticket = w_ticket,
	.host = w_host,
	.required = w_required,
	.ask = w_ask,
	.tell = w_tell,
	.close = w_close,
	.login = w_login,
	.login_certified = w_login_certified,
	.login_answer = w_login_answer,
	.logout = w_logout,
	.passive = w_passive,
	.active = w_active,
	.connect = w_connect,
	.disconnect = w_disconnect,
	.transfer = w_transfer,
	.reserve = w_reserve,
	.release = w_release,
	.ask_quota = w_ask_quota,
	.stop = w_stop,
	.moved = w_moved,
	.read_pipe = w_read_pipe,
	.job = w_job,
	.job_stop = w_job_stop,
	.log_command = w_log_command,
	.log_login = w_log_login,
	.log_transfer = w_log_transfer,
	.log_change = w_log_change,
};

static const struct file *
find_file(struct slice path)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (slice_equal(slice_of(files[i].path), path))
			return &files[i];
	return NULL;
}

static void
open_for_reading(const struct f_open *q, const struct file *f, struct r_opened *r)
{
	r->size = f ? f->size : 0;
	r->error = !f || !f->mode ? ENOENT : S_ISREG(f->mode) ? 0 : ENXIO;
	if (f && q->how & OPEN_DIGEST)
		r->digest = slice_of(f->digest);
}

/* What an agent does that can stage, unless nothing can be staged here. */
static void
open_for_writing(struct world *w, const struct file *f, struct r_opened *r)
{
	unsigned how = w->ask.f_open.how;
	bool stages = (how & OPEN_STAGE) && !w->setup.in_place;
	bool goes_on = stages && f && f->part && !(how & OPEN_TRUNCATE);
	bool exists = f && f->mode && !(how & OPEN_UNIQUE);

	r->name = SLICE("/ftp.unique");
	if (exists && (how & OPEN_EXCLUSIVE) && !goes_on)
		r->error = EEXIST;
	else if (!exists && !goes_on && !(how & OPEN_CREATE))
		r->error = ENOENT;
	r->stage = stages ? SLICE(STAGE) : SLICE("");
	r->created = stages ? !(f && f->part) : !exists;
	r->replaces = stages && exists;
	if (!(how & OPEN_TRUNCATE) || (!stages && (how & OPEN_STAGE)))
		r->size = goes_on ? f->part : exists ? f->size : 0;
}

static void
answer_stat(const struct f_stat *q, const struct file *f, struct r_stat *r)
{
	bool part = q->part && f && f->part;

	*r = (struct r_stat){.error = part || (f && f->mode) ? 0 : ENOENT, .perm = PERM_ALL};
	r->mode = part ? S_IFREG | 0600 : f ? f->mode : 0;
	r->size = part ? f->part : f ? f->size : 0;
	r->mtime = 1767225600;
}

static void
answer_open(struct world *w, const struct file *f, struct message *m)
{
	m->id = MSG_R_OPENED;
	if (w->ask.f_open.how & OPEN_READ)
		open_for_reading(&w->ask.f_open, f, &m->r_opened);
	else
		open_for_writing(w, f, &m->r_opened);
	if (w->setup.open_error)
		m->r_opened.error = (uint32_t)w->setup.open_error;
	if (!m->r_opened.error)
		m->fd = some_file();
}

/* What an agent with those files would say. */
static void
answer(struct world *w)
{
	struct message m = {.fd = -1};
	const struct file *f = find_file(buf_slice(&w->asked));
	uint32_t missing = f ? 0 : ENOENT;

	w->pending = false;
	switch (w->ask.id) {
	case MSG_F_STAT:
		m.id = MSG_R_STAT;
		answer_stat(&w->ask.f_stat, f, &m.r_stat);
		break;
	case MSG_F_OPEN:
		answer_open(w, f, &m);
		break;
	case MSG_F_COMMIT:
		m.id = MSG_R_CLOSED;
		m.r_closed.error = (uint32_t)w->setup.commit_error;
		m.r_closed.size = w->plan.offset + 10;
		break;
	case MSG_F_KEEP:
		m.id = MSG_R_CLOSED;
		break;
	case MSG_F_LIST:
		m.id = MSG_R_LISTING;
		m.r_listing.error = missing;
		if (f && (w->ask.f_list.flags & LIST_ONLY_FOLDER) && !S_ISDIR(f->mode))
			m.r_listing.error = ENOTDIR;
		m.r_listing.is_file = f && !S_ISDIR(f->mode);
		m.fd = m.r_listing.error ? -1 : some_file();
		break;
	case MSG_F_SPACE:
		m.id = MSG_R_SPACE;
		m.r_space.bytes = 5000;
		break;
	case MSG_F_MKDIR:
	case MSG_F_SYMLINK:
		m.id = MSG_R_DONE;
		m.r_done.error = f ? EEXIST : 0;
		break;
	default:
		m.id = MSG_R_DONE;
		m.r_done.error = missing;
		if (w->ask.id == MSG_F_UTIME && w->setup.utime_error)
			m.r_done.error = (uint32_t)w->setup.utime_error;
	}
	ftp_session_answered(&w->s, &m);
}

/* The users file does not know till7 where PAM is a source too. */
static void
judge(struct world *w)
{
	bool pam = w->question.data[0] == 'p';
	enum auth_verdict verdict = !w->known      ? AUTH_UNKNOWN
				    : w->certified ? (pam ? AUTH_OK : w->setup.says)
				    : w->right     ? AUTH_OK
						   : AUTH_NO;
	struct slice user = slice_from(buf_slice(&w->question), 2);
	struct slice text = verdict == AUTH_OK && w->setup.message ? slice_of(w->setup.message)
								   : SLICE_NULL;

	w->login = false;
	if (w->question.data[0] == 'a')
		verdict = AUTH_OK;
	else
		ftp_session_judged(&w->s, verdict, text);
	if (verdict == AUTH_OK)
		ftp_session_logged_in(&w->s, user, &w->user);
}

static void
end_pipe(struct world *w)
{
	w->pipe = false;
	ftp_session_piped(&w->s, SLICE("-rw-r--r-- 1 a"));
	ftp_session_piped(&w->s, SLICE(" b\r\n226 forged\r\n"));
	ftp_session_piped(&w->s, SLICE_NULL);
}

/* Ten bytes came, or went. */
static void
end_transfer(struct world *w)
{
	bool receives = w->plan.kind == TRANSFER_RECEIVE;
	const struct transfer_result result = {
		.end = w->end,
		.error = w->end == TRANSFER_FILE_ERROR ? -ENOSPC : 0,
		.bytes = 10,
		.fd = receives ? w->plan.fd : -1,
		.size = w->plan.offset + 10,
		.digest = w->setup.tell_digests ? SLICE("crc32:01ab") : SLICE_NULL,
		.protected = w->plan.protect,
	};

	w->transfer = false;
	if (!receives)
		fd_close(&w->plan.fd);
	w->end = w->setup.end;
	ftp_session_transferred(&w->s, &result);
}

static void
end_job(struct world *w)
{
	bool copies = w->job_plan.kind == JOB_COPY;
	int error = w->stopped ? -ECANCELED : 0;

	w->job = false;
	fd_close(&w->job_plan.from);
	ftp_session_job_done(&w->s, error,
			     error    ? SLICE_NULL
			     : copies ? SLICE("crc32:01ab")
				      : SLICE("abcd"),
			     copies ? w->job_plan.to : -1);
}

static void
end_reserving(struct world *w)
{
	bool limited = w->setup.quota.limit_bytes;

	w->reserving = false;
	ftp_session_reserved(&w->s, -w->setup.reserve_error, limited ? 100 : UINT64_MAX);
}

static void
tell_quota(struct world *w)
{
	struct quota q = w->setup.quota;

	w->asking_quota = false;
	q.limit_bytes = q.limit_bytes ? q.limit_bytes : UINT64_MAX;
	q.limit_files = q.limit_files ? q.limit_files : UINT64_MAX;
	ftp_session_quota_told(&w->s, -w->setup.quota_error, &q);
}

void
world_turn(struct world *w)
{
	while (!w->held_all) {
		if (w->pending) {
			answer(w);
		} else if (w->login) {
			judge(w);
		} else if (w->delay) {
			w->delay = false;
			ftp_session_delayed(&w->s);
		} else if (w->connect && !w->held) {
			w->connect = false;
			ftp_session_connected(&w->s, 0);
		} else if (w->reserving) {
			end_reserving(w);
		} else if (w->asking_quota) {
			tell_quota(w);
		} else if (w->pipe) {
			end_pipe(w);
		} else if (w->transfer && !w->held) {
			end_transfer(w);
		} else if (w->job && !w->held) {
			end_job(w);
		} else {
			return;
		}
	}
}

void
world_init(struct world *w, const struct setup *setup)
{
	struct network net;

	*w = (struct world){.setup = *setup, .end = setup->end};
	w->descriptors = count_descriptors();
	assert_int_equal(settings_init(&w->listener), 0);
	assert_int_equal(settings_init(&w->user), 0);
	w->listener.tls = w->user.tls = setup->tls;
	w->listener.require_tls = setup->require;
	w->user.require_tls = setup->final;
	w->listener.ccc = w->user.ccc = setup->ccc;
	w->listener.tls_client_password = w->user.tls_client_password = !setup->no_password;
	w->listener.sources.n = 0;
	for (const char *c = setup->sources ? setup->sources : "u"; *c; c++)
		w->listener.sources.item[w->listener.sources.n++] = (uint8_t)(strchr("upa", *c) -
									      "upa");
	w->user.sources = w->listener.sources;
	w->user.durability = (int)setup->durability;
	if (setup->publish)
		w->user.publish = setup->publish;
	if (setup->rights)
		w->user.rights = strtoul(setup->rights, NULL, 16);
	w->user.hidden.item = calloc(1, sizeof(char *));
	w->user.hidden.item[0] = strdup(".git");
	w->user.hidden.n = 1;
	assert_int_equal(network_parse(SLICE("127.0.0.1"), &net), 0);
	ftp_session_init(&w->s, &world_ops, &w->listener, &net.address, &net.address);
	ftp_session_start(&w->s);
}

void
world_deinit(struct world *w)
{
	if (w->setup.traced && w->out.len)
		fail_msg("at the end: unread: %.*s", (int)w->out.len, w->out.data);
	if (w->setup.traced && w->trace.len)
		fail_msg("at the end: also done: %.*s", (int)w->trace.len, w->trace.data);
	/* What the session has handed over is the world's. */
	if (w->transfer)
		fd_close(&w->plan.fd);
	if (w->job) {
		fd_close(&w->job_plan.from);
		fd_close(&w->job_plan.to);
	}
	ftp_session_deinit(&w->s);
	settings_deinit(&w->listener);
	settings_deinit(&w->user);
	buf_deinit(&w->out);
	buf_deinit(&w->asked);
	buf_deinit(&w->question);
	buf_deinit(&w->host);
	buf_deinit(&w->trace);
	assert_int_equal(count_descriptors(), w->descriptors);
}

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
	answer(w);
}

static void
act_reserved(struct world *w, const char *what)
{
	(void)what;
	assert_true(w->reserving);
	end_reserving(w);
}

static void
act_transferred(struct world *w, const char *what)
{
	(void)what;
	assert_true(w->transfer);
	end_transfer(w);
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
		end_transfer(w);
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
