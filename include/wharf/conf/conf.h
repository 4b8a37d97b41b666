/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * wharfd.conf, read: listeners, hosts, the server's settings, and the blocks that override them.
 * Whoever holds a struct conf holds a whole and valid one; a file with any mistake gives a report
 * instead.
 */
#ifndef WHARF_CONF_CONF_H
#define WHARF_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>
#include <wharf/conf/options.h>
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

/* What clients may name by SNI or HOST.  The first one is what stands outside of all blocks. */
struct conf_host {
	const char *name; /* "" for the first, else a host name, or one with "*." before it */
	struct settings settings; /* the server's, with the block's over them */
};

/* A user block that sets require_tls. */
struct conf_requirement {
	const char *user;
	enum word_require_tls require_tls;
};

/* What the users file says of a user. */
struct conf_entry {
	uint64_t rights;   /* RIGHT() bits that are left of the option rights */
	struct slice root; /* for who has no option root; may be empty */
	const char *file;  /* where it stands, for conf_print() */
	int line;
};

/* Who asks for settings.  An empty user is a session before its login. */
struct conf_subject {
	size_t listener;
	struct slice user;
	const struct slice *groups; /* names */
	size_t n_groups;
	const struct sockaddr_storage *address; /* the client's; NULL: none, which no block holds */
	const struct conf_entry *entry;         /* NULL for who is not of the users file */
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
 * keep a daemon from starting, or can't be while one runs: each line of the users file and each
 * user's root folder, whether each listener can be bound, and whether state_directory is free.
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
/* Whether the file sets this option outside of all blocks. */
bool conf_sets(const struct conf *conf, enum option_nr option);
/* The server's own settings, without any override. */
const struct settings *conf_server(const struct conf *conf);

/*
 * The hosts: number 0 is the one without a name, the others are in the order of the file.  What a
 * host block sets is over the server's; one with a tls_certificate of its own has none of the
 * server's tls_key and tls_ocsp, which belong to the server's.
 */
size_t conf_hosts(const struct conf *conf, const struct conf_host **out);
/* Whether any host has a certificate. */
bool conf_has_certificate(const struct conf *conf);
/*
 * Adds "file:line: option: text" to the report, at the place where that host has the option from.
 */
void conf_host_mistake(const struct conf *conf, size_t host, enum option_nr option,
		       struct slice text, struct conf_report *report);

/*
 * The next user block, from the *i-th on, that sets require_tls; *i is then behind it.  False when
 * there is none.  Begin with *i = 0.
 */
bool conf_next_requirement(const struct conf *conf, size_t *i, struct conf_requirement *out);

/* Whether a client block holds this address: then it may change what its listener says. */
bool conf_has_client(const struct conf *conf, const struct sockaddr_storage *address);

/*
 * The settings in force for a subject: the server's, then its listener's block, then the client
 * blocks that hold its address and the blocks of its groups, both in the order of the file, then
 * the block of its user; of the rights, what the users file leaves.  The option root stays as the
 * file has it.  Returns 0 or -ENOMEM; settings_deinit() frees.
 */
int conf_settings_for(const struct conf *conf, const struct conf_subject *subject,
		      struct settings *out);

/*
 * `wharfd -T`: every option in force for the subject, a line each, with "# file:line" or "#
 * default" behind, and the root that the users file says where the option is empty; then a block
 * for each host that has a name, with what options of hosts are there.
 */
void conf_print(const struct conf *conf, const struct conf_subject *subject, struct buf *out);

#endif
