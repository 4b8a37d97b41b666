/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Certificates: what is read and what is refused, in which words; for which names one is good; and
 * that what we make is what others make.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <wharf/tls/certificate.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define DAY  86400

/* The texts that the tables are made of. */
enum text {
	NOTHING, /* no text at all: NULL */
	EMPTY,
	GARBAGE,
	ECDSA_CRT,
	ECDSA_KEY,
	ECDSA_KEY_SEC1,
	RSA_CRT,
	RSA_KEY,
	RSA_KEY_PKCS1,
	ED_CRT,
	ED_KEY,
	SEALED,     /* ECDSA_CRT's key, PKCS #8 with a passphrase */
	SEALED_OLD, /* the same as OpenSSL 0.9 wrote it */
	DISGUISED,  /* encrypted, and called a plain key */
	PUBLIC,
	DER,
	REQUEST,
	CUT,     /* the first half of ECDSA_CRT */
	CUT_KEY, /* the first half of ECDSA_KEY */
	BENT,    /* a certificate's armour around something else */
	BENT_KEY,
	PROSE,
	PARAMETERS,
	N_TEXTS
};

static struct buf texts[N_TEXTS];
static int64_t now;

static void
take(BIO *bio, enum text which)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	assert_true(n > 0);
	buf_add(&texts[which], p, (size_t)n);
	BIO_free(bio);
}

static EVP_PKEY *
key_of(enum text which)
{
	BIO *bio = BIO_new_mem_buf(texts[which].data, (int)texts[which].len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	assert_non_null(key);
	BIO_free(bio);
	return key;
}

static void
armour(enum text which, const char *name, const char *bytes, long n)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio(bio, name, "", (const unsigned char *)bytes, n) > 0);
	take(bio, which);
}

static void
make_ed25519(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	const unsigned char name[] = "old\nname \xc3\xa4";

	/* With a common name alone, and one that nobody may print as it is. */
	X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8, name,
				   -1, -1, 0);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	ASN1_TIME_set_string(X509_getm_notAfter(x), "99991231235959Z");
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, NULL) > 0);
	PEM_write_bio_X509(bio, x);
	take(bio, ED_CRT);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	take(bio, ED_KEY);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
make_keys(void)
{
	EVP_PKEY *ec = key_of(ECDSA_KEY), *rsa = key_of(RSA_KEY);
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	PEM_write_bio_PrivateKey_traditional(bio, ec, NULL, NULL, 0, NULL, NULL);
	take(bio, ECDSA_KEY_SEC1);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey_traditional(bio, rsa, NULL, NULL, 0, NULL, NULL);
	take(bio, RSA_KEY_PKCS1);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PKCS8PrivateKey(bio, ec, EVP_aes_128_cbc(), "sesame", 6, NULL, NULL);
	take(bio, SEALED);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey_traditional(bio, ec, EVP_aes_128_cbc(),
					     (const unsigned char *)"sesame", 6, NULL, NULL);
	take(bio, SEALED_OLD);
	bio = BIO_new(BIO_s_mem());
	i2d_PKCS8PrivateKey_bio(bio, ec, EVP_aes_128_cbc(), "sesame", 6, NULL, NULL);
	n = BIO_get_mem_data(bio, &p);
	armour(DISGUISED, "PRIVATE KEY", p, n);
	BIO_free(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PUBKEY(bio, ec);
	take(bio, PUBLIC);
	bio = BIO_new(BIO_s_mem());
	i2d_PrivateKey_bio(bio, rsa);
	take(bio, DER);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
}

static int
make_texts(void **state)
{
	const struct slice ec[] = {SLICE("ftp.example.com"), SLICE("*.files.example.com"),
				   SLICE("192.0.2.7"), SLICE("2001:db8::7"),
				   SLICE("xn--bcher-kva.example")};
	const struct slice rsa[] = {SLICE("other.example.com")};

	(void)state;
	now = time(NULL);
	if (certificate_make(ec, N(ec), CERTIFICATE_ECDSA, now, 90, &texts[ECDSA_CRT],
			     &texts[ECDSA_KEY]) ||
	    certificate_make(rsa, 1, CERTIFICATE_RSA, now - 10 * DAY, 9, &texts[RSA_CRT],
			     &texts[RSA_KEY]))
		return -1;
	make_ed25519();
	make_keys();
	buf_add_str(&texts[GARBAGE], "listener a {\n\tport = 21\n}\n");
	buf_add(&texts[CUT], texts[ECDSA_CRT].data, texts[ECDSA_CRT].len / 2);
	buf_add(&texts[CUT_KEY], texts[ECDSA_KEY].data, texts[ECDSA_KEY].len / 2);
	armour(BENT, "CERTIFICATE", "no ASN.1", 8);
	armour(BENT_KEY, "PRIVATE KEY", "no ASN.1", 8);
	armour(REQUEST, "CERTIFICATE REQUEST", "\x30\x00", 2);
	armour(PARAMETERS, "EC PARAMETERS", "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10);
	buf_add_str(&texts[PROSE], "Subject: CN=ftp.example.com\n-- not a block --\n");
	return 0;
}

static int
free_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_TEXTS; i++)
		buf_wipe(&texts[i]);
	return 0;
}

struct row {
	enum text pem[4];
	enum text key[3];
	int chain;       /* how many behind the first one, or -1: refused */
	const char *why; /* how the reason begins */
	bool key_is_wrong;
};

static const struct row rows[] = {
	{{ECDSA_CRT}, {ECDSA_KEY}, 0, NULL, false},
	{{ECDSA_CRT}, {ECDSA_KEY_SEC1}, 0, NULL, false},
	{{ECDSA_CRT}, {PARAMETERS, ECDSA_KEY_SEC1}, 0, NULL, false},
	{{RSA_CRT}, {RSA_KEY}, 0, NULL, false},
	{{RSA_CRT}, {RSA_KEY_PKCS1}, 0, NULL, false},
	{{ED_CRT}, {ED_KEY}, 0, NULL, false},
	{{ECDSA_CRT, ECDSA_KEY}, {NOTHING}, 0, NULL, false},
	{{ECDSA_KEY, ECDSA_CRT}, {NOTHING}, 0, NULL, false},
	{{PARAMETERS, ECDSA_KEY_SEC1, ECDSA_CRT}, {NOTHING}, 0, NULL, false},
	{{ECDSA_CRT, RSA_CRT, ED_CRT}, {ECDSA_KEY}, 2, NULL, false},
	{{ECDSA_CRT, ECDSA_KEY, RSA_CRT}, {NOTHING}, 1, NULL, false},
	{{PROSE, ECDSA_CRT, PROSE, RSA_CRT}, {PROSE, ECDSA_KEY}, 1, NULL, false},
	/* The key's own file counts, and nothing else in it. */
	{{ECDSA_CRT, RSA_KEY}, {ECDSA_KEY}, 0, NULL, false},
	{{ECDSA_CRT, SEALED}, {ECDSA_KEY}, 0, NULL, false},
	{{ECDSA_CRT, BENT_KEY}, {ECDSA_KEY}, 0, NULL, false},
	{{ECDSA_CRT}, {BENT, ECDSA_KEY}, 0, NULL, false},
	{{ECDSA_CRT}, {SEALED, ECDSA_KEY}, 0, NULL, false},

	{{ECDSA_CRT}, {RSA_KEY}, -1, "the key does not fit the certificate", true},
	{{RSA_CRT, ECDSA_CRT}, {ECDSA_KEY}, -1, "the key does not fit the certificate", true},
	{{ECDSA_CRT, RSA_KEY}, {NOTHING}, -1, "the key does not fit the certificate", false},
	{{ECDSA_CRT}, {SEALED}, -1, "the key is protected by a passphrase", true},
	{{ECDSA_CRT}, {SEALED_OLD}, -1, "the key is protected by a passphrase", true},
	{{ECDSA_CRT, SEALED}, {NOTHING}, -1, "the key is protected by a passphrase", false},
	{{ECDSA_CRT}, {DISGUISED}, -1, "its block \"PRIVATE KEY\" is broken", true},
	{{ECDSA_CRT}, {BENT_KEY}, -1, "its block \"PRIVATE KEY\" is broken", true},
	{{ECDSA_CRT}, {CUT_KEY}, -1, "its PEM block 1 is broken or cut off", true},
	{{ECDSA_CRT}, {EMPTY}, -1, "no private key in it, it is empty", true},
	{{ECDSA_CRT}, {GARBAGE}, -1, "no private key in it", true},
	{{ECDSA_CRT}, {ECDSA_CRT}, -1, "no private key in it", true},
	{{ECDSA_CRT}, {PUBLIC}, -1, "no private key in it, but a public one", true},
	{{ECDSA_CRT}, {DER}, -1, "no private key in it: it is DER", true},
	{{ECDSA_CRT}, {NOTHING}, -1, "no private key in it, and no other file was named", false},
	{{EMPTY}, {ECDSA_KEY}, -1, "no certificate in it, it is empty", false},
	{{EMPTY}, {EMPTY}, -1, "no certificate in it, it is empty", false},
	{{GARBAGE}, {ECDSA_KEY}, -1, "no certificate in it", false},
	{{ECDSA_KEY}, {ECDSA_KEY}, -1, "no certificate in it", false},
	{{DER}, {ECDSA_KEY}, -1, "no certificate in it: it is DER", false},
	{{REQUEST}, {ECDSA_KEY}, -1, "no certificate in it, but a request", false},
	{{CUT}, {ECDSA_KEY}, -1, "its PEM block 1 is broken or cut off", false},
	{{ECDSA_CRT, CUT}, {ECDSA_KEY}, -1, "its PEM block 2 is broken or cut off", false},
	{{BENT}, {ECDSA_KEY}, -1, "certificate 1 in it is broken", false},
	{{ECDSA_CRT, RSA_CRT, BENT}, {ECDSA_KEY}, -1, "certificate 3 in it is broken", false},
};

/* The texts of a row, each line ended by `newline`. */
static struct buf
join(const enum text *which, size_t n, const char *newline)
{
	struct buf all = BUF_INIT;

	assert_int_equal(buf_reserve(&all, 1), 0);
	for (size_t i = 0; i < n && which[i] != NOTHING; i++)
		for (size_t j = 0; j < texts[which[i]].len; j++)
			if (texts[which[i]].data[j] == '\n' && which[i] != DER)
				buf_add_str(&all, newline);
			else
				buf_add_byte(&all, texts[which[i]].data[j]);
	return all;
}

static void
try_row(const struct row *row, const char *newline)
{
	struct buf pem = join(row->pem, N(row->pem), newline);
	struct buf key = join(row->key, N(row->key), newline);
	struct buf why = BUF_INIT;
	struct certificate c;
	bool key_is_wrong = !row->key_is_wrong;
	int r = certificate_read(buf_slice(&pem), row->key[0] ? buf_slice(&key) : SLICE_NULL, &c,
				 &why, &key_is_wrong);

	buf_add_byte(&why, '\0');
	if (r != (row->chain < 0 ? CERTIFICATE_WRONG : 0) || key_is_wrong != row->key_is_wrong ||
	    strncmp(why.data, row->why ? row->why : "", row->why ? strlen(row->why) : 1) != 0)
		fail_msg("row %td: %d, key %d, \"%s\"", row - rows, r, key_is_wrong, why.data);
	if (row->chain >= 0) {
		assert_int_equal(sk_X509_num(c.chain), row->chain);
		assert_int_equal(X509_check_private_key(c.leaf, c.key), 1);
	}
	assert_int_equal(ERR_peek_error(), 0);
	certificate_deinit(&c);
	assert_null(c.leaf);
	buf_deinit(&why);
	buf_wipe(&pem);
	buf_wipe(&key);
}

static void
test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		try_row(&rows[i], "\n");
		try_row(&rows[i], "\r\n");
	}
}

/* Bytes that somebody cut or bent anywhere: refused or read, and nothing worse. */
static void
test_bent(void **state)
{
	struct buf both = join((const enum text[]){ECDSA_CRT, ECDSA_KEY}, 2, "\n");

	(void)state;
	for (size_t i = 0; i < both.len; i += 3) {
		struct buf why = BUF_INIT;
		struct certificate c;
		char was = both.data[i];
		bool wrong;
		int r;
		both.data[i] = (char)(was ^ 1);
		r = certificate_read(buf_slice(&both), SLICE_NULL, &c, &why, &wrong);
		assert_true(r == 0 || (r == CERTIFICATE_WRONG && why.len));
		certificate_deinit(&c);
		both.data[i] = was;
		r = certificate_read(slice_head(buf_slice(&both), i), SLICE_NULL, &c, &why, &wrong);
		assert_true(r == CERTIFICATE_WRONG);
		certificate_deinit(&c);
		buf_deinit(&why);
	}
	buf_wipe(&both);
}

static struct certificate
read_pair(enum text pem, enum text key)
{
	struct buf why = BUF_INIT;
	struct certificate c;
	bool wrong;

	assert_int_equal(
		certificate_read(buf_slice(&texts[pem]), buf_slice(&texts[key]), &c, &why, &wrong),
		0);
	return c;
}

static void
assert_told(void (*tell)(const struct certificate *, struct buf *), const struct certificate *c,
	    const char *expected)
{
	struct buf out = BUF_INIT;

	buf_add_str(&out, "before ");
	tell(c, &out);
	buf_add_byte(&out, '\0');
	assert_string_equal(out.data + strlen("before "), expected);
	buf_deinit(&out);
}

static void
test_facts(void **state)
{
	struct certificate ec = read_pair(ECDSA_CRT, ECDSA_KEY), rsa = read_pair(RSA_CRT, RSA_KEY);
	struct certificate ed = read_pair(ED_CRT, ED_KEY);

	(void)state;
	assert_told(certificate_kind, &ec, "ECDSA P-256");
	assert_told(certificate_kind, &rsa, "RSA 2048");
	assert_told(certificate_kind, &ed, "Ed25519");
	assert_told(certificate_names, &ec,
		    "ftp.example.com *.files.example.com 192.0.2.7 2001:db8::7 "
		    "xn--bcher-kva.example");
	assert_told(certificate_names, &rsa, "other.example.com");
	assert_told(certificate_names, &ed, "old?name???");
	assert_told(certificate_issuer, &ec, "CN=ftp.example.com");
	assert_told(certificate_issuer, &ed, "");
	assert_true(certificate_is_self_signed(&ec));
	assert_true(certificate_is_self_signed(&rsa));
	assert_int_equal(certificate_not_before(&ec), now);
	assert_int_equal(certificate_not_after(&ec), now + 90 * (int64_t)DAY);
	assert_int_equal(certificate_not_after(&rsa), now - DAY);
	/* RFC 5280 §4.1.2.5: no end. */
	assert_int_equal(certificate_not_after(&ed), INT64_C(253402300799));
	certificate_deinit(&ec);
	certificate_deinit(&rsa);
	certificate_deinit(&ed);
}

static void
test_fingerprint(void **state)
{
	struct certificate c = read_pair(ECDSA_CRT, ECDSA_KEY);
	unsigned char *der = NULL, digest[32];
	struct buf out = BUF_INIT, expected = BUF_INIT;
	int n = i2d_X509(c.leaf, &der);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL), 1);
	for (size_t i = 0; i < sizeof(digest); i++)
		buf_printf(&expected, "%02x", digest[i]);
	certificate_fingerprint(c.leaf, &out);
	assert_int_equal(out.len, 64);
	assert_memory_equal(out.data, expected.data, 64);
	buf_deinit(&out);
	buf_deinit(&expected);
	OPENSSL_free(der);
	certificate_deinit(&c);
}

static const struct {
	struct slice name;
	bool good;
} names[] = {
	{SLICE("ftp.example.com"), true},
	{SLICE("FTP.Example.COM"), true},
	{SLICE("a.files.example.com"), true},
	{SLICE("A.Files.example.com"), true},
	{SLICE("192.0.2.7"), true},
	{SLICE("2001:db8::7"), true},
	{SLICE("2001:DB8:0:0::7"), true},
	{SLICE("[2001:db8::7]"), true},
	{SLICE("xn--bcher-kva.example"), true},
	{SLICE("XN--BCHER-KVA.example"), true},
	{SLICE("b\xc3\xbc"
	       "cher.example"),
	 false},
	{SLICE(""), false},
	{SLICE("."), false},
	{SLICE("example.com"), false},
	{SLICE(".example.com"), false},
	{SLICE("x.ftp.example.com"), false},
	{SLICE("files.example.com"), false},
	{SLICE("a.b.files.example.com"), false},
	{SLICE("ftp.example.com\0"), false},
	{SLICE("ftp.example.com\0.evil.org"), false},
	{SLICE("192.0.2.7\0"), false},
	{SLICE("192.0.2.8"), false},
	{SLICE("2001:db8::8"), false},
	{SLICE("[]"), false},
};

static void
test_names(void **state)
{
	struct certificate c = read_pair(ECDSA_CRT, ECDSA_KEY), old = read_pair(RSA_CRT, RSA_KEY);

	(void)state;
	for (size_t i = 0; i < N(names); i++)
		if (certificate_is_for(&c, names[i].name) != names[i].good)
			fail_msg("\"%.*s\" (row %zu)", SLICE_FMT(names[i].name), i);
	assert_true(certificate_is_for(&old, SLICE("other.example.com")));
	assert_false(certificate_is_for(&old, SLICE("ftp.example.com")));
	/* The slice's length counts, not what stands behind. */
	assert_true(certificate_is_for(&c, slice_head(SLICE("ftp.example.community"), 15)));
	assert_int_equal(ERR_peek_error(), 0);
	certificate_deinit(&c);
	certificate_deinit(&old);
}

#define L63 "a23456789012345678901234567890123456789012345678901234567890123"

static const struct {
	struct slice name;
	int r;
} made[] = {
	{SLICE("localhost"), 0},
	{SLICE("a_b.example"), 0},
	{SLICE("*.example.com"), 0},
	{SLICE("127.0.0.1"), 0},
	{SLICE("::1"), 0},
	{SLICE("3com.example"), 0},
	{SLICE("1.2.3.4.example"), 0},
	{SLICE(L63), 0},
	{SLICE(L63 "." L63), 0}, /* too long for a common name */
	{SLICE(L63 "." L63 "." L63 "." L63), -EINVAL},
	{SLICE("a" L63), -EINVAL},
	{SLICE(""), -EINVAL},
	{SLICE("."), -EINVAL},
	{SLICE("a..b"), -EINVAL},
	{SLICE("a.b."), -EINVAL},
	{SLICE("-a.b"), -EINVAL},
	{SLICE("a-.b"), -EINVAL},
	{SLICE("*"), -EINVAL},
	{SLICE("a.*.b"), -EINVAL},
	{SLICE("a b"), -EINVAL},
	{SLICE("a,DNS:b"), -EINVAL},
	{SLICE("300.0.0.1"), -EINVAL},
	{SLICE("1.2.3"), -EINVAL},
	{SLICE("a:b"), -EINVAL},
	{SLICE("b\xc3\xbc"
	       "cher.example"),
	 -EINVAL},
};

static void
try_made(struct slice name, int expected)
{
	struct buf pem = BUF_INIT, key = BUF_INIT, why = BUF_INIT, told = BUF_INIT;
	struct certificate c;
	bool wrong;
	int r = certificate_make(&name, 1, CERTIFICATE_ECDSA, now, 365, &pem, &key);

	if (r != expected || certificate_is_name(name) != (r == 0))
		fail_msg("\"%.*s\": %d", SLICE_FMT(name), r);
	if (r == 0) {
		assert_int_equal(
			certificate_read(buf_slice(&pem), buf_slice(&key), &c, &why, &wrong), 0);
		certificate_names(&c, &told);
		assert_true(slice_equal(buf_slice(&told), name));
		assert_true(certificate_is_self_signed(&c));
		certificate_deinit(&c);
	} else {
		assert_int_equal(pem.len + key.len, 0);
	}
	buf_deinit(&pem);
	buf_wipe(&key);
	buf_deinit(&told);
}

static void
test_make(void **state)
{
	struct buf pem = BUF_INIT, key = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < N(made); i++)
		try_made(made[i].name, made[i].r);
	assert_int_equal(certificate_make(NULL, 0, CERTIFICATE_ECDSA, now, 1, &pem, &key), -EINVAL);
	assert_int_equal(ERR_peek_error(), 0);
}

/* What a client looks at: it is a server's certificate, version 3, no CA's, verified by itself. */
static void
test_made_is_good(void **state)
{
	struct certificate c = read_pair(ECDSA_CRT, ECDSA_KEY);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;

	(void)state;
	assert_int_equal(X509_get_version(c.leaf), X509_VERSION_3);
	assert_int_equal(X509_get_extended_key_usage(c.leaf), XKU_SSL_SERVER);
	assert_int_equal(X509_get_key_usage(c.leaf), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_check_ca(c.leaf), 0);
	X509_STORE_add_cert(store, c.leaf);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, c.leaf, NULL), 1);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set1_host(param, "ftp.example.com", 0);
	assert_int_equal(X509_verify_cert(ctx), 1);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	certificate_deinit(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),         cmocka_unit_test(test_bent),
		cmocka_unit_test(test_facts),        cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_names),        cmocka_unit_test(test_make),
		cmocka_unit_test(test_made_is_good),
	};

	return cmocka_run_group_tests(tests, make_texts, free_texts);
}
