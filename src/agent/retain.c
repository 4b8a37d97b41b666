/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Retention. */
#include "agent.h"

int
retain_check(const struct agent *agent, struct slice path, const struct stat *st)
{
	(void)agent;
	(void)path;
	(void)st;
	return 0;
}
