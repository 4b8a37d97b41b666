/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Versions: what agent.h says. */
#include "agent.h"

int
version_keep(const struct agent *agent, int folder, const char *name, bool copied,
	     struct change *change)
{
	(void)folder;
	(void)name;
	(void)copied;
	(void)change;
	return agent->settings.versions ? -EOPNOTSUPP : 0;
}
