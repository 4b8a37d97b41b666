/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The probe for TLS in the kernel. */
#include <stdbool.h>
#include <stddef.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <wharf/base/fd.h>

#include "kernel.h"

/* A connection of two sockets by the loopback interface.  Only an established one can have TLS. */
static bool
connect_pair(int *listener, int *client)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);

	*listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return *listener >= 0 && *client >= 0 &&
	       bind(*listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	       listen(*listener, 1) == 0 &&
	       getsockname(*listener, (struct sockaddr *)&at, &n) == 0 &&
	       connect(*client, (struct sockaddr *)&at, n) == 0;
}

const char *
kernel_tls_missing(void)
{
	static const char tls[] = "tls";
	const char *why = NULL;
	int listener = -1, client = -1;

	if (!connect_pair(&listener, &client))
		why = "it could not be tried out";
	else if (setsockopt(client, IPPROTO_TCP, TCP_ULP, tls, sizeof(tls)) < 0)
		why = "the kernel has none";
	fd_close(&client);
	fd_close(&listener);
	return why;
}
