/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * fsync(2) of folders, shared: those who ask while one of their folder runs get the next one, one
 * for all of them.
 */
#ifndef WHARF_AGENT_SYNCS_H
#define WHARF_AGENT_SYNCS_H

#include <pthread.h>

struct syncs_batch;

struct syncs {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct syncs_batch *batches; /* that somebody waits for */
};

#define SYNCS_INIT ((struct syncs){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL})

/*
 * Syncs a folder that is open to read, by an fsync that begins after this call did.  0 or a
 * negative errno, which all get who shared it.
 */
int syncs_folder(struct syncs *syncs, int folder);

#endif
