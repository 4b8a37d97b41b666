/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The hold on a root; see hold.h.  A mutex for this agent's threads, flock(2) on the root for other
 * agents; a root that can't be read, or a file system without such locks, has the mutex alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"
#include "hold.h"

static bool
is_wanted(const struct agent *agent)
{
	const struct settings *s = &agent->settings;

	return s->retain.n || s->versions || s->quota_bytes || s->quota_files;
}

int
hold_take(struct agent *agent)
{
	if (!is_wanted(agent))
		return -1;
	pthread_mutex_lock(&agent->changing);
	int fd = jail_open(agent->root, SLICE("/"), O_RDONLY | O_DIRECTORY, 0);
	while (fd >= 0 && flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			break;
	return fd;
}

void
hold_release(struct agent *agent, int *hold)
{
	if (!is_wanted(agent))
		return;
	fd_close(hold);
	pthread_mutex_unlock(&agent->changing);
}
