/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The data connection's addresses of wharf/ftp/hostport.h. */
#include <arpa/inet.h>
#include <string.h>

#include <wharf/ftp/hostport.h>
#include <wharf/ftp/number.h>

/*
 * Takes what stands before the next delimiter, and the delimiter, off *rest.  Returns false when
 * there is none.
 */
static bool
next_field(struct slice *rest, char delimiter, struct slice *field)
{
	const char *end = rest->n ? memchr(rest->p, delimiter, rest->n) : NULL;

	if (!end)
		return false;
	*field = slice_head(*rest, (size_t)(end - rest->p));
	*rest = slice_from(*rest, field->n + 1);
	return true;
}

int
hostport_parse_port(struct slice arg, struct sockaddr_in *out)
{
	uint8_t bytes[6];

	for (int i = 0; i < 6; i++) {
		struct slice field = arg;
		uint64_t n;
		if (i < 5 && !next_field(&arg, ',', &field))
			return HOSTPORT_BAD;
		if (field.n > 3 || number_parse_u64(field, 255, &n) != 0)
			return HOSTPORT_BAD;
		bytes[i] = (uint8_t)n;
	}
	if (bytes[4] == 0 && bytes[5] == 0)
		return HOSTPORT_BAD;
	*out = (struct sockaddr_in){.sin_family = AF_INET};
	memcpy(&out->sin_addr, bytes, 4);
	memcpy(&out->sin_port, bytes + 4, 2);
	return 0;
}

/*
 * Sets the address of *out, whose family is set.  Returns false when host is none of that family.
 */
static bool
set_host(struct sockaddr_storage *out, struct slice host)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	char text[INET6_ADDRSTRLEN];

	if (host.n >= sizeof(text) || memchr(host.p, '\0', host.n))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (out->ss_family == AF_INET)
		return inet_pton(AF_INET, text, &((struct sockaddr_in *)out)->sin_addr) == 1;
	return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1 &&
	       !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
}

/* The family that RFC 2428's protocol number means. */
static int
parse_protocol(struct slice s, int *family)
{
	uint64_t other;

	if (slice_equal(s, SLICE("1")))
		*family = AF_INET;
	else if (slice_equal(s, SLICE("2")))
		*family = AF_INET6;
	else
		return number_parse_u64(s, UINT32_MAX, &other) ? HOSTPORT_BAD : HOSTPORT_PROTOCOL;
	return 0;
}

int
hostport_parse_eprt(struct slice arg, struct sockaddr_storage *out)
{
	struct sockaddr_storage a = {0};
	struct slice protocol, host, port;
	uint64_t n;
	int family;

	if (arg.n == 0)
		return HOSTPORT_BAD;
	char delimiter = arg.p[0];
	if (delimiter < 33 || delimiter > 126 || (delimiter >= '0' && delimiter <= '9'))
		return HOSTPORT_BAD;
	arg = slice_from(arg, 1);
	if (!next_field(&arg, delimiter, &protocol) || !next_field(&arg, delimiter, &host) ||
	    !next_field(&arg, delimiter, &port) || arg.n != 0)
		return HOSTPORT_BAD;
	int r = parse_protocol(protocol, &family);
	if (r != 0)
		return r;
	a.ss_family = (sa_family_t)family;
	if (!set_host(&a, host) || port.n > 5 || number_parse_u64(port, 65535, &n) != 0 || n == 0)
		return HOSTPORT_BAD;
	if (family == AF_INET)
		((struct sockaddr_in *)&a)->sin_port = htons((uint16_t)n);
	else
		((struct sockaddr_in6 *)&a)->sin6_port = htons((uint16_t)n);
	*out = a;
	return 0;
}

int
hostport_parse_epsv(struct slice arg, int *family)
{
	if (slice_equal_nocase(arg, SLICE("ALL")))
		return HOSTPORT_ALL;
	if (arg.n == 0) {
		*family = AF_UNSPEC;
		return 0;
	}
	return parse_protocol(arg, family);
}

void
hostport_format_pasv(struct buf *out, const struct sockaddr_in *in)
{
	uint8_t bytes[6];

	memcpy(bytes, &in->sin_addr, 4);
	memcpy(bytes + 4, &in->sin_port, 2);
	for (int i = 0; i < 6; i++) {
		if (i > 0)
			buf_add_byte(out, ',');
		buf_add_u64(out, bytes[i]);
	}
}

void
hostport_format_epsv(struct buf *out, uint16_t port)
{
	buf_add_str(out, "|||");
	buf_add_u64(out, port);
	buf_add_byte(out, '|');
}
