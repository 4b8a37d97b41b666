/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The control connection of a session: its bytes, its timers, its end. */
#ifndef WHARF_WORKER_CONTROL_H
#define WHARF_WORKER_CONTROL_H

#include "session.h"

/* Makes what watches the socket and the time.  0 or a negative errno. */
int control_init(struct session *s);
/* Reads what the client sent, and runs it. */
void control_read(struct session *s);
/* Bytes of the client in clear: plaintext of TLS, or as the socket had them.  They are wiped, for
 * a password may be in them. */
void control_take(struct session *s, struct slice bytes);
/* Whether the client has closed its end, or is gone, and no command of it waits. */
bool control_is_lost(const struct session *s);
/* Whether a client that reads no replies has left so many that none are made for it. */
bool control_is_full(const struct session *s);
/* Sends what is there to send. */
void control_flush(struct session *s);
/* Its deadline has come: does what is over, and waits for the next. */
void control_on_deadline(struct session *s);
/* After anything has changed: what to wait for, and until when; begins the end when it is time. */
void control_update(struct session *s);

#endif
