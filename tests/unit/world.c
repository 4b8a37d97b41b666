/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The world of world.h, as far as it is asked; answers.c is what it says. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/base/address.h>
#include <wharf/base/fd.h>

#include "world.h"

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
	struct world *w = world_of(s);

	w->looks++;
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
	case MSG_F_PREPARE:
		return m->f_prepare.path;
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
	if (m->id == MSG_F_PREPARE)
		buf_printf(&w->trace, "prepare %.*s\n", SLICE_FMT(m->f_prepare.path));
	if (m->id == MSG_F_COMMIT)
		buf_printf(&w->trace, "commit %u %o %.*s %.*s %.*s\n", m->f_commit.how,
			   m->f_commit.mode, SLICE_FMT(m->f_commit.path),
			   SLICE_FMT(m->f_commit.stage), SLICE_FMT(m->f_commit.digest));
	if (m->id == MSG_F_KEEP)
		buf_printf(&w->trace, "%s %.*s %.*s\n", m->f_keep.discard ? "discard" : "keep",
			   SLICE_FMT(m->f_keep.path), SLICE_FMT(m->f_keep.stage));
	/* What is said of an open file comes with it, and nothing else does. */
	assert_int_equal(m->id == MSG_F_PREPARE || m->id == MSG_F_COMMIT || m->id == MSG_F_KEEP,
			 m->fd >= 0);
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
	*announce = endpoint_address(&s->local);
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
w_reserve(struct ftp_session *s, uint64_t bytes, uint64_t least, bool one_more, bool replaces)
{
	struct world *w = world_of(s);

	assert_false(w->reserving);
	w->reserving = true;
	w->least = least;
	buf_printf(&w->trace, "reserve %llu %llu %d %d\n", (unsigned long long)bytes,
		   (unsigned long long)least, one_more, replaces);
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
	w->user.versions = setup->versions;
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
