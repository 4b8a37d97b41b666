/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Sweeping. */
#include "agent.h"

void
sweep_expect(struct agent *agent)
{
	(void)agent;
}
