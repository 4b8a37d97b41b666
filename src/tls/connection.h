/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A TLS connection, as the files of this folder see it.
 */
#ifndef WHARF_TLS_CONNECTION_H
#define WHARF_TLS_CONNECTION_H

#include <openssl/ssl.h>

#include <wharf/tls/stream.h>

#include "shared.h"
#include "transport.h"

enum { CONNECTION_CONTEXT = 32 };

struct tls {
	struct context_owner owner; /* the first: callbacks know no more of it */
	struct tls_hosts *hosts;
	const struct tls_host *host;     /* named by HOST; when the handshake is done, served */
	const struct settings *settings; /* until the handshake is done */
	SSL *ssl;
	struct transport transport;
	unsigned char context[CONNECTION_CONTEXT]; /* what binds sessions to a control connection */
	char *sni;
	bool with_tickets;
	bool done;      /* the handshake */
	bool in_kernel; /* then what waits in the transport is clear */
	bool ending;    /* in the kernel: close_notify follows what waits */
	bool hungry;    /* what has come is not a whole record */
	bool closed;    /* close_notify has come */
	int verdict;    /* how it ended: an enum tls_result, or 0 */
	size_t answers; /* bytes that wait because the peer made us write them */
	const char *why;
};

#endif
