/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * wharfd, the monitor: binds, accepts, admits, starts the other processes and keeps the registry of
 * sessions.  It reads no byte that a client sent, and sees no password.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/base/memory.h>
#include <wharf/sandbox/sandbox.h>

#include "auth.h"
#include "hosts.h"
#include "ledger.h"
#include "listener.h"
#include "logs.h"
#include "monitor.h"
#include "rehearsal.h"
#include "show.h"
#include "state.h"
#include "sweep.h"
#include "worker.h"
#include "world.h"

static struct monitor monitor = {
	.log_fd = -1, .xferlog_fd = -1, .spare_fd = -1, .state = {.folder = -1, .spool = -1}};

struct arguments {
	const char *file;
	enum { SERVE, TEST, SHOW } what;
	const char *user;    /* SHOW: whose settings, or NULL */
	const char *address; /* SHOW: on which listener, or NULL */
	bool has_client;
	struct network client; /* SHOW: from which address */
};

static _Noreturn void
usage(void)
{
	fputs("usage: wharfd [-c file]\n"
	      "       wharfd -t [-c file]\n"
	      "       wharfd -T [-c file] [user [address [client]]]\n",
	      stderr);
	exit(EX_USAGE);
}

static struct arguments
parse_arguments(int argc, char **argv)
{
	struct arguments a = {.file = WHARF_CONF_DIR "/wharfd.conf"};
	int c;

	while ((c = getopt(argc, argv, "c:tT")) != -1) {
		if (c == 'c')
			a.file = optarg;
		else if (c == 't' && a.what == SERVE)
			a.what = TEST;
		else if (c == 'T' && a.what == SERVE)
			a.what = SHOW;
		else
			usage();
	}
	argc -= optind;
	argv += optind;
	if (argc > (a.what == SHOW ? 3 : 0))
		usage();
	if (argc > 0)
		a.user = argv[0];
	if (argc > 1)
		a.address = argv[1];
	a.has_client = argc > 2;
	if (a.has_client && (network_parse(slice_of(argv[2]), &a.client) != 0 ||
			     a.client.address.ss_family == AF_UNSPEC))
		usage();
	return a;
}

/* Reads the file and, but to show it, tries the world.  Whatever is to be said of them goes to the
 * terminal; exits when it is bad. */
static void
read_configuration(struct monitor *m, const struct arguments *a)
{
	const char *file = a->file;
	struct conf_report report = {0};
	int r = a->what == SHOW ? conf_read(file, &m->conf, &report)
				: conf_test(file, a->what == TEST, &m->conf, &report);

	if (report.text.len)
		fwrite(report.text.data, 1, report.text.len, stderr);
	conf_report_deinit(&report);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", file, strerror(-r));
	if (r)
		exit(EX_CONFIG);
	m->server = conf_server(m->conf);
}

/* Reads the certificates of all hosts, as they will be served; exits when any is bad. */
static void
read_hosts(struct monitor *m)
{
	struct conf_report report = {0};
	int r = world_limits();

	if (r == 0)
		r = hosts_open(m->conf, &m->hosts, &report);
	if (r == 0 && m->hosts)
		r = rehearsal(m, &report);
	if (report.text.len)
		fwrite(report.text.data, 1, report.text.len, stderr);
	conf_report_deinit(&report);
	if (r < 0)
		fprintf(stderr, "wharfd: certificates cannot be read: %s\n", strerror(-r));
	if (r)
		exit(r < 0 ? EX_OSERR : EX_CONFIG);
}

static void
init_state(struct monitor *m)
{
	const struct settings *s = m->server;

	REQUIRE(s);
	const struct admission_limits limits = {
		.sessions = s->max_sessions,
		.sessions_per_address = s->max_sessions_per_address,
		.ipv6_prefix = (unsigned)s->ipv6_prefix,
		.tries = (unsigned)s->login_tries,
		.penalty_ms = s->login_penalty * 1000,
	};

	m->as_root = geteuid() == 0;
	admission_init(&m->admission, &limits);
}

static int
init_loop(struct monitor *m)
{
	int r = uv_loop_init(&m->loop);

	if (r < 0)
		return r;
	m->loop_made = true;
	uv_timer_t *timers[] = {&m->accept_pause, &m->users_watch, &m->hosts_watch,
				&m->drain_timer};
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		uv_timer_init(&m->loop, timers[i]);
		timers[i]->data = m;
	}
	return monitor_watch_signals(m);
}

/*
 * No privilege that is not needed from here on, for this process and all that it starts:
 * identities, jails, killing its own, and the port of active data connections.
 */
static int
confine(struct monitor *m)
{
	cap_value_t keep[6] = {CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT, CAP_KILL, CAP_SETPCAP};
	struct protections got = {0};
	size_t n = m->as_root ? 5 : 0;

	REQUIRE(m->server);
	if (m->as_root && m->server->active_port > 0 && m->server->active_port < 1024)
		keep[n++] = CAP_NET_BIND_SERVICE;
	if (m->as_root && m->server->sandbox == WORD_sandbox_none) {
		LOG(ERROR, "sandbox = none is refused to root");
		return -EPERM;
	}
	int r = sandbox_monitor(m->server->sandbox == WORD_sandbox_full, keep, n, &got);
	if (r < 0)
		LOG(ERROR, "the monitor cannot confine itself", LOG_STR("step", got.failed),
		    LOG_ERRNO(r));
	else
		protections_log(&got);
	return r;
}

/*
 * On a core that it shares with a worker the monitor answers when the worker sleeps or its slice is
 * over, not in the middle of a turn: what a turn has told it is then taken at once, and a login
 * costs a fifth less.
 */
static void
let_workers_go_first(void)
{
	(void)sched_setscheduler(0, SCHED_BATCH, &(const struct sched_param){0});
}

/* Everything from the first log line to the first connection.  0 or a negative errno. */
static int
start(struct monitor *m)
{
	int r = world_users(m);

	world_check_limits(m);
	if (r == 0)
		r = world_empty_directory(m);
	if (r == 0)
		r = state_open(m);
	if (r == 0)
		r = ledger_open(m);
	if (r == 0)
		r = sweeps_open(m);
	if (r == 0)
		r = listeners_open(m);
	if (r == 0)
		r = init_loop(m);
	m->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r == 0)
		r = confine(m);
	let_workers_go_first();
	if (r == 0)
		r = ledger_start(m);
	if (r == 0 && !m->draining)
		r = workers_start(m);
	if (r == 0 && monitor_has_source(m, WORD_source_users))
		auth_watch_users(m);
	if (r == 0)
		hosts_watch(m);
	if (r == 0)
		sweeps_start(m);
	memory_settle();
	return r;
}

static int
serve(struct monitor *m)
{
	init_state(m);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);
	if (logs_open(m) < 0)
		return EX_OSERR;
	LOG(INFO, "starting", LOG_STR("version", WHARF_VERSION),
	    LOG_STR("as", m->as_root ? "root" : "an ordinary user"));
	int r = start(m);
	if (r == 0 && !m->draining)
		uv_run(&m->loop, UV_RUN_DEFAULT);
	else if (r < 0)
		LOG(ERROR, "the daemon cannot start", LOG_ERRNO(r));
	if (m->loop_made)
		monitor_end(m);
	sweeps_free(m);
	ledger_free(m);
	state_close(m);
	LOG(INFO, "ended", LOG_NUM("status", r < 0 ? EX_OSERR : m->status));
	return r < 0 ? EX_OSERR : m->status;
}

int
main(int argc, char **argv)
{
	struct arguments a = parse_arguments(argc, argv);
	int status = EX_OK;

	read_configuration(&monitor, &a);
	if (a.what != SHOW)
		read_hosts(&monitor);
	if (a.what == TEST)
		fprintf(stderr, "%s: no mistakes\n", a.file);
	else if (a.what == SHOW)
		status = show(&monitor, a.user, a.address, a.has_client ? &a.client.address : NULL);
	else
		status = serve(&monitor);
	hosts_free(&monitor.hosts);
	conf_free(&monitor.conf);
	return status;
}
