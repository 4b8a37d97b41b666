/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * wharfd-auth: tells whether a password is right, and who the user is.  For the users file a
 * standing process without privileges; for PAM one a login, which lives as long as the PAM session.
 * Only here are passwords looked at.
 */
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/base/spawn.h>
#include <wharf/sandbox/identity.h>

#include "auth.h"

static struct auth auth = {.worker = {.fd = -1}};

/* Nothing of a password may reach a disk, and nothing is inherited but the log and the channel. */
static int
init_process(void)
{
	const struct rlimit none = {0, 0};
	int r = identity_die_with_parent();

	if (r < 0 || setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -1;
	return fd_close_from(SPAWN_CHANNEL_FD + 1);
}

/* The first message says what this process is for. */
static int
await_start(struct auth *a)
{
	struct message m;

	wire_init(&a->monitor, SPAWN_CHANNEL_FD, WIRE_AUTH, WIRE_MONITOR);
	if (wire_recv(&a->monitor, &m) != 0 || m.id != MSG_A_START)
		return -1;
	a->source = (enum word_source)m.a_start.source;
	a->session = m.a_start.session;
	a->peer = m.a_start.peer;
	a->as_root = m.a_start.as_root;
	a->uid = m.a_start.uid;
	a->gid = m.a_start.gid;
	return settings_decode(&a->settings, m.a_start.settings);
}

int
main(void)
{
	if (init_process() < 0 || await_start(&auth) < 0)
		return EX_OSERR;
	log_setup(auth.source == WORD_source_pam ? "auth pam" : "auth users", SPAWN_LOG_FD,
		  (enum log_level)auth.settings.log_level,
		  auth.settings.log_format == WORD_log_format_json);
	int status = auth.source == WORD_source_pam ? pam_serve(&auth) : users_serve(&auth);
	wire_deinit(&auth.worker);
	wire_deinit(&auth.monitor);
	settings_deinit(&auth.settings);
	return status;
}
