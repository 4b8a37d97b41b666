/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The option passive_address: which address PASV names to a client.  Pure. */
#ifndef WHARF_CONF_PASSIVE_H
#define WHARF_CONF_PASSIVE_H

#include <sys/socket.h>

#include <wharf/base/address.h>
#include <wharf/base/slice.h>
#include <wharf/conf/settings.h>

enum passive_error {
	PASSIVE_BAD = 1, /* not "network = IPv4 address", or the address is 0.0.0.0 */
};

/* Reads one text of the option.  Returns 0 or PASSIVE_BAD. */
int passive_parse(struct slice text, struct network *clients, struct sockaddr_storage *address);

/*
 * *out := the address of the first text whose network holds the client, or family 0 when none does.
 */
void passive_address_for(const struct texts *list, const struct sockaddr_storage *client,
			 struct sockaddr_storage *out);

#endif
