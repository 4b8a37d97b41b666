/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Digests of bytes as they come: CRC-32 by ISA-L, all others by OpenSSL, whose algorithms are
 * fetched before the sandbox.
 */
#ifndef WHARF_WORKER_HASH_H
#define WHARF_WORKER_HASH_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include <wharf/conf/settings.h>
#include <wharf/ftp/digest.h>

/* Of HASH and its kin, and of transfers; NULL for CRC-32 and for none. */
struct digests {
	EVP_MD *md[DIGEST_COUNT];
	EVP_MD *blake2b;
};

/* 0 or -ENOENT. */
int digests_init(struct digests *d);
void digests_deinit(struct digests *d);

struct hash {
	bool on, failed;
	EVP_MD_CTX *ctx; /* NULL: CRC-32 */
	uint32_t crc;
	uint64_t n; /* bytes that were added */
};

/* Room for the text of a digest with its NUL: "sha512:" and 128 digits. */
#define HASH_TEXT 160

/* Begins one: md is NULL for CRC-32.  0 or -ENOMEM. */
int hash_begin(struct hash *h, const EVP_MD *md);
/* The same for an algorithm of the setting `digest`; of `none` nothing begins. */
int hash_begin_named(struct hash *h, const struct digests *d, enum word_digest which);
/* Nothing happens where none has begun. */
void hash_add(struct hash *h, const void *bytes, size_t n);
/* Ends it: its hexadecimal digits and a NUL go to `text`.  Returns how many, or -EIO. */
int hash_end(struct hash *h, char text[HASH_TEXT]);
/* The same with the name before: "crc32:9ae0daaf". */
int hash_end_named(struct hash *h, enum word_digest which, char text[HASH_TEXT]);
/* Forgets it, also where none has begun. */
void hash_deinit(struct hash *h);

#endif
