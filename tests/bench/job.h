/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What is asked of the load, and how far it is: one job a program, which all sessions share.
 */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

#include "loop.h"
#include "pattern.h"
#include "samples.h"

#include <openssl/ssl.h>

struct session;

/* A kind of work.  `start` begins one piece of it in a session; NULL: there is none. */
struct work {
	const char *name, *verb;
	int arguments; /* after the name */
	bool upload, lines;
	void (*start)(struct session *s);
};

struct job {
	uint16_t port;
	const char *user, *password, *name;
	const struct work *work;
	SSL_CTX *tls; /* NULL: plain */
	bool text, compare;
	long sessions, count, folders;
	size_t bytes; /* on the wire, or lines of a listing */
	struct pattern wire;
	unsigned char *buffer; /* PATTERN_SIZE, for whoever reads */
	struct loop loop;

	struct session *all;
	long opened, next;
	long pending; /* sessions that are not yet where this stage ends */
	bool leaving;
	uint64_t pace;        /* ns between two commands of the one session; 0: at once */
	struct samples times; /* of logins, then of NOOPs */
	long connections, resumed;
	uint64_t first; /* ns from the commands to the first bytes, in all */
};

#endif
