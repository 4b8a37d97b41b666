/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A session: a control connection, which logs in, does pieces of the job's work, and leaves.
 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include "data.h"

struct session {
	struct watch watch;
	struct data data;
	struct job *job;
	SSL *ssl;
	SSL_SESSION *ticket; /* the newest of the control connection */
	int state;
	long number;    /* of the piece of work */
	uint64_t since; /* when what is measured began, ns */
	bool confirmed;
	size_t n;
	char in[2048];
};

void session_init(struct session *s, struct job *job);

/* Connects and logs in; then the job has one pending session less. */
void session_open(struct session *s);

/* The next piece of work, until there is none; then the job has one pending session less. */
void session_work(struct session *s);

/* QUIT, and once that is answered, the same. */
void session_leave(struct session *s);
void session_close(struct session *s);

/* Pieces of work. */
void session_command(struct session *s);
void session_transfer(struct session *s);

#endif
