/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The rules of the option retain, and where their folders are.  A rule's folder is what its path
 * leads to now; no name on that way may be changed by a client, lest it led elsewhere.
 */
#ifndef WHARF_AGENT_RULE_H
#define WHARF_AGENT_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/base/slice.h>

struct agent;

struct rule {
	struct slice folder; /* empty: all files */
	uint64_t seconds;
};

/* Rule i of settings.retain.  0, or -EINVAL for one that can't be read. */
int rule_get(const struct agent *agent, size_t i, struct rule *rule);

/* Whether a folder is the rule's or below it: 1 or 0, or a negative errno. */
int rule_fits(const struct agent *agent, const struct rule *rule, int folder);

/* Whether that name in that folder is on the way to the rule's: 1 or 0, or a negative errno. */
int rule_passes(const struct agent *agent, const struct rule *rule, int folder, const char *name);

/* The first rule that fits a folder.  1, or 0 where none does, or a negative errno. */
int rule_find(const struct agent *agent, int folder, struct rule *rule);

#endif
