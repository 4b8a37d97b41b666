/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The part of the translation that a processor does block by block: ascii_sse2.c, or ascii_any.c
 * where there is nothing of the kind.  What it leaves, which is less than three blocks of 16 bytes
 * or all, ascii.c does.
 */
#ifndef WHARF_FTP_ASCII_BLOCKS_H
#define WHARF_FTP_ASCII_BLOCKS_H

#include <stddef.h>

/*
 * As ascii_encode() and ascii_decode(), without a state: in[-1] is there for encode, and decode
 * begins behind what was held back.  Of in the beginning is taken, and *out moves behind what it
 * became.  Returns how many bytes of in that were.
 */
size_t ascii_encode_blocks(const char *in, size_t n, char **out);
size_t ascii_decode_blocks(const char *in, size_t n, char **out);

#endif
