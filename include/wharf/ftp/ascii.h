/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TYPE A: a text's lines end with LF in a file and with CRLF on the wire (RFC 959 §3.1.1.1).
 *
 * Both directions keep every bare CR.  What comes back after a download and an upload is the file
 * itself, byte for byte, unless it held a CRLF: that one became LF.  What comes back after an
 * upload and a download is what was sent, unless it held a bare LF, which became CRLF, or a CR
 * before a CRLF, which is lost.  So texts of either convention stay whole lines, and CRLF text that
 * is uploaded and downloaded is exact.
 */
#ifndef WHARF_FTP_ASCII_H
#define WHARF_FTP_ASCII_H

#include <stdbool.h>
#include <stddef.h>

/* One direction of one transfer. */
struct ascii {
	bool cr; /* encode: the last byte was a CR; decode: a CR is held back */
};

#define ASCII_INIT ((struct ascii){false})

/*
 * File to wire: each LF without a CR before it becomes CRLF.  out has room for 2 * n bytes and does
 * not overlap in.  Returns the bytes in out.
 */
size_t ascii_encode(struct ascii *st, const char *in, size_t n, char *out);

/*
 * Wire to file: each CRLF becomes LF.  A CR at the end of in is held back until the next byte is
 * known.  out has room for n + 1 bytes and does not overlap in.  Returns the bytes in out.
 */
size_t ascii_decode(struct ascii *st, const char *in, size_t n, char *out);
/* After the last ascii_decode: writes the CR that is held back, if any.  Returns 0 or 1. */
size_t ascii_decode_end(struct ascii *st, char *out);

#endif
