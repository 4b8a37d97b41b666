/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A certificate with its chain and its private key, from PEM, and what there is to tell of it. Used
 * by workers, which serve it, and by wharfctl, which makes and shows it.  Nothing here opens a
 * file.
 */
#ifndef WHARF_TLS_CERTIFICATE_H
#define WHARF_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

struct certificate {
	X509 *leaf;
	STACK_OF(X509) * chain; /* what stood behind it, in the order of the file */
	EVP_PKEY *key;
};

/*
 * Reads a certificate (the first of the text) and its chain, and its key from `key`, or from the
 * same text where key.p is NULL.  Returns 0; CERTIFICATE_WRONG, with what is wrong appended to
 * `why` (without a file's name), and *key_is_wrong telling which of the two texts it is; or
 * -ENOMEM.  What was read until then stays in *out, and certificate_deinit() frees in any case.
 */
enum { CERTIFICATE_WRONG = 1 };
int certificate_read(struct slice pem, struct slice key, struct certificate *out, struct buf *why,
		     bool *key_is_wrong);
void certificate_deinit(struct certificate *c);

/* Appends the names that it is good for: DNS names and addresses of its SAN, else its CN; a blank
 * between. */
void certificate_names(const struct certificate *c, struct buf *out);
/* Whether it is good for that host name (RFC 6125: wildcards count, case does not). */
bool certificate_is_for(const struct certificate *c, struct slice name);
/* Its validity, in seconds since 1970. */
int64_t certificate_not_before(const struct certificate *c);
int64_t certificate_not_after(const struct certificate *c);
/* Appends what key it has: "ECDSA P-256", "RSA 2048". */
void certificate_kind(const struct certificate *c, struct buf *out);
/* Appends its issuer's name, as RFC 2253 writes it. */
void certificate_issuer(const struct certificate *c, struct buf *out);
bool certificate_is_self_signed(const struct certificate *c);
/* Appends the SHA-256 fingerprint of a certificate, 64 hexadecimal digits. */
void certificate_fingerprint(const X509 *leaf, struct buf *out);

/* The key that certificate_make() makes. */
enum certificate_key { CERTIFICATE_ECDSA, CERTIFICATE_RSA };

/* Whether a certificate can be made for that name: a DNS name in ASCII, whose first label may be
 * "*", or an address. */
bool certificate_is_name(struct slice name);

/*
 * Makes a key (P-256 or 2048 bits) and a self-signed certificate for these names, valid from now
 * (seconds since 1970) for so many days, and appends both as PEM.  The caller wipes the key.
 * Returns 0, -EINVAL for a name that is none, or -ENOMEM.
 */
int certificate_make(const struct slice *names, size_t n, enum certificate_key kind, int64_t now,
		     unsigned days, struct buf *certificate, struct buf *key);

#endif
