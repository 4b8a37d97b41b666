/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* `wharfd -T`: what is in force for somebody, and from where. */
#ifndef WHARF_MONITOR_SHOW_H
#define WHARF_MONITOR_SHOW_H

#include <sys/socket.h>

#include "monitor.h"

/*
 * Prints the settings of a user (NULL: before the login) on a listener (NULL: on the first), for a
 * client from that address (NULL: from none that any block holds).  Who the user is say the sources
 * that know his name without a password.  Returns an exit status; exits where there is no such
 * listener.
 */
int show(const struct monitor *m, const char *user, const char *listener,
	 const struct sockaddr_storage *client);

#endif
