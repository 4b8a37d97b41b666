/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What reading and making of certificates share. */
#ifndef WHARF_TLS_CERTIFICATE_PARTS_H
#define WHARF_TLS_CERTIFICATE_PARTS_H

#include <openssl/bio.h>

#include <wharf/tls/certificate.h>

/* Reads "192.0.2.1", "2001:db8::1" or "[2001:db8::1]".  Returns how many bytes, or 0. */
size_t certificate_address(struct slice s, unsigned char address[16]);
/* Appends what a BIO in memory holds, unless writing it failed, and frees it. */
void certificate_add_bio(BIO *bio, bool written, struct buf *out);

#endif
