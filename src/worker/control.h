/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The control connection of a session: its bytes, its timers, its end. */
#ifndef WHARF_WORKER_CONTROL_H
#define WHARF_WORKER_CONTROL_H

#include "session.h"

/* Sets the socket up and makes its handles.  0 or a negative errno. */
int control_init(struct session *s);
/* Reads what the client sent, and runs it. */
void control_read(struct session *s);
/* Bytes of the client in clear: plaintext of TLS, or as the socket had them.  Where a password may
 * be in them they are wiped. */
void control_take(struct session *s, struct slice bytes);
/* Sends what is there to send. */
void control_flush(struct session *s);
/* After anything has changed: what to wait for, and until when; begins the end when it is time. */
void control_update(struct session *s);

#endif
