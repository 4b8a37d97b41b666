/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The tables of commands, and looking verbs up. */
#include "command.h"

static const struct command table[] = {
#define COMMAND(verb, argument, needs, right, during, handler, feature, help) \
	{{#verb, sizeof(#verb) - 1},                                          \
	 {#verb, sizeof(#verb) - 1},                                          \
	 ARG_##argument,                                                      \
	 NEEDS_##needs,                                                       \
	 RIGHT_##right,                                                       \
	 DURING_##during,                                                     \
	 handler,                                                             \
	 feature,                                                             \
	 help},
#include <wharf/ftp/commands.def>
};

static const struct command site_table[] = {
#define SITE(verb, argument, right, handler, feature, help) \
	{{#verb, sizeof(#verb) - 1},                        \
	 {"SITE " #verb, sizeof("SITE " #verb) - 1},        \
	 ARG_##argument,                                    \
	 NEEDS_USER,                                        \
	 RIGHT_##right,                                     \
	 DURING_LATER,                                      \
	 handler,                                           \
	 feature,                                           \
	 help},
#include <wharf/ftp/site.def>
};

/* First words of other protocols that a browser or a mail client can be tricked into sending here
 * (attacks B04). */
static const char *const foreign[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
				      "OPTIONS", "CONNECT", "TRACE", "PATCH", "EHLO",
				      "HELO",    "RCPT",    "DATA",  "PRI",   "PROPFIND",
				      "MAIL",    "RSET",    "VRFY",  "EXPN",  "STARTTLS"};

const struct command *
commands(size_t *n)
{
	*n = sizeof(table) / sizeof(table[0]);
	return table;
}

const struct command *
site_commands(size_t *n)
{
	*n = sizeof(site_table) / sizeof(site_table[0]);
	return site_table;
}

static const struct command *
find(const struct command *rows, size_t n, struct slice verb)
{
	for (size_t i = 0; i < n; i++)
		if (slice_equal_nocase(rows[i].verb, verb))
			return &rows[i];
	return NULL;
}

const struct command *
command_find(struct slice verb)
{
	return find(table, sizeof(table) / sizeof(table[0]), verb);
}

const struct command *
site_find(struct slice verb)
{
	return find(site_table, sizeof(site_table) / sizeof(site_table[0]), verb);
}

bool
command_is_foreign(struct slice line)
{
	struct slice rest;
	struct slice verb = split_word(line, &rest);

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (slice_equal_nocase(verb, slice_of(foreign[i])))
			return true;
	/* An SSH banner, a JSON or HTTP/2 body, a TLS record. */
	return slice_starts(line, SLICE("SSH-")) || slice_starts(line, SLICE("{")) ||
	       slice_starts(line, SLICE("\x16\x03"));
}
