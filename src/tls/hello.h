/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The choice of the host by a ClientHello.
 */
#ifndef WHARF_TLS_HELLO_H
#define WHARF_TLS_HELLO_H

#include <openssl/ssl.h>

/* OpenSSL's callback for it, before it looks for a session, a version or a cipher. */
int hello_choose_host(SSL *ssl, int *alert, void *arg);

#endif
