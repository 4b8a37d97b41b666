/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The addresses and networks of wharf/base/address.h. */
#include <arpa/inet.h>
#include <string.h>

#include <wharf/base/address.h>

/* The address bytes of any family, v4-mapped ones as IPv4's four. */
struct address_bytes {
	const uint8_t *p;
	size_t n; /* 4, 16, or 0 for other families */
};

static struct address_bytes
bytes_of(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)a;
		return (struct address_bytes){(const uint8_t *)&in->sin_addr, 4};
	}
	if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
		const uint8_t *p = in6->sin6_addr.s6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			return (struct address_bytes){p + 12, 4};
		return (struct address_bytes){p, 16};
	}
	return (struct address_bytes){NULL, 0};
}

struct endpoint
endpoint_of(const struct sockaddr_storage *a)
{
	struct endpoint e = {.in6 = {.sin6_family = a->ss_family}};

	if (a->ss_family == AF_INET)
		memcpy(&e.in, a, sizeof(e.in));
	else if (a->ss_family == AF_INET6)
		memcpy(&e.in6, a, sizeof(e.in6));
	return e;
}

struct sockaddr_storage
endpoint_address(const struct endpoint *e)
{
	struct sockaddr_storage a = {.ss_family = AF_UNSPEC};

	memcpy(&a, e, sizeof(*e));
	return a;
}

static uint32_t
scope_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_scope_id : 0;
}

bool
address_is_any(const struct sockaddr_storage *a)
{
	static const uint8_t zero[16];
	struct address_bytes bytes = bytes_of(a);

	return bytes.n > 0 && memcmp(bytes.p, zero, bytes.n) == 0;
}

bool
address_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	struct address_bytes x = bytes_of(a), y = bytes_of(b);
	uint32_t scope_a = scope_of(a), scope_b = scope_of(b);

	if (x.n == 0 || x.n != y.n || memcmp(x.p, y.p, x.n) != 0)
		return false;
	return x.n == 4 || scope_a == scope_b || scope_a == 0 || scope_b == 0;
}

void
address_unmap(struct sockaddr_storage *a)
{
	struct address_bytes bytes = bytes_of(a);

	if (a->ss_family != AF_INET6 || bytes.n != 4)
		return;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address_port(a))};
	memcpy(&in.sin_addr, bytes.p, 4);
	memset(a, 0, sizeof(*a));
	memcpy(a, &in, sizeof(in));
}

void
address_format_host(struct buf *out, const struct sockaddr_storage *a)
{
	struct address_bytes bytes = bytes_of(a);
	char text[INET6_ADDRSTRLEN];

	int family = bytes.n == 4 ? AF_INET : AF_INET6;
	if (bytes.n == 0 || !inet_ntop(family, bytes.p, text, sizeof(text))) {
		buf_add_str(out, "unknown");
		return;
	}
	buf_add_str(out, text);
	if (bytes.n == 16 && scope_of(a) != 0) {
		buf_add_byte(out, '%');
		buf_add_u64(out, scope_of(a));
	}
}

void
address_format(struct buf *out, const struct sockaddr_storage *a)
{
	struct address_bytes bytes = bytes_of(a);

	if (bytes.n == 16)
		buf_add_byte(out, '[');
	address_format_host(out, a);
	if (bytes.n == 16)
		buf_add_byte(out, ']');
	if (bytes.n > 0) {
		buf_add_byte(out, ':');
		buf_add_u64(out, address_port(a));
	}
}

uint16_t
address_port(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)a)->sin_port);
	if (a->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)a)->sin6_port);
	return 0;
}

void
address_set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else if (a->ss_family == AF_INET6)
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

void
network_of(const struct sockaddr_storage *a, unsigned prefix4, unsigned prefix6,
	   struct network *out)
{
	struct address_bytes bytes = bytes_of(a);
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	uint8_t masked[16] = {0};
	unsigned prefix = bytes.n == 4 ? prefix4 : prefix6;

	memset(out, 0, sizeof(*out));
	if (bytes.n == 0)
		return;
	if (prefix > bytes.n * 8)
		prefix = (unsigned)bytes.n * 8;
	memcpy(masked, bytes.p, bytes.n);
	for (unsigned i = prefix; i < bytes.n * 8; i++)
		masked[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
	out->prefix = prefix;
	if (bytes.n == 4) {
		memcpy(&in.sin_addr, masked, 4);
		memcpy(&out->address, &in, sizeof(in));
	} else {
		memcpy(&in6.sin6_addr, masked, 16);
		memcpy(&out->address, &in6, sizeof(in6));
	}
}

/* The address in text, of either family; ss_family is AF_UNSPEC when it is none. */
static struct sockaddr_storage
host_parse(struct slice s)
{
	struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
	char text[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return a;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr) == 1)
		a.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&a)->sin6_addr) == 1)
		a.ss_family = AF_INET6;
	return a;
}

/* One to three digits, at most max, as a prefix.  Returns false for anything else. */
static bool
prefix_parse(struct slice s, unsigned max, unsigned *out)
{
	unsigned n = 0;

	if (s.n == 0 || s.n > 3)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (unsigned)(s.p[i] - '0');
	}
	*out = n;
	return n <= max;
}

int
network_parse(struct slice s, struct network *out)
{
	const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
	struct slice host = slash ? slice_head(s, (size_t)(slash - s.p)) : s;

	if (slice_equal(s, SLICE("*"))) {
		memset(out, 0, sizeof(*out));
		return 0;
	}
	struct sockaddr_storage a = host_parse(host);
	if (a.ss_family == AF_UNSPEC)
		return NETWORK_BAD;
	unsigned max = a.ss_family == AF_INET ? 32 : 128, prefix = max;
	if (slash && !prefix_parse(slice_from(s, host.n + 1), max, &prefix))
		return NETWORK_BAD;
	if (a.ss_family == AF_INET6 && bytes_of(&a).n == 4) {
		/*
		 * A network of mapped addresses is one of IPv4; a wider one would mean both
		 * families.
		 */
		if (prefix < 96)
			return NETWORK_BAD;
		prefix -= 96;
	}
	network_of(&a, prefix, prefix, out);
	return 0;
}

bool
network_contains(const struct network *net, const struct sockaddr_storage *a)
{
	struct address_bytes bytes = bytes_of(a), want = bytes_of(&net->address);
	unsigned whole = net->prefix / 8, rest = net->prefix % 8;

	if (want.n == 0)
		return net->address.ss_family == AF_UNSPEC;
	if (bytes.n != want.n || memcmp(bytes.p, want.p, whole) != 0)
		return false;
	return rest == 0 || (bytes.p[whole] ^ want.p[whole]) >> (8 - rest) == 0;
}
