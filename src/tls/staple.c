/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A response hangs on its certificate as OpenSSL's "external data", so that the one that is chosen
 * of several brings its own along, and both are freed together.
 */
#include <errno.h>
#include <limits.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "staple.h"

struct staple {
	ASN1_GENERALIZEDTIME *until; /* NULL: for ever */
	size_t n;
	unsigned char *der;
};

static void
staple_free(struct staple *s)
{
	if (!s)
		return;
	ASN1_GENERALIZEDTIME_free(s->until);
	OPENSSL_free(s->der);
	OPENSSL_free(s);
}

static void
on_free(void *certificate, void *staple, CRYPTO_EX_DATA *all, int index, long argl, void *argp)
{
	(void)certificate, (void)all, (void)index, (void)argl, (void)argp;
	staple_free(staple);
}

/* The place among a certificate's external data that is ours: OpenSSL numbers them for the whole
 * process, and never takes one back. */
static int
place(void)
{
	static int index = -1;

	if (index < 0)
		index = X509_get_ex_new_index(0, NULL, NULL, NULL, on_free);
	return index;
}

/* The part of the response that speaks of that certificate, by its serial number. */
static OCSP_SINGLERESP *
find(OCSP_BASICRESP *basic, X509 *certificate)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		ASN1_INTEGER *serial = NULL;

		OCSP_id_get0_info(NULL, NULL, NULL, &serial,
				  (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single));
		if (serial && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) == 0)
			return single;
	}
	return NULL;
}

/* Reads until when it is valid.  Returns what is wrong with it, or NULL. */
static const char *
check(X509 *certificate, struct slice der, ASN1_GENERALIZEDTIME **until)
{
	const unsigned char *p = (const unsigned char *)der.p;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)der.n);
	OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
	OCSP_SINGLERESP *single = basic ? find(basic, certificate) : NULL;
	ASN1_GENERALIZEDTIME *next = NULL;
	const char *wrong = NULL;

	if (!response || p != (const unsigned char *)der.p + der.n)
		wrong = "it is not an OCSP response in DER";
	else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL || !basic)
		wrong = "it is an OCSP response that tells nothing";
	else if (!single)
		wrong = "it is the OCSP response for another certificate";
	else
		OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
	*until = next ? ASN1_STRING_dup(next) : NULL;
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return wrong;
}

int
staple_add(X509 *certificate, struct slice der, const char **wrong)
{
	struct staple *s;
	ASN1_GENERALIZEDTIME *until;

	*wrong = check(certificate, der, &until);
	if (*wrong)
		return STAPLE_WRONG;
	s = OPENSSL_zalloc(sizeof(*s));
	if (!s) {
		ASN1_GENERALIZEDTIME_free(until);
		return -ENOMEM;
	}
	*s = (struct staple){until, der.n, OPENSSL_memdup(der.p, der.n)};
	if (!s->der || place() < 0) {
		staple_free(s);
		return -ENOMEM;
	}
	staple_free(X509_get_ex_data(certificate, place()));
	if (X509_set_ex_data(certificate, place(), s) != 1) {
		staple_free(s);
		return -ENOMEM;
	}
	return 0;
}

static int
on_status(SSL *ssl, void *arg)
{
	X509 *certificate = SSL_get_certificate(ssl);
	const struct staple *s = certificate && place() >= 0
					 ? X509_get_ex_data(certificate, place())
					 : NULL;
	unsigned char *copy;

	(void)arg;
	/* One that is past its time is worse than none: clients refuse it. */
	if (!s || (s->until && X509_cmp_current_time(s->until) < 0))
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(s->der, s->n);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)s->n);
	return SSL_TLSEXT_ERR_OK;
}

void
staple_set_up(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_status_cb(ctx, on_status);
}
