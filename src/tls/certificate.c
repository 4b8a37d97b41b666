/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Certificates.  PEM is taken apart block by block here, and not by OpenSSL's readers of whole
 * files, so that nothing can ask for a passphrase at a terminal, and so that what is wrong can be
 * told.  Every function leaves OpenSSL's queue of errors empty: whoever asks SSL_get_error() next
 * must not find ours.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "certificate_parts.h"

/* What is looked for in a text. */
enum { CERTIFICATES = 1, PRIVATE_KEY = 2 };

/* A text that is read, and what stood in it instead of what was looked for. */
struct reading {
	struct certificate *out;
	int wanted;
	unsigned certificates;
	bool sealed, public_key, request;
};

/* A block of PEM, without its armour. */
struct block {
	char *name, *header;
	unsigned char *data;
	long n;
};

static void
block_deinit(struct block *b)
{
	OPENSSL_free(b->name);
	OPENSSL_free(b->header);
	OPENSSL_clear_free(b->data, (size_t)b->n);
	*b = (struct block){0};
}

static bool
name_ends(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

static int
take_certificate(struct reading *r, const struct block *b, struct buf *why)
{
	const unsigned char *p = b->data;
	X509 *x = d2i_X509(NULL, &p, b->n);

	r->certificates++;
	if (!x) {
		buf_printf(why, "certificate %u in it is broken", r->certificates);
		return CERTIFICATE_WRONG;
	}
	if (!r->out->leaf) {
		r->out->leaf = x;
	} else if (sk_X509_push(r->out->chain, x) <= 0) {
		X509_free(x);
		return -ENOMEM;
	}
	return 0;
}

/* The first one counts. */
static int
take_key(struct reading *r, const struct block *b, struct buf *why)
{
	const unsigned char *p = b->data;

	if (r->out->key)
		return 0;
	if (strcmp(b->name, PEM_STRING_PKCS8) == 0 || strstr(b->header, "ENCRYPTED")) {
		r->sealed = true;
		return 0;
	}
	r->out->key = d2i_AutoPrivateKey(NULL, &p, b->n);
	if (r->out->key)
		return 0;
	buf_printf(why, "its block \"%s\" is broken, or of a kind that is not known", b->name);
	return CERTIFICATE_WRONG;
}

static int
take_block(struct reading *r, const struct block *b, struct buf *why)
{
	if (name_ends(b->name, "PRIVATE KEY"))
		return r->wanted & PRIVATE_KEY ? take_key(r, b, why) : 0;
	if (name_ends(b->name, "PUBLIC KEY"))
		r->public_key = true;
	if (name_ends(b->name, "CERTIFICATE REQUEST"))
		r->request = true;
	if (name_ends(b->name, "CERTIFICATE") && r->wanted & CERTIFICATES)
		return take_certificate(r, b, why);
	return 0;
}

/* Whether the end of the text, and nothing worse, is why there is no further block. */
static bool
at_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int
read_blocks(struct reading *r, struct slice text, struct buf *why)
{
	struct block b = {0};
	BIO *bio;
	int result = 0;

	if (text.n > INT_MAX) {
		buf_add_str(why, "it is too long");
		return CERTIFICATE_WRONG;
	}
	bio = BIO_new_mem_buf(text.n ? text.p : "", (int)text.n);
	if (!bio)
		return -ENOMEM;
	ERR_clear_error();
	for (unsigned i = 1; result == 0; i++) {
		if (PEM_read_bio(bio, &b.name, &b.header, &b.data, &b.n) != 1) {
			if (!at_end()) {
				buf_printf(why, "its PEM block %u is broken or cut off", i);
				result = CERTIFICATE_WRONG;
			}
			break;
		}
		result = take_block(r, &b, why);
		block_deinit(&b);
	}
	BIO_free(bio);
	ERR_clear_error();
	return result;
}

/* DER begins with a SEQUENCE of a length that takes several bytes; no text does. */
static bool
is_der(struct slice text)
{
	return text.n > 2 && text.p[0] == 0x30 && ((unsigned char)text.p[1] & 0x80);
}

static int
no_certificate(const struct reading *r, struct slice text, struct buf *why)
{
	buf_add_str(why, "no certificate in it");
	if (text.n == 0)
		buf_add_str(why, ", it is empty");
	else if (is_der(text))
		buf_add_str(why, ": it is DER, and PEM is what is read");
	else if (r->request)
		buf_add_str(why, ", but a request for one, which a CA has to sign first");
	return CERTIFICATE_WRONG;
}

static int
no_key(const struct reading *r, struct slice text, bool alone, struct buf *why)
{
	if (r->sealed) {
		buf_add_str(why, "the key is protected by a passphrase, which nobody could type "
				 "at start");
		return CERTIFICATE_WRONG;
	}
	buf_add_str(why, "no private key in it");
	if (text.n == 0)
		buf_add_str(why, ", it is empty");
	else if (is_der(text))
		buf_add_str(why, ": it is DER, and PEM is what is read");
	else if (r->public_key)
		buf_add_str(why, ", but a public one");
	else if (!alone)
		buf_add_str(why, ", and no other file was named for the key");
	return CERTIFICATE_WRONG;
}

int
certificate_read(struct slice pem, struct slice key, struct certificate *out, struct buf *why,
		 bool *key_is_wrong)
{
	struct reading r = {.out = out, .wanted = CERTIFICATES | (key.p ? 0 : PRIVATE_KEY)};
	int result;

	*out = (struct certificate){.chain = sk_X509_new_null()};
	*key_is_wrong = false;
	if (!out->chain)
		return -ENOMEM;
	result = read_blocks(&r, pem, why);
	if (result)
		return result;
	if (!out->leaf)
		return no_certificate(&r, pem, why);
	if (key.p) {
		r = (struct reading){.out = out, .wanted = PRIVATE_KEY};
		*key_is_wrong = true;
		result = read_blocks(&r, key, why);
	}
	if (result)
		return result;
	if (!out->key)
		return no_key(&r, key.p ? key : pem, key.p, why);
	if (X509_check_private_key(out->leaf, out->key) != 1) {
		ERR_clear_error();
		buf_add_str(why, "the key does not fit the certificate");
		return CERTIFICATE_WRONG;
	}
	*key_is_wrong = false;
	return 0;
}

void
certificate_deinit(struct certificate *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	*c = (struct certificate){0};
}

/* Names come out of a file that anybody may have made, and go to terminals and logs. */
static void
add_name(struct buf *out, size_t start, const unsigned char *name, int n)
{
	if (out->len > start)
		buf_add_byte(out, ' ');
	for (int i = 0; i < n; i++)
		buf_add_byte(out, name[i] > ' ' && name[i] < 0x7f ? (char)name[i] : '?');
}

static void
add_general_name(struct buf *out, size_t start, const GENERAL_NAME *name)
{
	char text[INET6_ADDRSTRLEN];
	const ASN1_STRING *s;
	int type, family;

	s = GENERAL_NAME_get0_value(name, &type);
	if (type == GEN_DNS) {
		add_name(out, start, ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
		return;
	}
	if (type != GEN_IPADD || (ASN1_STRING_length(s) != 4 && ASN1_STRING_length(s) != 16))
		return;
	family = ASN1_STRING_length(s) == 4 ? AF_INET : AF_INET6;
	if (inet_ntop(family, ASN1_STRING_get0_data(s), text, sizeof(text)))
		add_name(out, start, (const unsigned char *)text, (int)strlen(text));
}

static void
add_common_name(struct buf *out, size_t start, const X509 *leaf)
{
	const X509_NAME *subject = X509_get_subject_name(leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *utf8 = NULL;
	int n;

	if (at < 0)
		return;
	n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (n > 0)
		add_name(out, start, utf8, n);
	OPENSSL_free(utf8);
}

void
certificate_names(const struct certificate *c, struct buf *out)
{
	GENERAL_NAMES *san = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	size_t start = out->len;

	for (int i = 0; i < sk_GENERAL_NAME_num(san); i++)
		add_general_name(out, start, sk_GENERAL_NAME_value(san, i));
	if (out->len == start)
		add_common_name(out, start, c->leaf);
	GENERAL_NAMES_free(san);
	ERR_clear_error();
}

size_t
certificate_address(struct slice s, unsigned char address[16])
{
	char text[INET6_ADDRSTRLEN];

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = (struct slice){s.p + 1, s.n - 2};
	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, address) == 1)
		return 4;
	return inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
}

bool
certificate_is_for(const struct certificate *c, struct slice name)
{
	unsigned char address[16];
	size_t n = certificate_address(name, address);
	int r = 0;

	/* OpenSSL would measure an empty name itself, pass over a NUL at the end, and take
	 * ".example.com" for all below it. */
	if (n)
		r = X509_check_ip(c->leaf, address, n, 0);
	else if (name.n && name.p[0] != '.' && !memchr(name.p, '\0', name.n))
		r = X509_check_host(c->leaf, name.p, name.n, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
				    NULL);
	ERR_clear_error();
	return r == 1;
}

static int64_t
seconds(const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1) {
		ERR_clear_error();
		return 0;
	}
	return timegm(&tm);
}

int64_t
certificate_not_before(const struct certificate *c)
{
	return seconds(X509_get0_notBefore(c->leaf));
}

int64_t
certificate_not_after(const struct certificate *c)
{
	return seconds(X509_get0_notAfter(c->leaf));
}

static void
add_curve(const EVP_PKEY *key, struct buf *out)
{
	char group[64];
	const char *nist;

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1) {
		buf_add_str(out, "ECDSA");
		return;
	}
	nist = EC_curve_nid2nist(OBJ_txt2nid(group));
	buf_printf(out, "ECDSA %s", nist ? nist : group);
}

void
certificate_kind(const struct certificate *c, struct buf *out)
{
	const EVP_PKEY *key = X509_get0_pubkey(c->leaf);
	const char *name = key ? EVP_PKEY_get0_type_name(key) : NULL;

	if (!name)
		buf_add_str(out, "unknown");
	else if (EVP_PKEY_is_a(key, "EC"))
		add_curve(key, out);
	else if (EVP_PKEY_is_a(key, "ED25519"))
		buf_add_str(out, "Ed25519");
	else if (EVP_PKEY_is_a(key, "ED448"))
		buf_add_str(out, "Ed448");
	else
		buf_printf(out, "%s %d", name, EVP_PKEY_get_bits(key));
	ERR_clear_error();
}

void
certificate_add_bio(BIO *bio, bool written, struct buf *out)
{
	char *text;
	long n = written ? BIO_get_mem_data(bio, &text) : 0;

	if (!written)
		out->failed = true;
	if (n > 0)
		buf_add(out, text, (size_t)n);
	BIO_free(bio);
}

void
certificate_issuer(const struct certificate *c, struct buf *out)
{
	const X509_NAME *issuer = X509_get_issuer_name(c->leaf);
	BIO *bio = BIO_new(BIO_s_mem());

	certificate_add_bio(bio, bio && X509_NAME_print_ex(bio, issuer, 0, XN_FLAG_RFC2253) >= 0,
			    out);
	ERR_clear_error();
}

bool
certificate_is_self_signed(const struct certificate *c)
{
	int r = X509_self_signed(c->leaf, 1);

	ERR_clear_error();
	return r == 1;
}

void
certificate_fingerprint(const X509 *leaf, struct buf *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(leaf, EVP_sha256(), digest, &n) != 1)
		out->failed = true;
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%02x", digest[i]);
	ERR_clear_error();
}
