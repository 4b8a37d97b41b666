/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Names of users or of groups by their number, and back, from a table that is made before the jail:
 * in there, looking one up would load what a client uploaded (attack E03).
 */
#ifndef WHARF_AGENT_NAMES_H
#define WHARF_AGENT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

/* The most rows that are kept of one file. */
#define NAMES_MAX 65536

struct names_row {
	uint32_t id;
	uint32_t at; /* of the name in names.text */
};

struct names {
	struct buf text;        /* all names, each with a NUL behind */
	struct names_row *rows; /* by id */
	size_t n;
};

/*
 * Reads a file in the form of passwd(5) or group(5).  0 or a negative errno; a file that is not
 * there is empty.
 */
int names_read_users(struct names *names, const char *path);
int names_read_groups(struct names *names, const char *path);
void names_deinit(struct names *names);

/* The name, or an empty slice.  It holds as long as the table. */
struct slice names_of(const struct names *names, uint32_t id);
/* Whether there is such a name; then *id is set. */
bool names_find(const struct names *names, struct slice name, uint32_t *id);

#endif
