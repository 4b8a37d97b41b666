/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Retention; see retain.h. */
#include "agent.h"
#include "retain.h"

bool
retain_is_set(const struct agent *agent)
{
	return agent->settings.retain.n > 0;
}

int
retain_check_in(const struct agent *agent, int folder, const struct stat *st)
{
	(void)folder;
	return retain_is_set(agent) && S_ISREG(st->st_mode) ? -EPERM : 0;
}

int
retain_check(const struct agent *agent, struct slice path, const struct stat *st)
{
	(void)path;
	return retain_is_set(agent) && S_ISREG(st->st_mode) ? -EPERM : 0;
}

int
retain_check_name(const struct agent *agent, int folder, const char *name)
{
	(void)folder;
	(void)name;
	return retain_is_set(agent) ? -EPERM : 0;
}

int
retain_check_tree(const struct agent *agent, int folder)
{
	(void)folder;
	return retain_is_set(agent) ? -EPERM : 0;
}

int
retain_check_new(const struct agent *agent, int folder, const char *name)
{
	(void)folder;
	(void)name;
	return retain_is_set(agent) ? -EPERM : 0;
}

int
retain_check_way(const struct agent *agent, struct slice path)
{
	(void)path;
	return retain_is_set(agent) ? -EPERM : 0;
}

int
retain_seal(const struct agent *agent, int folder, int fd)
{
	(void)folder;
	(void)fd;
	return retain_is_set(agent) ? -EPERM : 0;
}
