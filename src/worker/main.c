/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * wharfd-worker: started by the monitor, with descriptors 0 and 1 on /dev/null, 2 the log, 3 the
 * channel to the monitor. It serves the sessions that it is sent, and sees no path of the disk.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/base/memory.h>
#include <wharf/sandbox/sandbox.h>

#include "worker.h"

#define MONITOR_FD 3

static struct worker worker;

/* What W_START said. */
struct start {
	struct settings settings;
	struct sandbox_worker sandbox;
	bool seen;
};

static int
take_start(struct start *start, const struct w_start *m)
{
	char name[24];

	if (start->seen)
		return -EPROTO;
	int r = settings_decode(&start->settings, m->settings);
	if (r < 0)
		return r;
	start->seen = true;
	snprintf(name, sizeof(name), "worker %u", m->worker);
	log_setup(name, STDERR_FILENO, (enum log_level)start->settings.log_level,
		  start->settings.log_format == WORD_log_format_json);
	start->sandbox = (struct sandbox_worker){
		.as_root = m->as_root,
		.confined = start->settings.sandbox != WORD_sandbox_none,
		.uid = m->uid,
		.gid = m->gid,
		.empty_directory = start->settings.empty_directory,
	};
	return worker_configure(&worker, &start->settings);
}

/* A host's certificates are read before the jail, and what is wrong with them is told. */
static int
take_host(const struct start *start, struct wire *wire, struct message *m)
{
	struct buf text = BUF_INIT;
	struct message answer;
	int r = hosts_take(&worker.hosts, &start->settings, m, &answer, &text);

	if (r == HOSTS_ANSWER)
		r = wire_send(wire, &answer);
	buf_deinit(&text);
	return r;
}

/* One message of the phase START.  0, 1 when it was the last one, or a negative errno. */
static int
take_message(struct start *start, struct wire *wire, struct message *m)
{
	if (m->id != MSG_W_START && !start->seen && m->id != MSG_W_LOG)
		return -EPROTO;
	switch (m->id) {
	case MSG_W_START:
		return take_start(start, &m->w_start);
	case MSG_W_LISTENER:
		return worker_add_listener(&worker, m->w_listener.listener, m->w_listener.settings);
	case MSG_W_LOG:
		worker_set_log(m->fd);
		return 0;
	case MSG_W_XFERLOG:
		worker_set_xferlog(&worker, m->fd);
		return 0;
	case MSG_W_SPOOL:
		journal_open(&worker.journal, m->fd);
		return 0;
	case MSG_W_HOST:
	case MSG_W_HOST_FILE:
	case MSG_W_HOST_END:
		return take_host(start, wire, m);
	case MSG_W_USER:
		return rules_add(&worker.rules, m->w_user.user, m->w_user.require_tls);
	case MSG_W_RUN:
		return 1;
	default:
		return -EPROTO;
	}
}

/* Reads until W_RUN.  0, -EPIPE when the monitor is gone, or another negative errno. */
static int
read_start(struct start *start, struct wire *wire)
{
	for (;;) {
		struct message m = {.fd = -1};
		int r = wire_recv(wire, &m);
		if (r < 0)
			return r;
		if (r == WIRE_CLOSED || r == WIRE_FD_LOST)
			return r == WIRE_CLOSED ? -EPIPE : -EMFILE;
		r = take_message(start, wire, &m);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

/* Before the jail: limits, signals, memory.  0 or a negative errno. */
static int
prepare(void)
{
	struct rlimit files, none = {0, 0};
	int r = identity_die_with_parent();

	if (r == 0)
		r = fd_close_from(MONITOR_FD + 1);
	if (r < 0)
		return r;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	setrlimit(RLIMIT_CORE, &none);
	/* A socket or a file size limit answers with an errno, not with a signal. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* A transfer's blocks come from the heap and go back to it: a mapping of its own each would
	 * cost faults. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	return worker_init(&worker);
}

static int
fail(const char *what, int error)
{
	LOG(ERROR, what, LOG_ERRNO(error));
	return 1;
}

int
main(void)
{
	struct start start = {.seen = false};
	struct protections got;
	struct wire wire;

	log_setup("worker", STDERR_FILENO, LOG_LEVEL_INFO, false);
	int r = prepare();
	if (r < 0)
		return fail("the worker can't start", r);
	wire_init(&wire, MONITOR_FD, WIRE_WORKER, WIRE_MONITOR);
	r = read_start(&start, &wire);
	if (r == -EPIPE)
		return 0;
	if (r < 0)
		return fail("the monitor's start was not understood", r);

	r = sandbox_worker(&start.sandbox, &got);
	if (r < 0) {
		LOG(ERROR, "the worker can't be confined", LOG_STR("step", got.failed),
		    LOG_ERRNO(r));
		return 1;
	}
	protections_log(&got);
	settings_deinit(&start.settings);
	memory_settle();
	return worker_run(&worker, &wire);
}
