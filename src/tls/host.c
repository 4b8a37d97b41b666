/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A host: its certificates, with what is stapled to each, and whose clients it believes.  All of it
 * hangs on one SSL_CTX, which lives as long as the last connection that began with it.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "files.h"
#include "host.h"
#include "staple.h"

/* Appends "name: what". */
static int
is_wrong(struct buf *why, enum host_file *kind, enum host_file of, const char *name,
	 const char *what)
{
	*kind = of;
	buf_printf(why, "%s: %s", name, what);
	ERR_clear_error();
	return TLS_HOST_WRONG;
}

/* What OpenSSL says last of an error, which may be nothing. */
static const char *
openssl_says(const char *otherwise)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : otherwise;
}

static const char *
item(const struct texts *list, size_t i, const char *otherwise)
{
	return i < list->n ? list->item[i] : otherwise;
}

static int
read_certificate(struct tls_host *h, const struct host_plan *plan, unsigned i, struct buf *why,
		 enum host_file *kind)
{
	const char *name = item(&plan->settings->tls_certificate, i, "tls_certificate");
	struct slice pem = tls_files_get(plan->files, HOST_CERTIFICATE, i);
	struct slice key = tls_files_get(plan->files, HOST_KEY, i);
	struct certificate *c = &h->certificate[i];
	struct buf text = BUF_INIT;
	bool key_is_wrong = false;
	int result;

	result = certificate_read(pem, key, c, &text, &key_is_wrong);
	h->certificates++;
	buf_add_byte(&text, '\0');
	if (result == 0 && buf_error(&text))
		result = -ENOMEM;
	if (result == CERTIFICATE_WRONG) {
		bool in_key = key_is_wrong && key.p;
		if (in_key)
			name = item(&plan->settings->tls_key, i, "tls_key");
		result = is_wrong(why, kind, in_key ? HOST_KEY : HOST_CERTIFICATE, name, text.data);
	} else if (result == 0 &&
		   SSL_CTX_use_cert_and_key(h->ctx, c->leaf, c->key, c->chain, 0) != 1) {
		bool twice = ERR_GET_REASON(ERR_peek_last_error()) ==
			     SSL_R_NOT_REPLACING_CERTIFICATE;
		result = is_wrong(why, kind, HOST_CERTIFICATE, name,
				  twice ? "another certificate has the same kind of key"
					: openssl_says("OpenSSL does not take it"));
	}
	buf_deinit(&text);
	return result;
}

static int
read_staple(const struct tls_host *h, const struct host_plan *plan, unsigned i, struct buf *why,
	    enum host_file *kind)
{
	struct slice der = tls_files_get(plan->files, HOST_OCSP, i);
	const char *wrong = NULL;
	int result;

	if (!der.p)
		return 0;
	result = staple_add(h->certificate[i].leaf, der, &wrong);
	if (result == STAPLE_WRONG)
		return is_wrong(why, kind, HOST_OCSP,
				item(&plan->settings->tls_ocsp, i, "tls_ocsp"), wrong);
	return result;
}

static int
read_certificates(struct tls_host *h, const struct host_plan *plan, struct buf *why,
		  enum host_file *kind)
{
	size_t n = plan->settings->tls_certificate.n;
	int result = 0;

	if (plan->settings->tls_key.n > n)
		return is_wrong(why, kind, HOST_KEY, "tls_key", "more keys than certificates");
	if (plan->settings->tls_ocsp.n > n)
		return is_wrong(why, kind, HOST_OCSP, "tls_ocsp",
				"more responses than certificates");
	h->certificate = calloc(n, sizeof(*h->certificate));
	if (!h->certificate)
		return -ENOMEM;
	for (unsigned i = 0; i < n && result == 0; i++) {
		if (!tls_files_get(plan->files, HOST_CERTIFICATE, i).p)
			return is_wrong(why, kind, HOST_CERTIFICATE,
					plan->settings->tls_certificate.item[i], "not there");
		result = read_certificate(h, plan, i, why, kind);
		if (result == 0)
			result = read_staple(h, plan, i, why, kind);
	}
	return result;
}

/* What is read of a client's CA: adds the next piece to the context, and returns 1; 0 where there
 * is none, or negative. */
static int
add_ca(SSL_CTX *ctx, BIO *pem)
{
	X509 *ca = PEM_read_bio_X509(pem, NULL, NULL, NULL);
	int result = 1;

	if (!ca)
		return 0;
	if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) != 1 ||
	    SSL_CTX_add_client_CA(ctx, ca) != 1)
		result = -ENOMEM;
	X509_free(ca);
	return result;
}

static int
add_crl(SSL_CTX *ctx, BIO *pem)
{
	X509_CRL *crl = PEM_read_bio_X509_CRL(pem, NULL, NULL, NULL);
	int result = 1;

	if (!crl)
		return 0;
	if (X509_STORE_add_crl(SSL_CTX_get_cert_store(ctx), crl) != 1)
		result = -ENOMEM;
	X509_CRL_free(crl);
	return result;
}

/* Adds all pieces of a file; *wrong becomes what is wrong with it, or stays NULL. */
static int
add_all(SSL_CTX *ctx, struct slice text, int (*add)(SSL_CTX *, BIO *), const char **wrong)
{
	BIO *pem = BIO_new_mem_buf(text.n ? text.p : "", (int)text.n);
	unsigned n = 0;
	int result = 1;

	if (!pem)
		return -ENOMEM;
	ERR_clear_error();
	while ((result = add(ctx, pem)) > 0)
		n++;
	if (result == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		*wrong = openssl_says("it is broken");
	else if (result == 0 && n == 0)
		*wrong = add == add_crl ? "there is no revocation list in it"
					: "there is no certificate in it";
	BIO_free(pem);
	if (result < 0)
		ERR_clear_error();
	return result;
}

static int
read_clients(struct tls_host *h, const struct host_plan *plan, struct buf *why,
	     enum host_file *kind)
{
	static const int verify[] = {
		[WORD_tls_client_certificate_off] = SSL_VERIFY_NONE,
		[WORD_tls_client_certificate_request] = SSL_VERIFY_PEER,
		[WORD_tls_client_certificate_require] = SSL_VERIFY_PEER |
							SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	};
	const struct settings *s = plan->settings;
	struct slice ca = tls_files_get(plan->files, HOST_CLIENT_CA, 0);
	struct slice crl = tls_files_get(plan->files, HOST_CLIENT_CRL, 0);
	const char *wrong = NULL;
	int result;

	h->verify = verify[s->tls_client_certificate];
	SSL_CTX_set_verify(h->ctx, h->verify, NULL);
	if (h->verify == SSL_VERIFY_NONE)
		return 0;
	if (!ca.p)
		return is_wrong(why, kind, HOST_CLIENT_CA, "tls_client_ca",
				"tls_client_certificate needs it");
	result = add_all(h->ctx, ca, add_ca, &wrong);
	if (wrong)
		return is_wrong(why, kind, HOST_CLIENT_CA, s->tls_client_ca, wrong);
	if (result < 0 || !crl.p)
		return result;
	result = add_all(h->ctx, crl, add_crl, &wrong);
	if (wrong)
		return is_wrong(why, kind, HOST_CLIENT_CRL, s->tls_client_crl, wrong);
	X509_STORE_set_flags(SSL_CTX_get_cert_store(h->ctx),
			     X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return result;
}

int
tls_host_init(struct tls_host *h, const struct host_plan *plan, struct buf *why,
	      enum host_file *kind)
{
	const char *wrong = NULL;
	int result;

	*h = (struct tls_host){0};
	h->ctx = context_new(plan->algorithms, &wrong);
	if (!h->ctx)
		return -ENOMEM;
	if (wrong)
		return is_wrong(why, kind, HOST_SETTINGS, wrong,
				"OpenSSL has nothing of that name");
	if (!plan->settings->tls_certificate.n) {
		SSL_CTX_free(h->ctx);
		h->ctx = NULL;
		return 0;
	}
	staple_set_up(h->ctx);
	result = read_certificates(h, plan, why, kind);
	if (result == 0)
		result = read_clients(h, plan, why, kind);
	return result;
}

void
tls_host_deinit(struct tls_host *h)
{
	for (size_t i = 0; i < h->certificates; i++)
		certificate_deinit(&h->certificate[i]);
	free(h->certificate);
	SSL_CTX_free(h->ctx);
	free(h->name);
	*h = (struct tls_host){0};
}

bool
tls_host_is_named(const struct tls_host *h, struct slice name)
{
	struct slice own = slice_of(h->name);
	const char *dot;

	if (!own.n || !name.n)
		return false;
	if (slice_equal_nocase(own, name))
		return true;
	dot = memchr(name.p, '.', name.n);
	return slice_starts(own, SLICE("*.")) && dot && dot > name.p &&
	       slice_equal_nocase(slice_from(own, 1), slice_from(name, (size_t)(dot - name.p)));
}

bool
tls_host_certifies(const struct tls_host *h, struct slice name)
{
	for (size_t i = 0; i < h->certificates; i++)
		if (certificate_is_for(&h->certificate[i], name))
			return true;
	return false;
}

bool
tls_host_fits(const struct tls_host *h, struct slice name)
{
	return tls_host_is_named(h, name) || tls_host_certifies(h, name);
}
