/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Counters by key; see tally.h. */
#include <stdlib.h>
#include <uthash.h>

#include <wharf/base/check.h>

#include "tally.h"

struct tally_entry {
	UT_hash_handle hh;
	size_t count;
	size_t length;
	char key[];
};

void
tally_deinit(struct tally *t)
{
	struct tally_entry *e, *next;

	HASH_ITER (hh, t->entries, e, next) {
		/* NOLINTNEXTLINE(clang-analyzer-*): the analyser loses its way in uthash. */
		HASH_DEL(t->entries, e);
		free(e);
	}
}

static struct tally_entry *
find(const struct tally *t, struct slice key)
{
	struct tally_entry *e;

	HASH_FIND(hh, t->entries, key.p, key.n, e);
	return e;
}

const char *
tally_add(struct tally *t, struct slice key)
{
	struct tally_entry *e = find(t, key);

	if (!e) {
		e = calloc(1, sizeof(*e) + key.n + 1);
		if (!e)
			return NULL;
		e->length = key.n;
		memcpy(e->key, key.p, key.n);
		HASH_ADD_KEYPTR(hh, t->entries, e->key, e->length, e);
	}
	e->count++;
	return e->key;
}

void
tally_drop(struct tally *t, struct slice key)
{
	struct tally_entry *e = find(t, key);

	if (!CHECK(e != NULL))
		return;
	if (--e->count == 0) {
		HASH_DEL(t->entries, e);
		free(e);
	}
}

size_t
tally_get(const struct tally *t, struct slice key)
{
	const struct tally_entry *e = find(t, key);

	return e ? e->count : 0;
}
