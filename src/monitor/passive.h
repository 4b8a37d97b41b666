/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The option passive_address: which address PASV names to a client.  Pure.
 */
#ifndef WHARF_MONITOR_PASSIVE_H
#define WHARF_MONITOR_PASSIVE_H

#include <sys/socket.h>

#include <wharf/conf/settings.h>

/* *out := the address of the first "network = address" that holds the client, or family 0 when none
 * does. */
void passive_address_for(const struct texts *list, const struct sockaddr_storage *client,
			 struct sockaddr_storage *out);

#endif
