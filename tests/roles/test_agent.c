/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A wharfd-agent without root's help: the identity is whose test it is, the jail is openat2 and
 * Landlock.
 */
#include <stdlib.h>
#include <unistd.h>

#include "agent_tests.h"

int
main(void)
{
	uint32_t groups[256];
	int n = getgroups(256, groups);
	const struct client_identity identity = {.as_root = false,
						 .uid = getuid(),
						 .gid = getgid(),
						 .groups = groups,
						 .n_groups = n < 0 ? 0 : (size_t)n};

	return run_agent_tests(&identity);
}
