/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * OCSP responses that are stapled to certificates (RFC 6066 §8).
 */
#ifndef WHARF_TLS_STAPLE_H
#define WHARF_TLS_STAPLE_H

#include <openssl/ssl.h>

#include <wharf/base/slice.h>

/*
 * Staples a response (a copy of it) to a certificate, in the place of what was stapled before.
 * Returns 0; STAPLE_WRONG, with *wrong telling what is; or -ENOMEM.
 */
enum { STAPLE_WRONG = 1 };
int staple_add(X509 *certificate, struct slice der, const char **wrong);
/* Lets a context send what is stapled to the certificate that it chose, as long as it is valid. */
void staple_set_up(SSL_CTX *ctx);

#endif
