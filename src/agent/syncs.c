/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The shared syncs of syncs.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "syncs.h"

/* One fsync of a folder, and those who wait for it. */
struct syncs_batch {
	dev_t dev;
	ino_t ino;
	enum { BATCH_GATHERS, BATCH_RUNS, BATCH_DONE } state;
	unsigned members;
	int result;
	struct syncs_batch *next;
};

/* The folder's batch in that state, or NULL. */
static struct syncs_batch *
find(const struct syncs *syncs, const struct stat *st, int state)
{
	struct syncs_batch *b = syncs->batches;

	while (b && (b->ino != st->st_ino || b->dev != st->st_dev || (int)b->state != state))
		b = b->next;
	return b;
}

/* Who began the batch does the work, as soon as the one before it is done. */
static void
run(struct syncs *syncs, struct syncs_batch *batch, const struct stat *st, int folder)
{
	while (find(syncs, st, BATCH_RUNS))
		pthread_cond_wait(&syncs->changed, &syncs->mutex);
	batch->state = BATCH_RUNS;
	pthread_mutex_unlock(&syncs->mutex);
	/* Where folders can't be synced there is nothing else to do. */
	const int result = fsync(folder) < 0 && errno != EINVAL ? -errno : 0;
	pthread_mutex_lock(&syncs->mutex);
	batch->result = result;
	batch->state = BATCH_DONE;
	pthread_cond_broadcast(&syncs->changed);
}

/* The last one frees it. */
static void
leave(struct syncs *syncs, struct syncs_batch *batch)
{
	struct syncs_batch **at = &syncs->batches;

	if (--batch->members > 0)
		return;
	while (*at != batch)
		at = &(*at)->next;
	*at = batch->next;
	free(batch);
}

/* A batch to be joined, or one of one's own that is to be run; NULL without memory. */
static struct syncs_batch *
join(struct syncs *syncs, const struct stat *st, bool *own)
{
	struct syncs_batch *batch = find(syncs, st, BATCH_GATHERS);

	*own = !batch;
	if (!batch) {
		batch = calloc(1, sizeof(*batch));
		if (!batch)
			return NULL;
		batch->dev = st->st_dev;
		batch->ino = st->st_ino;
		batch->next = syncs->batches;
		syncs->batches = batch;
	}
	batch->members++;
	return batch;
}

int
syncs_folder(struct syncs *syncs, int folder)
{
	struct stat st;
	bool own;
	int r = -ENOMEM;

	if (fstat(folder, &st) < 0)
		return -errno;
	pthread_mutex_lock(&syncs->mutex);
	struct syncs_batch *batch = join(syncs, &st, &own);
	if (batch) {
		if (own)
			run(syncs, batch, &st, folder);
		while (batch->state != BATCH_DONE)
			pthread_cond_wait(&syncs->changed, &syncs->mutex);
		r = batch->result;
		leave(syncs, batch);
	}
	pthread_mutex_unlock(&syncs->mutex);
	return r;
}
