/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Keys and self-signed certificates, newly made; see wharf/tls/certificate.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "certificate_parts.h"

/* One label of a DNS name. */
static bool
is_label(struct slice s)
{
	if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

static bool
is_number(struct slice label)
{
	for (size_t i = 0; i < label.n; i++)
		if (label.p[i] < '0' || label.p[i] > '9')
			return false;
	return true;
}

/* A DNS name, in ASCII as certificates have it; its first label may be "*". */
static bool
is_dns_name(struct slice name)
{
	bool star = slice_starts(name, SLICE("*."));

	if (name.n == 0 || name.n > 253)
		return false;
	for (struct slice rest = star ? slice_from(name, 2) : name;;) {
		const char *dot = memchr(rest.p, '.', rest.n);
		struct slice label = dot ? slice_head(rest, (size_t)(dot - rest.p)) : rest;
		if (!is_label(label))
			return false;
		/* Digits at the end make an address, here a broken one (RFC 1123 §2.1). */
		if (!dot)
			return !is_number(label);
		rest = slice_from(rest, label.n + 1);
	}
}

bool
certificate_is_name(struct slice name)
{
	unsigned char address[16];

	return certificate_address(name, address) || is_dns_name(name);
}

/* 0, -EINVAL or -ENOMEM. */
static int
push_name(GENERAL_NAMES *names, struct slice name)
{
	unsigned char address[16];
	size_t n = certificate_address(name, address);
	GENERAL_NAME *general;
	ASN1_STRING *value;

	if (!n && !is_dns_name(name))
		return -EINVAL;
	general = GENERAL_NAME_new();
	value = ASN1_STRING_type_new(n ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	if (!general || !value ||
	    ASN1_STRING_set(value, n ? (const void *)address : name.p, (int)(n ? n : name.n)) !=
		    1) {
		GENERAL_NAME_free(general);
		ASN1_STRING_free(value);
		return -ENOMEM;
	}
	GENERAL_NAME_set0_value(general, n ? GEN_IPADD : GEN_DNS, value);
	if (sk_GENERAL_NAME_push(names, general) > 0)
		return 0;
	GENERAL_NAME_free(general);
	return -ENOMEM;
}

static int
make_names(const struct slice *names, size_t n, GENERAL_NAMES **out)
{
	int r = n ? 0 : -EINVAL;

	*out = sk_GENERAL_NAME_new_null();
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = push_name(*out, names[i]);
	return r;
}

/* A common name has 64 bytes at most: the first name that fits. */
static struct slice
common_name(const struct slice *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].n <= 64)
			return names[i];
	return SLICE("wharfd");
}

static bool
set_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	bool ok = n && BN_rand(n, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ODD) == 1 &&
		  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));

	BN_free(n);
	return ok;
}

static bool
set_subject(X509 *x, struct slice name)
{
	X509_NAME *subject = X509_get_subject_name(x);
	const unsigned char *text = (const unsigned char *)name.p;

	return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, text, (int)name.n,
					  -1, 0) == 1 &&
	       X509_set_issuer_name(x, subject) == 1;
}

static bool
add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool ok;

	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

/* A server's certificate, and no CA's: whoever trusts it trusts nothing else by it. */
static bool
add_extensions(X509 *x, GENERAL_NAMES *names, enum certificate_key kind)
{
	const char *usage = kind == CERTIFICATE_RSA ? "critical,digitalSignature,keyEncipherment"
						    : "critical,digitalSignature";

	return X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1 &&
	       add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(x, NID_key_usage, usage) &&
	       add_extension(x, NID_ext_key_usage, "serverAuth") &&
	       add_extension(x, NID_subject_key_identifier, "hash") &&
	       add_extension(x, NID_authority_key_identifier, "keyid");
}

static bool
set_validity(X509 *x, int64_t now, unsigned days)
{
	time_t t = now;

	return days <= INT_MAX && X509_time_adj_ex(X509_getm_notBefore(x), 0, 0, &t) &&
	       X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, &t);
}

/* NULL when anything fails, which is memory. */
static X509 *
make_certificate(EVP_PKEY *key, enum certificate_key kind, struct slice subject,
		 GENERAL_NAMES *names, int64_t now, unsigned days)
{
	X509 *x = X509_new();

	if (key && x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	    set_subject(x, subject) && set_validity(x, now, days) && X509_set_pubkey(x, key) == 1 &&
	    add_extensions(x, names, kind) && X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

int
certificate_make(const struct slice *names, size_t n, enum certificate_key kind, int64_t now,
		 unsigned days, struct buf *certificate, struct buf *key)
{
	GENERAL_NAMES *general = NULL;
	EVP_PKEY *pkey = NULL;
	X509 *x = NULL;
	BIO *bio;
	int r = make_names(names, n, &general);

	if (r == 0) {
		pkey = kind == CERTIFICATE_RSA ? EVP_RSA_gen(2048U) : EVP_EC_gen("P-256");
		x = make_certificate(pkey, kind, common_name(names, n), general, now, days);
		r = x ? 0 : -ENOMEM;
	}
	if (r == 0) {
		bio = BIO_new(BIO_s_mem());
		certificate_add_bio(bio, bio && PEM_write_bio_X509(bio, x) == 1, certificate);
		/* This kind wipes its memory. */
		bio = BIO_new(BIO_s_secmem());
		certificate_add_bio(bio,
				    bio && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0,
									 NULL, NULL) == 1,
				    key);
		r = certificate->failed || key->failed ? -ENOMEM : 0;
	}
	X509_free(x);
	EVP_PKEY_free(pkey);
	GENERAL_NAMES_free(general);
	ERR_clear_error();
	return r;
}
