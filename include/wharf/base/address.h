/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Internet addresses and networks, IPv4 and IPv6 alike.  An IPv4 address that came in its IPv6 form
 * (::ffff:a.b.c.d) is that IPv4 address everywhere here.  An address of any other family equals
 * nothing and has port 0.
 */
#ifndef WHARF_BASE_ADDRESS_H
#define WHARF_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

enum network_error {
	NETWORK_BAD = 1, /* neither an address nor address/prefix nor "*" */
};

/*
 * All addresses that have the first prefix bits in common; AF_UNSPEC is all addresses of all
 * families.
 */
struct network {
	struct sockaddr_storage address;
	unsigned prefix;
};

/* An address in as much room as it needs, for who keeps thousands. */
struct endpoint {
	union {
		sa_family_t family;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* Of a family that is neither IPv4 nor IPv6 nothing is kept but that. */
struct endpoint endpoint_of(const struct sockaddr_storage *a);
struct sockaddr_storage endpoint_address(const struct endpoint *e);

/*
 * Are both the same host?  Ports do not count; scopes of link-local addresses do, where both are
 * known.
 */
bool address_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* Whether it is the wildcard of its family. */
bool address_is_any(const struct sockaddr_storage *a);
/* Turns a v4-mapped IPv6 address into the IPv4 address that it is; leaves all others alone. */
void address_unmap(struct sockaddr_storage *a);
/* Appends "192.0.2.1:21", "[2001:db8::1]:21", or "unknown" for other families. */
void address_format(struct buf *out, const struct sockaddr_storage *a);
/* Appends the address alone: "192.0.2.1", "2001:db8::1", or "unknown". */
void address_format_host(struct buf *out, const struct sockaddr_storage *a);
/* The port in host order. */
uint16_t address_port(const struct sockaddr_storage *a);
void address_set_port(struct sockaddr_storage *a, uint16_t port);

/*
 * Reads "10.0.0.0/8", "::1" (one host) or "*" (everything).  Bits behind the prefix are cleared.
 * Returns 0, or NETWORK_BAD; *out is set only by 0.
 */
int network_parse(struct slice s, struct network *out);
bool network_contains(const struct network *net, const struct sockaddr_storage *a);
/*
 * *out := the network of that prefix around a: prefix4 bits (at most 32) or prefix6 (at most 128),
 * by a's family.
 */
void network_of(const struct sockaddr_storage *a, unsigned prefix4, unsigned prefix6,
		struct network *out);

#endif
