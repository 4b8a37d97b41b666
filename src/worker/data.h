/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The way to a data connection: a passive listener or an active connect.  Made by PASV, PORT and
 * their kin, it is gone when the connection is handed to a pump, or by data_close().  Under PROT P
 * a client that comes early finds TLS ready: the transfer takes it over, as far as it has got.
 */
#ifndef WHARF_WORKER_DATA_H
#define WHARF_WORKER_DATA_H

#include <wharf/tls/stream.h>

#include "session.h"

/* As ftp_world's passive and active; what was before is closed. */
int data_listen(struct session *s, int family, struct sockaddr_storage *announce);
void data_aim(struct session *s, const struct sockaddr_storage *to);
/* Accepts or connects; makes DUE_CONNECTED due. */
void data_connect(struct session *s);
/* The answer to M_ACTIVE: a bound socket, or -1. */
void data_active_socket(struct session *s, int fd);
/* Takes the connected socket out of it, or -1, and the TLS that has begun on it, or NULL; and
 * closes the rest. */
int data_take(struct session *s, struct tls **tls);
void data_close(struct session *s);

#endif
