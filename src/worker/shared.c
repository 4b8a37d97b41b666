/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Settings that sessions share; see shared.h. */
#include <stdlib.h>

#include "shared.h"

/* FNV-1a: the bytes are the monitor's, so nobody crafts collisions. */
static uint64_t
hash_of(struct slice bytes)
{
	uint64_t h = 0xcbf29ce484222325U;

	for (size_t i = 0; i < bytes.n; i++)
		h = (h ^ (unsigned char)bytes.p[i]) * 0x100000001b3U;
	return h;
}

static bool
is_of(const struct shared *s, struct slice bytes)
{
	return slice_equal(bytes, (struct slice){s->bytes, s->n});
}

static void
keep(struct shared_table *t, struct shared *s)
{
	s->users++;
	shared_rest(t);
	t->last = s;
}

static struct shared *
find(struct shared_table *t, struct slice bytes, uint64_t hash)
{
	struct shared *s;

	LIST_FOREACH (s, &t->row[hash % SHARED_ROWS], link)
		if (s->hash == hash && is_of(s, bytes))
			return s;
	return NULL;
}

struct shared *
shared_get(struct shared_table *t, struct slice bytes)
{
	if (t->last && is_of(t->last, bytes)) {
		t->last->users++;
		return t->last;
	}
	uint64_t hash = hash_of(bytes);
	struct shared *s = find(t, bytes, hash);
	if (s) {
		s->users++;
		keep(t, s);
		return s;
	}
	s = calloc(1, sizeof(*s) + bytes.n);
	if (!s || settings_decode(&s->settings, bytes) < 0) {
		free(s);
		return NULL;
	}
	s->users = 1;
	s->hash = hash;
	s->n = bytes.n;
	if (bytes.n)
		memcpy(s->bytes, bytes.p, bytes.n);
	LIST_INSERT_HEAD(&t->row[hash % SHARED_ROWS], s, link);
	keep(t, s);
	return s;
}

void
shared_rest(struct shared_table *t)
{
	shared_put(&t->last);
}

void
shared_put(struct shared **ps)
{
	struct shared *s = *ps;

	*ps = NULL;
	if (!s || --s->users > 0)
		return;
	LIST_REMOVE(s, link);
	settings_deinit(&s->settings);
	free(s);
}
