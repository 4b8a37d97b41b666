/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Sweeping: what agent.h says. */
#include <stdlib.h>

#include "agent.h"

struct sweeper {
	struct wire *monitor;
};

int
sweep_start(struct agent *agent, struct wire *monitor, bool now)
{
	(void)now;
	agent->sweeper = calloc(1, sizeof(*agent->sweeper));
	if (!agent->sweeper)
		return -ENOMEM;
	agent->sweeper->monitor = monitor;
	return 0;
}

void
sweep_expect(struct agent *agent)
{
	(void)agent;
}
