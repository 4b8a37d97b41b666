/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What of a session is logged, with the session's number, the client's address and the user in each
 * line. */
#ifndef WHARF_WORKER_EVENTS_H
#define WHARF_WORKER_EVENTS_H

#include "session.h"

void event_opened(struct session *s);
void event_closed(struct session *s);
void event_command(struct session *s, struct slice line, unsigned code);
void event_login(struct session *s, struct slice user, bool accepted, const char *why);
/* TLS is on the control connection; user: whom a client certificate names, or nobody. */
void event_secured(struct session *s, struct slice user);
void event_tls_failed(struct session *s, const char *why);
/* TLS on a data connection could not begin, or was not wanted so. */
void event_data_tls_failed(struct session *s, const char *why);
/* These two are for the journal too. */
void event_transfer(struct session *s, const struct transfer_record *record);
void event_change(struct session *s, const struct change_record *record);
/* Somebody else than the client came to its data port. */
void event_stranger(struct session *s, const struct sockaddr_storage *from);

#endif
