/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * wharfd.conf, read: listeners, the server's settings, and the blocks that override them.  Whoever
 * holds a struct conf holds a whole and valid one; a file with any mistake gives a report instead.
 */
#ifndef WHARF_CONF_CONF_H
#define WHARF_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>
#include <wharf/conf/settings.h>

struct conf;

/*
 * What is wrong, a line each: "file:line: what, and what was meant\n"; begins zeroed.  A warning
 * ("file:line: warning:
 * ...") does not keep wharfd from starting and is not counted as a mistake.
 */
struct conf_report {
	struct buf text;
	size_t mistakes;
	size_t warnings;
};

struct conf_listener {
	const char *name;
	struct sockaddr_storage address; /* with its port */
};

/* Who asks for settings.  An empty user is a session before its login. */
struct conf_subject {
	size_t listener;
	struct slice user;
	const struct slice *groups; /* names */
	size_t n_groups;
};

/*
 * Reads the file at path and what it includes.  Returns 0 and sets *out, which conf_free() frees;
 * or a positive CONF_MISTAKES with every mistake in the report; or a negative errno.
 */
enum { CONF_MISTAKES = 1 };
int conf_read(const char *path, struct conf **out, struct conf_report *report);
void conf_free(struct conf **conf);
void conf_report_deinit(struct conf_report *report);

/*
 * Tries the world: folders, PAM service, run_as and anonymous_user, the users file, passive range
 * and descriptors against max_sessions.  Adds what is wrong to the report, with the file and line
 * where the option was set, and returns how many mistakes it found.  `thorough`: also what must not
 * keep a daemon from starting, or can't be while one runs: each user's root folder, and whether
 * each listener can be bound.
 */
size_t conf_try_world(const struct conf *conf, bool thorough, struct conf_report *report);

/*
 * conf_read() and conf_try_world() in one.  The world is tried where the file has mistakes, too,
 * as far as they leave known what to try.  Returns what conf_read() does; *out is set only with 0.
 */
int conf_test(const char *path, bool thorough, struct conf **out, struct conf_report *report);

/* How many descriptors one worker needs when max_sessions are there, spread over all workers. */
uint64_t conf_descriptors(const struct settings *server);

size_t conf_listeners(const struct conf *conf, const struct conf_listener **out);
/* The server's own settings, without any override. */
const struct settings *conf_server(const struct conf *conf);

/*
 * The settings in force for a subject: the server's, then its listener's block, then the blocks of
 * its groups in the order of the file, then the block of its user.  Returns 0 or -ENOMEM;
 * settings_deinit() frees.
 */
int conf_settings_for(const struct conf *conf, const struct conf_subject *subject,
		      struct settings *out);

/* `wharfd -T`: every option in force for the subject, a line each, with "# file:line" or "#
 * default" behind. */
void conf_print(const struct conf *conf, const struct conf_subject *subject, struct buf *out);

#endif
