/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What the sources of wharfctl share: the arguments of a command, passwords, certificates. */
#ifndef WHARF_SRC_CTL_CTL_H
#define WHARF_SRC_CTL_CTL_H

#include <sysexits.h>

#include <wharf/base/buf.h>

/* The longest that crypt(3) takes: CRYPT_MAX_PASSPHRASE_SIZE with its terminator. */
#define PASSWORD_MAX 511

/* The command line behind noun and verb; what was not given is NULL. */
struct arguments {
	/* `user` */
	const char *name;
	const char *uid, *gid, *root, *rights, *expires;
	const char *file; /* the users file, or that of the configuration */
	const char *method;
	/* `certificate` */
	const char *certificate, *key; /* files */
	const char *names, *days, *key_type, *force;
	/* `history` and `quota` */
	const char *user, *path, *since, *verdict, *format;
	/* Of all: the configuration that names the files. */
	const char *config;
};

/* Writes "wharfctl: ..." and returns 1, the exit code of all that fails. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for what is wrong with the command line; returns EX_USAGE. */
int misused(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* `wharfctl user ...`: each returns an exit code. */
int user_add(const struct arguments *args);
int user_passwd(const struct arguments *args);
int user_del(const struct arguments *args);
int user_list(const struct arguments *args);
int user_show(const struct arguments *args);

/* `wharfctl certificate ...`: each returns an exit code. */
int certificate_make_files(const struct arguments *args);
int certificate_list(const struct arguments *args);

/* `wharfctl history` and `wharfctl quota`: each returns an exit code. */
int history_show(const struct arguments *args);
int quota_show(const struct arguments *args);

/* Prints what there is to tell of a certificate, as lines "key: value". */
struct certificate;
void certificate_describe(const struct certificate *c);

/*
 * Asks for a password, twice and without echo at a terminal, or reads one line of the standard
 * input; and appends its crypt(5) hash of a method ("yescrypt", "bcrypt", "sha512crypt", NULL for
 * the first) to `out`.  Returns 0, or complains and returns an exit code.
 */
int password_hash(const char *method, struct buf *out);
/* The name of a hash's method for people: "yescrypt", "locked", ... */
const char *password_method(struct slice hash);

#endif
