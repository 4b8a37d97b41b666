/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Certificates and the like for tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "pki.h"

static void
extend(X509 *x, const X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, (X509 *)issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void
extend_all(X509 *x, const X509 *issuer, const struct pki_wish *w)
{
	struct buf san = BUF_INIT;

	extend(x, issuer, NID_basic_constraints, w->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	extend(x, issuer, NID_subject_key_identifier, "hash");
	if (w->ca)
		extend(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
	if (w->usage)
		extend(x, issuer, NID_ext_key_usage, w->usage);
	if (w->san)
		buf_add_str(&san, w->san);
	for (int i = 0; i < w->names; i++)
		buf_printf(&san, "%sDNS:host-%d.example.com", san.len ? "," : "", i);
	buf_add_byte(&san, '\0');
	if (san.len > 1)
		extend(x, issuer, NID_subject_alt_name, san.data);
	buf_deinit(&san);
}

struct pair
pki_make(const struct pki_wish *w)
{
	static long serial = 1000;
	enum { DAY = 24 * 3600 };
	struct pair p = {X509_new(),
			 w->rsa ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
	const struct pair *by = w->by ? w->by : &p;
	int from = w->from ? w->from : -1;
	X509_NAME *name;

	assert_non_null(p.certificate);
	assert_non_null(p.key);
	name = X509_get_subject_name(p.certificate);
	X509_set_version(p.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(p.certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(p.certificate), (long)from * DAY);
	X509_gmtime_adj(X509_getm_notAfter(p.certificate),
			(long)(from + (w->days ? w->days : 30)) * DAY);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
						    (const unsigned char *)w->cn,
						    w->cn_length ? w->cn_length : -1, -1, 0),
			 1);
	X509_set_issuer_name(p.certificate, X509_get_subject_name(by->certificate));
	X509_set_pubkey(p.certificate, p.key);
	extend_all(p.certificate, by->certificate, w);
	assert_true(X509_sign(p.certificate, by->key, EVP_sha256()) > 0);
	return p;
}

void
pair_free(struct pair *p)
{
	X509_free(p->certificate);
	EVP_PKEY_free(p->key);
	*p = (struct pair){0};
}

static void
take_bio(struct buf *out, BIO *bio)
{
	char *text;
	long n = BIO_get_mem_data(bio, &text);

	assert_true(n > 0);
	buf_add(out, text, (size_t)n);
	BIO_free(bio);
}

void
pki_certificate(struct buf *out, const X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
	take_bio(out, bio);
}

void
pki_key(struct buf *out, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	take_bio(out, bio);
}

void
pki_crl(struct buf *out, const struct pair *ca, const X509 *revoked, int from, int to)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *at = ASN1_TIME_new();
	BIO *bio = BIO_new(BIO_s_mem());

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->certificate));
	X509_time_adj_ex(at, from, 0, NULL);
	X509_CRL_set1_lastUpdate(crl, at);
	if (revoked) {
		X509_REVOKED *r = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(r, (ASN1_INTEGER *)X509_get0_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(r, at);
		assert_int_equal(X509_CRL_add0_revoked(crl, r), 1);
	}
	X509_time_adj_ex(at, to, 0, NULL);
	X509_CRL_set1_nextUpdate(crl, at);
	assert_true(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
	take_bio(out, bio);
	ASN1_TIME_free(at);
	X509_CRL_free(crl);
}

void
pki_ocsp(struct buf *out, const X509 *certificate, const struct pair *ca, int to)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), certificate, ca->certificate);
	ASN1_TIME *from = X509_time_adj_ex(NULL, -30, 0, NULL);
	ASN1_TIME *until = X509_time_adj_ex(NULL, to, 0, NULL);
	OCSP_RESPONSE *response;
	unsigned char *der = NULL;
	int n;

	assert_non_null(
		OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, from, until));
	assert_int_equal(OCSP_basic_sign(basic, ca->certificate, ca->key, EVP_sha256(), NULL, 0),
			 1);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	n = i2d_OCSP_RESPONSE(response, &der);
	assert_true(n > 0);
	buf_add(out, der, (size_t)n);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
}

int
pki_file(struct buf *text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text->data, text->len), (ssize_t)text->len);
	buf_deinit(text);
	return fd;
}
