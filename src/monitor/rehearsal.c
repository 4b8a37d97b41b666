/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Reading all hosts before anything listens; see rehearsal.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/spawn.h>

#include "hosts.h"
#include "rehearsal.h"

/* For one host. */
#define TIMEOUT_SECONDS 30

static int
send_on(void *to, const struct message *m)
{
	return wire_send(to, m);
}

/*
 * The server's settings, but for a worker that has nothing to say in the log.  It never serves, so
 * that as_root, uid and gid mean nothing.
 */
static int
send_start(const struct monitor *m, struct wire *wire)
{
	struct message msg = {.id = MSG_W_START, .fd = -1};
	struct settings quiet;
	struct buf blob = BUF_INIT;
	int r = settings_copy(&quiet, m->server);

	if (r < 0)
		return r;
	quiet.log_level = WORD_log_level_error;
	settings_encode(&quiet, &blob);
	msg.w_start = (struct w_start){.workers = 1, .settings = buf_slice(&blob)};
	r = buf_error(&blob) < 0 ? -ENOMEM : wire_send(wire, &msg);
	buf_deinit(&blob);
	settings_deinit(&quiet);
	return r;
}

/* What is wrong with an option outside of all blocks is so with every host that has it from there:
 * it is told once. */
static void
report_once(const struct hosts *hosts, const struct m_host *answer, struct conf_report *report)
{
	size_t before = report->text.len;

	hosts_mistake(hosts, answer, report);
	const char *text = report->text.data;
	if (!before || buf_error(&report->text) < 0 ||
	    !memmem(text, before, text + before, report->text.len - before))
		return;
	report->text.len = before;
	report->mistakes--;
}

/* 0, HOSTS_WRONG or a negative errno. */
static int
try_host(const struct monitor *m, size_t nr, struct wire *wire, struct conf_report *report)
{
	struct message answer;
	int r = hosts_send(m->hosts, nr, send_on, wire);

	if (r == 0)
		r = wire_recv(wire, &answer);
	if (r == -EAGAIN)
		return -ETIMEDOUT;
	if (r)
		return r < 0 ? r : -EPIPE;
	if (answer.id != MSG_M_HOST || answer.m_host.host != nr)
		return -EPROTO;
	if (answer.m_host.text.n == 0)
		return 0;
	if (answer.m_host.kind >= HOST_FILES)
		return -EPROTO;
	report_once(m->hosts, &answer.m_host, report);
	return HOSTS_WRONG;
}

static int
try_all(const struct monitor *m, struct wire *wire, struct conf_report *report)
{
	const struct timeval patience = {.tv_sec = TIMEOUT_SECONDS};
	int result = 0;

	if (setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(wire->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	int r = send_start(m, wire);
	for (size_t i = 0; i < hosts_count(m->hosts) && r >= 0; i++) {
		r = try_host(m, i, wire, report);
		if (r > 0)
			result = r;
	}
	return r < 0 ? r : result;
}

int
rehearsal(const struct monitor *m, struct conf_report *report)
{
	struct wire wire;
	int pair[2];
	pid_t pid;
	int r = fd_seqpacket_pair(pair);

	if (r < 0)
		return r;
	r = spawn_role("wharfd-worker", pair[1], STDERR_FILENO, &pid);
	fd_close(&pair[1]);
	wire_init(&wire, pair[0], WIRE_MONITOR, WIRE_WORKER);
	if (r == 0) {
		r = try_all(m, &wire, report);
		kill(pid, SIGKILL); /* it has nothing to finish */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	wire_deinit(&wire);
	return r;
}
