/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The tests of an agent's requests, a file a noun; all run against agents of one identity. */
#ifndef WHARF_TESTS_AGENT_TESTS_H
#define WHARF_TESTS_AGENT_TESTS_H

#include "client.h"

#define AGENT_TESTS(NOUN) \
	NOUN(process)     \
	NOUN(jail)        \
	NOUN(operations)  \
	NOUN(listings)    \
	NOUN(retention)   \
	NOUN(versions)    \
	NOUN(usage)       \
	NOUN(sweeps)      \
	NOUN(staging)     \
	NOUN(attributes)  \
	NOUN(durability)  \
	NOUN(races)

/* Each of <noun>.c: how many tests have failed. */
#define NOUN(noun) int run_##noun(void);
AGENT_TESTS(NOUN)
#undef NOUN

/* All of them; the folder of identity->root is theirs. */
int run_agent_tests(const struct client_identity *identity);

#endif
