/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The addresses in PORT and 227 (RFC 959 §4.1.2) and in EPRT, EPSV and 229 (RFC 2428 §2, §3).  Only
 * the grammar is here; whose address it may be is the caller's question (wharf/base/address.h).
 */
#ifndef WHARF_FTP_HOSTPORT_H
#define WHARF_FTP_HOSTPORT_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

enum hostport_result {
	HOSTPORT_BAD = 1,  /* no such grammar: 501 */
	HOSTPORT_PROTOCOL, /* a protocol number that is neither 1 nor 2: 522 */
	HOSTPORT_ALL,      /* EPSV ALL */
};

/*
 * "h1,h2,h3,h4,p1,p2": six numbers of one to three digits up to 255.  A port of 0 is HOSTPORT_BAD.
 * Returns 0 or HOSTPORT_BAD; *out is set only by 0, here and below.
 */
int hostport_parse_port(struct slice arg, struct sockaddr_in *out);

/*
 * "|1|192.0.2.1|6275|" or "|2|2001:db8::1|6275|" with any printable delimiter that is no digit; the
 * port is 1 to 65535.  A v4-mapped address is HOSTPORT_BAD: it would name an IPv4 host past the
 * checks on IPv4.  Returns 0, HOSTPORT_BAD or HOSTPORT_PROTOCOL.
 */
int hostport_parse_eprt(struct slice arg, struct sockaddr_storage *out);

/*
 * *family := AF_UNSPEC for "", AF_INET for "1", AF_INET6 for "2".
 * Returns 0, HOSTPORT_ALL, HOSTPORT_PROTOCOL for another number, or HOSTPORT_BAD.
 */
int hostport_parse_epsv(struct slice arg, int *family);

/* Appends "h1,h2,h3,h4,p1,p2". */
void hostport_format_pasv(struct buf *out, const struct sockaddr_in *in);
/* Appends "|||port|". */
void hostport_format_epsv(struct buf *out, uint16_t port);

#endif
