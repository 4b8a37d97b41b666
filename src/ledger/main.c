/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * wharfd-ledger: keeps the journal of transfers and changes, and the tallies of quotas, in a
 * database.  It sees neither a client nor a file of a user: workers tell it what happened.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/base/memory.h>
#include <wharf/base/spawn.h>
#include <wharf/sandbox/sandbox.h>

#include "ledger.h"

static struct ledger ledger = {.journal = {.fd = -1}};

/* Nothing is inherited but the log and the channel; a disk that is full answers with an errno. */
static int
init_process(void)
{
	int r = identity_die_with_parent();

	umask(027);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return r < 0 ? r : fd_close_from(SPAWN_CHANNEL_FD + 1);
}

static int
await_start(struct ledger *l)
{
	struct message m;

	wire_init(&l->monitor, SPAWN_CHANNEL_FD, WIRE_LEDGER, WIRE_MONITOR);
	if (wire_recv(&l->monitor, &m) != 0 || m.id != MSG_K_START)
		return -1;
	l->as_root = m.k_start.as_root;
	l->uid = m.k_start.uid;
	l->gid = m.k_start.gid;
	l->alone = m.k_start.alone;
	l->folder = slice_dup(m.k_start.folder);
	return l->folder ? settings_decode(&l->settings, m.k_start.settings) : -ENOMEM;
}

static int
confine(struct ledger *l, const char **what)
{
	struct protections got;
	int r = sandbox_ledger(l->as_root, l->settings.sandbox != WORD_sandbox_none, l->uid, l->gid,
			       l->folder, &got);

	if (r == 0)
		protections_log(&got);
	*what = got.failed;
	return r;
}

/* Tells the monitor that it serves, or what failed. */
static int
tell(struct ledger *l, int error, const char *what)
{
	struct message m = {.id = MSG_K_READY, .fd = -1};

	m.k_ready.error = (uint32_t)-error;
	m.k_ready.what = slice_of(what);
	int r = wire_send(&l->monitor, &m);
	l->monitor.phase = WIRE_SERVING;
	return r;
}

int
main(void)
{
	const char *what = NULL;

	if (init_process() < 0 || await_start(&ledger) < 0)
		return EX_OSERR;
	log_setup("ledger", SPAWN_LOG_FD, (enum log_level)ledger.settings.log_level,
		  ledger.settings.log_format == WORD_log_format_json);
	int r = confine(&ledger, &what);
	if (r == 0) {
		what = "open the database";
		r = ledger_open(&ledger);
	}
	int status = EX_OSERR;
	memory_settle();
	if (tell(&ledger, r, r < 0 ? what : NULL) == 0 && r == 0)
		status = ledger_serve(&ledger);
	ledger_close(&ledger);
	settings_deinit(&ledger.settings);
	free(ledger.folder);
	return status;
}
