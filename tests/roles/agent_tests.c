/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Every noun of agent_tests.h. */
#include "agent_tests.h"
#include "fixture.h"

int
run_agent_tests(const struct client_identity *identity)
{
	int failed = 0;

	who = *identity;
#define NOUN(noun) failed += run_##noun();
	AGENT_TESTS(NOUN)
#undef NOUN
	return failed;
}
