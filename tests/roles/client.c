/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The other end of an agent; see client.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "client.h"

static _Noreturn void
become_agent(int channel)
{
	const char *path = getenv("WHARF_AGENT");
	char *const argv[] = {"wharfd-agent", NULL};
	char *const envp[] = {NULL};
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(channel, 3);
	if (path)
		execve(path, argv, envp);
	_exit(127);
}

void
client_channel(struct client *c, struct wire *worker)
{
	int channel[2];

	assert_int_equal(fd_seqpacket_pair(channel), 0);
	const struct message give = {.id = MSG_G_CHANNEL, .fd = channel[1], .g_channel = {0}};
	assert_int_equal(wire_send(&c->monitor, &give), 0);
	close(channel[1]);
	wire_init(worker, channel[0], WIRE_WORKER, WIRE_AGENT);
	worker->phase = WIRE_SERVING;
}

int
client_start(struct client *c, const struct client_identity *who, const struct settings *settings)
{
	static const char key[32] = "nobody guesses a key of so many";
	struct buf groups = BUF_INIT, bytes = BUF_INIT;
	int pair[2];

	assert_int_equal(fd_seqpacket_pair(pair), 0);
	*c = (struct client){.answer.fd = -1, .worker.fd = -1};
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0)
		become_agent(pair[1]);
	close(pair[1]);
	wire_init(&c->monitor, pair[0], WIRE_MONITOR, WIRE_AGENT);
	for (size_t i = 0; i < who->n_groups; i++)
		wire_ids_add(&groups, who->groups[i]);
	settings_encode(settings, &bytes);
	const struct message start = {.id = MSG_G_START,
				      .fd = -1,
				      .g_start = {who->as_root,
						  SLICE("tester"),
						  who->uid,
						  who->gid,
						  buf_slice(&groups),
						  slice_of(who->root),
						  buf_slice(&bytes),
						  {key, sizeof(key)},
						  who->sweep}};
	assert_int_equal(wire_send(&c->monitor, &start), 0);
	buf_deinit(&groups);
	buf_deinit(&bytes);
	assert_int_equal(wire_recv(&c->monitor, &c->answer), 0);
	assert_int_equal(c->answer.id, MSG_R_READY);
	if (c->answer.r_ready.error)
		return (int)c->answer.r_ready.error;
	c->monitor.phase = WIRE_SERVING;
	client_channel(c, &c->worker);
	return 0;
}

int
client_stop(struct client *c)
{
	int status;

	fd_close(&c->answer.fd);
	wire_deinit(&c->monitor);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	wire_deinit(&c->worker);
	return status;
}

const struct message *
client_ask(struct client *c, struct message request)
{
	struct pollfd wait = {.fd = c->worker.fd, .events = POLLIN};

	fd_close(&c->answer.fd);
	assert_int_equal(wire_send(&c->worker, &request), 0);
	/* An agent that hangs is a failure, not a test that never ends. */
	assert_int_equal(poll(&wait, 1, 120000), 1);
	assert_int_equal(wire_recv(&c->worker, &c->answer), 0);
	return &c->answer;
}

char *
client_read(struct client *c)
{
	struct buf all = BUF_INIT;
	ssize_t n;

	assert_true(c->answer.fd >= 0);
	assert_int_equal(fd_set_nonblocking(c->answer.fd, false), 0);
	do {
		assert_int_equal(buf_reserve(&all, 65536), 0);
		n = read(c->answer.fd, all.data + all.len, 65535);
		assert_true(n >= 0);
		all.len += (size_t)n;
	} while (n > 0);
	all.data[all.len] = '\0';
	fd_close(&c->answer.fd);
	return all.data;
}
