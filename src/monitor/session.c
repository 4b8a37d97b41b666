/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The registry of sessions; see session.h. */
#include <stdlib.h>

#include <wharf/base/check.h>

#include "session.h"

struct session *
session_new(struct sessions *all)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = ++all->last_id;
	HASH_ADD(hh, all->by_id, id, sizeof(s->id), s);
	return s;
}

void
session_free(struct sessions *all, struct session **s)
{
	struct session *gone = *s;

	if (!gone)
		return;
	*s = NULL;
	REQUIRE(!gone->agent && !gone->auth && !gone->user);
	HASH_DEL(all->by_id, gone);
	free(gone);
}

struct session *
session_find(const struct sessions *all, uint64_t id)
{
	struct session *s;

	HASH_FIND(hh, all->by_id, &id, sizeof(id), s);
	return s;
}

struct session *
session_find_of(const struct sessions *all, uint64_t id, size_t worker)
{
	struct session *s = session_find(all, id);

	return s && s->worker == worker ? s : NULL;
}

size_t
session_count(const struct sessions *all)
{
	return HASH_COUNT(all->by_id);
}

const char *
session_state_name(enum session_state state)
{
	static const char *const names[] = {"connected", "authenticating", "identified",
					    "logged in"};

	return names[state];
}
