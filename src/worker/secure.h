/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TLS on a control connection (RFC 4217 §4): from AUTH, or from the first byte, to the session's
 * end or to CCC.  Made on demand.
 */
#ifndef WHARF_WORKER_SECURE_H
#define WHARF_WORKER_SECURE_H

#include <wharf/tls/stream.h>

#include "session.h"
#include "turns.h"

enum secure_phase {
	SECURE_HANDSHAKE,
	SECURE_ON,
	SECURE_ENDING, /* our close_notify is out or on its way, the client's is awaited */
	SECURE_OFF,    /* clear again; the TLS session lives on for data connections */
};

struct secure {
	struct tls *tls;
	enum secure_phase phase;
	bool ended; /* close_notify was written */
	struct turn turn;
	uint64_t until; /* ms: when the handshake must be done; 0: it is */
};

/* TLS begins.  All that was to be said before must have been sent. */
void secure_begin(struct session *s);
/* TLS ends, and the connection is clear again. */
void secure_end(struct session *s);
void secure_free(struct session *s);

/* Whether bytes of the socket are TLS's. */
bool secure_is_on(const struct session *s);
/* Whether a handshake may take its next step now; if not, control_read() is called when it may. */
bool secure_may_read(struct session *s);
/* Whether a handshake wants bytes: it is under way, and does not stand in line. */
bool secure_wants_input(const struct session *s);
/* When the handshake must be done, in ms; 0 when none is under way. */
uint64_t secure_deadline(const struct session *s);
/* Bytes of the socket: their plaintext goes to control_take(). */
void secure_take(struct session *s, struct slice bytes);

/* No more bytes will come: a handshake that is under way has failed. */
void secure_input_ended(struct session *s);

/* Encrypts what is to be sent, and sends of it.  Returns how many bytes left. */
size_t secure_flush(struct session *s);
/* Bytes that wait to be sent, encrypted. */
size_t secure_unsent(const struct session *s);
/* Whether replies may go out in clear now. */
bool secure_is_clear(const struct session *s);
/* Says close_notify, if that has not been. */
void secure_say_goodbye(struct session *s);

#endif
