/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* F_USAGE. */
#include "agent.h"

int
do_usage(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	(void)agent;
	(void)in;
	(void)out;
	(void)scratch;
	return -EOPNOTSUPP;
}
