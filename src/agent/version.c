/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Versions. */
#include "agent.h"

int
version_keep(const struct agent *agent, int folder, const char *name, bool copied,
	     struct change *change)
{
	(void)agent;
	(void)folder;
	(void)name;
	(void)copied;
	(void)change;
	return 0;
}
