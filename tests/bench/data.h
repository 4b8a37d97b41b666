/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A data connection: bytes of the job in one direction, and a proper end.
 */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include "job.h"

struct data {
	struct watch watch;
	struct job *job;
	SSL *ssl;
	/* What is to be done now: returns what it waits for, or 0 to be called again.  NULL: ended.
	 */
	uint32_t (*step)(struct data *d);
	void (*ended)(struct data *d);
	size_t done, lines;
	uint64_t asked; /* when the command was sent, ns */
};

void data_init(struct data *d, struct job *job, void (*ended)(struct data *d));

/* Connects; then the command is sent. */
void data_connect(struct data *d, uint16_t port);

/* Moves, once the server has said that it does.  `ticket` is offered where there is TLS. */
void data_begin(struct data *d, SSL_SESSION *ticket);

#endif
