/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The registry of sessions: whose each is, and how far its login is.  What a worker says of a
 * session is checked against it.
 */
#ifndef WHARF_MONITOR_SESSION_H
#define WHARF_MONITOR_SESSION_H

#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include <wharf/base/address.h>
#include <wharf/conf/settings.h>

struct agent;
struct auth;

enum session_state {
	SESSION_CONNECTED,
	SESSION_AUTHENTICATING, /* a PAM process works for it */
	SESSION_IDENTIFIED,     /* it waits for an agent */
	SESSION_LOGGED_IN,
};

struct session {
	uint64_t id;
	uint32_t worker; /* the number of its worker */
	uint32_t listener;
	struct endpoint peer, local;
	uint64_t login_timeout; /* in seconds; a client block may change what its listener says */
	enum session_state state;
	enum word_source source;     /* of the identity, from IDENTIFIED on */
	const char *user;            /* from IDENTIFIED on; the key that counts it */
	struct agent *agent;         /* from IDENTIFIED on */
	struct auth *auth;           /* the PAM process, while it lives */
	struct session *prev, *next; /* of the same agent */
	UT_hash_handle hh;
};

struct sessions {
	struct session *by_id;
	uint64_t last_id;
};

/* A new session with the next id, or NULL when memory is out. */
struct session *session_new(struct sessions *all);
/* Takes it out and frees it.  It has no agent, no auth process and no user any more. */
void session_free(struct sessions *all, struct session **s);
/* The session with that id, or NULL. */
struct session *session_find(const struct sessions *all, uint64_t id);
/* The session with that id if it belongs to that worker, else NULL. */
struct session *session_find_of(const struct sessions *all, uint64_t id, size_t worker);
size_t session_count(const struct sessions *all);

/* "connected", ... for the log. */
const char *session_state_name(enum session_state state);

#endif
