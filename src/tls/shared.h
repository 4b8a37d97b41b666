/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What struct tls_hosts is to the other files of this folder.
 */
#ifndef WHARF_TLS_SHARED_H
#define WHARF_TLS_SHARED_H

#include <openssl/ssl.h>

#include <wharf/tls/hosts.h>

#include "bearer.h"
#include "context.h"
#include "host.h"

struct tls_hosts {
	SSL_CTX *front; /* keys of tickets and sessions are its */
	BIO_METHOD *transport;
	struct algorithms algorithms;
	struct bearers bearers;
	/* Each at its own address for ever, because sessions point to it; only what is in it is
	 * replaced. */
	struct tls_host **host;
	size_t n;
	struct buf spare;       /* lent to who writes */
	const char *not_kernel; /* why the kernel does not encrypt; NULL: it does */
};

#endif
