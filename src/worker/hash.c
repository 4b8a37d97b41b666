/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Digests; see hash.h. */
#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>

#include <wharf/base/check.h>

#include "hash.h"

int
digests_init(struct digests *d)
{
	static const char *const names[DIGEST_COUNT] = {
		[DIGEST_SHA256] = "SHA256",
		[DIGEST_SHA512] = "SHA512",
		[DIGEST_SHA1] = "SHA1",
		[DIGEST_MD5] = "MD5",
	};
	bool missing = false;

	*d = (struct digests){{NULL}, NULL};
	/* No configuration file: nothing of the system's shall load a module into this process. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	for (size_t i = 0; i < DIGEST_COUNT; i++) {
		d->md[i] = names[i] ? EVP_MD_fetch(NULL, names[i], NULL) : NULL;
		missing = missing || (names[i] && !d->md[i]);
	}
	d->blake2b = EVP_MD_fetch(NULL, "BLAKE2B-512", NULL);
	if (!missing && d->blake2b)
		return 0;
	digests_deinit(d);
	return -ENOENT;
}

void
digests_deinit(struct digests *d)
{
	for (size_t i = 0; i < DIGEST_COUNT; i++) {
		EVP_MD_free(d->md[i]);
		d->md[i] = NULL;
	}
	EVP_MD_free(d->blake2b);
	d->blake2b = NULL;
}

int
hash_begin(struct hash *h, const EVP_MD *md)
{
	*h = (struct hash){.on = true};
	if (!md)
		return 0;
	h->ctx = EVP_MD_CTX_new();
	if (h->ctx && EVP_DigestInit_ex2(h->ctx, md, NULL) == 1)
		return 0;
	hash_deinit(h);
	return -ENOMEM;
}

int
hash_begin_named(struct hash *h, const struct digests *d, enum word_digest which)
{
	*h = (struct hash){.on = false};
	switch (which) {
	case WORD_digest_crc32:
		return hash_begin(h, NULL);
	case WORD_digest_sha256:
		return hash_begin(h, d->md[DIGEST_SHA256]);
	case WORD_digest_sha512:
		return hash_begin(h, d->md[DIGEST_SHA512]);
	case WORD_digest_blake2b:
		return hash_begin(h, d->blake2b);
	case WORD_digest_none:
		break;
	}
	return 0;
}

void
hash_add(struct hash *h, const void *bytes, size_t n)
{
	if (!h->on)
		return;
	h->n += n;
	if (!h->ctx)
		h->crc = crc32_gzip_refl(h->crc, bytes, n);
	else if (EVP_DigestUpdate(h->ctx, bytes, n) != 1)
		h->failed = true;
}

int
hash_end(struct hash *h, char text[HASH_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 4;
	bool right = h->on && !h->failed;

	for (unsigned i = 0; i < 4; i++)
		raw[i] = (unsigned char)(h->crc >> (24 - 8 * i));
	if (right && h->ctx)
		right = EVP_DigestFinal_ex(h->ctx, raw, &n) == 1;
	hash_deinit(h);
	text[0] = '\0';
	if (!right)
		return -EIO;
	for (unsigned i = 0; i < n; i++) {
		text[2 * i] = digits[raw[i] >> 4];
		text[2 * i + 1] = digits[raw[i] & 15];
	}
	text[2 * n] = '\0';
	return (int)(2 * n);
}

int
hash_end_named(struct hash *h, enum word_digest which, char text[HASH_TEXT])
{
	static const char *const names[] = {
		[WORD_digest_crc32] = "crc32:",   [WORD_digest_sha256] = "sha256:",
		[WORD_digest_sha512] = "sha512:", [WORD_digest_blake2b] = "blake2b:",
		[WORD_digest_none] = "",
	};
	char hex[HASH_TEXT];
	int n = hash_end(h, hex);

	text[0] = '\0';
	if (n < 0)
		return n;
	size_t head = strlen(names[which]);
	REQUIRE(head + (size_t)n < HASH_TEXT);
	memcpy(text, names[which], head);
	memcpy(text + head, hex, (size_t)n + 1);
	return (int)head + n;
}

void
hash_deinit(struct hash *h)
{
	EVP_MD_CTX_free(h->ctx);
	*h = (struct hash){.on = false};
}
