/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * wharfd-agent: the user's hands.  It is told who it is, enters its jail for good, and then opens,
 * lists and changes files for workers, which get descriptors from it.  Descriptor 2 is the log, 3
 * the channel to the monitor.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/base/memory.h>
#include <wharf/sandbox/sandbox.h>

#include "agent.h"

#define LOG_FD     2
#define MONITOR_FD 3

static struct agent agent = {.root = -1,
			     .changing = PTHREAD_MUTEX_INITIALIZER,
			     .syncs = SYNCS_INIT,
			     .handing = PTHREAD_RWLOCK_INITIALIZER};

/* Keeps what G_START says.  0 or a negative errno. */
static int
keep_identity(const struct g_start *start)
{
	size_t n = wire_ids_count(start->groups);
	uint32_t *groups = calloc(n ? n : 1, sizeof(*groups));

	agent.folder = slice_dup(start->root);
	agent.user = slice_dup(start->user);
	if (!groups || !agent.folder || !agent.user || strlen(agent.folder) != start->root.n ||
	    start->key.n > sizeof(agent.key)) {
		int r = groups && agent.folder && agent.user ? -EINVAL : -ENOMEM;
		free(groups);
		return r;
	}
	for (size_t i = 0; i < n; i++)
		groups[i] = wire_ids_get(start->groups, i);
	if (start->key.n)
		memcpy(agent.key, start->key.p, start->key.n);
	agent.as_root = start->as_root != 0;
	agent.who = (struct identity){start->uid, start->gid, groups, n};
	return settings_decode(&agent.settings, start->settings);
}

/* The log file was turned over. */
static void
take_log(struct message *m)
{
	log_replace(m->fd);
	fd_close(&m->fd);
}

static int
receive_start(struct wire *monitor, bool *sweep)
{
	struct message m;
	int r = wire_recv(monitor, &m);

	/* The log may be turned over even now. */
	for (; r == 0 && m.id == MSG_G_LOG; r = wire_recv(monitor, &m))
		take_log(&m);
	if (r != 0)
		return r < 0 ? r : -EPIPE;
	*sweep = m.g_start.sweep != 0;
	return keep_identity(&m.g_start);
}

static int
read_names(void)
{
	int r = 0;

	if (agent.settings.list_owners == WORD_list_owners_names)
		r = names_read_users(&agent.users, "/etc/passwd");
	return r < 0 ? r : names_read_groups(&agent.groups, "/etc/group");
}

/*
 * Everything between the first message and the answer to it.  0 or a negative errno, and then *what
 * is the step.
 */
static int
enter_jail(const char **what)
{
	struct protections got;
	const struct sandbox_agent want = {
		.as_root = agent.as_root,
		.confined = agent.settings.sandbox == WORD_sandbox_full,
		.who = agent.who,
		.root = agent.folder,
		.read_only = !(agent.settings.rights & RIGHTS_TO_CHANGE),
	};

	*what = "names";
	int r = read_names();
	if (r < 0)
		return r;
	umask(0);
	agent.root = sandbox_agent(&want, &got);
	*what = got.failed ? got.failed : "";
	if (agent.root < 0)
		return agent.root;
	if (log_wants(LOG_LEVEL_DEBUG))
		protections_log(&got);
	return 0;
}

static int
report(struct wire *monitor, int error, const char *what)
{
	const struct message m = {
		.id = MSG_R_READY, .fd = -1, .r_ready = {(uint32_t)-error, slice_of(what)}};

	if (error < 0)
		LOG(ERROR, "the agent can't enter its jail", LOG_STR("step", what),
		    LOG_ERRNO(error));
	return wire_send(monitor, &m);
}

/* Takes channels, and new log files, until the monitor is gone. */
static int
take_channels(struct wire *monitor)
{
	struct message m;
	int r;

	for (;;) {
		r = wire_recv(monitor, &m);
		if (r == WIRE_FD_LOST)
			LOG(ERROR,
			    "the agent is out of descriptors, one that it was handed is lost",
			    LOG_STR("message", message_name(m.id)));
		else if (r != 0)
			return r;
		else if (m.id == MSG_G_LOG)
			take_log(&m);
		else if ((r = serve_channel(&agent, m.fd)) < 0)
			LOG(ERROR, "a worker's channel can't be served", LOG_ERRNO(r));
	}
}

int
main(void)
{
	struct wire monitor;
	const char *what = "start";
	bool sweep = false;

	/* A role is started with nothing else; whoever runs it by hand learns it here. */
	if (fd_close_from(MONITOR_FD + 1) < 0 || fd_set_cloexec(MONITOR_FD, true) < 0) {
		LOG(ERROR, "wharfd-agent is started by wharfd alone");
		return EXIT_FAILURE;
	}
	wire_init(&monitor, MONITOR_FD, WIRE_AGENT, WIRE_MONITOR);
	signal(SIGPIPE, SIG_IGN);
	/* Threads that mostly wait need no arenas of their own. */
	mallopt(M_ARENA_MAX, 2);
	log_setup("agent", LOG_FD, LOG_LEVEL_INFO, false);
	int r = receive_start(&monitor, &sweep);
	if (r == 0) {
		log_setup("agent", LOG_FD, (enum log_level)agent.settings.log_level,
			  agent.settings.log_format == WORD_log_format_json);
		r = enter_jail(&what);
	}
	if (report(&monitor, r, what) < 0 || r < 0) {
		wire_deinit(&monitor);
		return EXIT_FAILURE;
	}
	monitor.phase = WIRE_SERVING;
	/* Parts that nobody sweeps are no reason to serve nobody. */
	r = sweep_start(&agent, &monitor, sweep);
	if (r < 0)
		LOG(ERROR, "old parts of uploads are not removed", LOG_ERRNO(r));
	memory_settle();
	r = take_channels(&monitor);
	/* The end of the monitor is the end of all: this waits for no thread, so a request that
	 * hangs does not delay it. */
	wire_deinit(&monitor);
	return r == WIRE_CLOSED ? EXIT_SUCCESS : EXIT_FAILURE;
}
