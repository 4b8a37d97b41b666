/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The names of the digests and the arguments of HASH (draft-bryan-ftpext-hash-02 §3) and of XCRC,
 * XMD5 and their kin, which no RFC describes.  Nothing is hashed here.
 */
#ifndef WHARF_FTP_DIGEST_H
#define WHARF_FTP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

/*        symbol  HASH's name  bytes */
#define DIGEST_TABLE(ROW)          \
	ROW(SHA256, "SHA-256", 32) \
	ROW(SHA512, "SHA-512", 64) \
	ROW(SHA1, "SHA-1", 20)     \
	ROW(MD5, "MD5", 16)        \
	ROW(CRC32, "CRC32", 4)

enum digest_algorithm {
#define DIGEST_SYMBOL(symbol, name, bytes) DIGEST_##symbol,
	DIGEST_TABLE(DIGEST_SYMBOL)
#undef DIGEST_SYMBOL
		DIGEST_COUNT, /* how many there are; also "no such algorithm" */
};

enum digest_error {
	DIGEST_BAD = 1, /* no path, a quote that does not end, or junk or a bad range after it */
};

/* The algorithm of that name, whose case is ignored, or DIGEST_COUNT. */
enum digest_algorithm digest_by_name(struct slice name);
/* HASH's name of the algorithm. */
const char *digest_name(enum digest_algorithm algorithm);
/* How many bytes the digest has: half of its hexadecimal digits. */
size_t digest_size(enum digest_algorithm algorithm);

/*
 * The readings of `path`, `path start`, `path start end` and `"path" [start [end]]`.
 *
 * A name may itself end in a number.  So there are two readings where nothing is quoted: whole, all
 * of the argument as a path, which counts when such a file exists, and path with its range.  In
 * quotes only the second is there.
 */
struct digest_args {
	struct slice whole;  /* the argument; empty when it was quoted */
	struct slice path;   /* without the range: in the argument, or in text */
	bool has_range;      /* start was given */
	bool has_end;        /* and end, which is not before start */
	uint64_t start, end; /* whether end is included is the command's matter */
	struct buf text;     /* a quoted path, its quotes and backslashes resolved */
};

#define DIGEST_ARGS_INIT ((struct digest_args){0})

void digest_args_deinit(struct digest_args *args);

/*
 * Reads arg into *out, which is initialised or was used before, and whose slices are valid while
 * arg and out are.  In quotes a quote is doubled or has a backslash before it, and a backslash may
 * have one too; before any other byte it stands for itself.  Unquoted numbers that overflow or run
 * backwards belong to the name.  Returns 0, DIGEST_BAD, or -ENOMEM.
 */
int digest_parse_args(struct slice arg, struct digest_args *out);

#endif
