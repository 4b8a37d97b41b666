/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Certificates, revocation lists and OCSP responses for tests, made on the spot.  Whatever fails
 * here ends the test.
 */
#ifndef WHARF_TESTS_PKI_H
#define WHARF_TESTS_PKI_H

#include <stdbool.h>

#include <openssl/x509.h>

#include <wharf/base/buf.h>

/* A certificate with its key. */
struct pair {
	X509 *certificate;
	EVP_PKEY *key;
};

/* What is wanted of one; zero is what is usual. */
struct pki_wish {
	const char *cn;        /* may hold a NUL: then cn_length */
	int cn_length;         /* 0: to its NUL */
	const char *san;       /* "DNS:a,email:b" */
	const struct pair *by; /* NULL: self-signed */
	bool rsa, ca;
	int from, days;    /* days from now, 0: yesterday; and how many, 0: 30 */
	const char *usage; /* extended */
	int names;         /* so many DNS names besides */
};

struct pair pki_make(const struct pki_wish *wish);
void pair_free(struct pair *p);
/* Appends PEM. */
void pki_certificate(struct buf *out, const X509 *certificate);
void pki_key(struct buf *out, EVP_PKEY *key);
/* A revocation list of that CA, valid from..to days from now, with one certificate or none. */
void pki_crl(struct buf *out, const struct pair *ca, const X509 *revoked, int from, int to);
/* Appends an OCSP response in DER: good, until so many days from now. */
void pki_ocsp(struct buf *out, const X509 *certificate, const struct pair *ca, int to);
/* A file with that in it, and nothing else's. */
int pki_file(struct buf *text);

#endif
