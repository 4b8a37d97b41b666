/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Who may connect; see admission.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <uthash.h>

#include <wharf/base/address.h>

#include "admission.h"

/* More addresses than this are not remembered: the oldest goes first, so a botnet costs a bounded
 * table. */
#define PENALTIES_MAX 65536

/* What counts as one client: the family, and the address as far as its prefix goes. */
struct client {
	uint16_t family;
	unsigned char bits[16];
};

struct penalty {
	UT_hash_handle hh;
	struct client client;
	unsigned failures;
	uint64_t last;
};

static struct client
client_of(const struct admission *a, const struct sockaddr_storage *peer)
{
	struct client c;
	struct network net;

	memset(&c, 0, sizeof(c));
	network_of(peer, 32, a->limits.ipv6_prefix, &net);
	c.family = net.address.ss_family;
	if (c.family == AF_INET)
		memcpy(c.bits, &((const struct sockaddr_in *)&net.address)->sin_addr, 4);
	else if (c.family == AF_INET6)
		memcpy(c.bits, &((const struct sockaddr_in6 *)&net.address)->sin6_addr, 16);
	return c;
}

static struct slice
client_key(const struct client *c)
{
	return (struct slice){(const char *)c, sizeof(*c)};
}

void
admission_init(struct admission *a, const struct admission_limits *limits)
{
	*a = (struct admission){.limits = *limits};
}

static void
forget(struct admission *a, struct penalty *p)
{
	/* NOLINTNEXTLINE(clang-analyzer-*): the analyser loses its way in uthash. */
	HASH_DEL(a->penalties, p);
	a->n_penalties--;
	free(p);
}

void
admission_deinit(struct admission *a)
{
	tally_deinit(&a->addresses);
	while (a->penalties)
		forget(a, a->penalties);
}

/* The failures of a client that still count, or NULL. */
static struct penalty *
find(struct admission *a, const struct client *c, uint64_t now)
{
	struct penalty *p;

	HASH_FIND(hh, a->penalties, c, sizeof(*c), p);
	if (p && now - p->last >= a->limits.penalty_ms) {
		forget(a, p);
		p = NULL;
	}
	return p;
}

enum admission_verdict
admission_check(struct admission *a, const struct sockaddr_storage *peer, uint64_t now)
{
	struct client c = client_of(a, peer);
	const struct penalty *p = find(a, &c, now);

	if (p && p->failures >= a->limits.tries)
		return REFUSED_PENALTY;
	if (a->sessions >= a->limits.sessions)
		return REFUSED_FULL;
	if (tally_get(&a->addresses, client_key(&c)) >= a->limits.sessions_per_address)
		return REFUSED_ADDRESS;
	return ADMITTED;
}

int
admission_enter(struct admission *a, const struct sockaddr_storage *peer)
{
	struct client c = client_of(a, peer);

	if (!tally_add(&a->addresses, client_key(&c)))
		return -ENOMEM;
	a->sessions++;
	return 0;
}

void
admission_leave(struct admission *a, const struct sockaddr_storage *peer)
{
	struct client c = client_of(a, peer);

	tally_drop(&a->addresses, client_key(&c));
	a->sessions--;
}

void
admission_failed(struct admission *a, const struct sockaddr_storage *peer, uint64_t now)
{
	struct client c = client_of(a, peer);
	struct penalty *p;

	if (!a->limits.penalty_ms)
		return;
	p = find(a, &c, now);
	if (!p) {
		if (a->n_penalties >= PENALTIES_MAX)
			forget(a, a->penalties);
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		p->client = c;
		/* NOLINTNEXTLINE(clang-analyzer-*): the analyser loses its way in uthash. */
		HASH_ADD(hh, a->penalties, client, sizeof(p->client), p);
		a->n_penalties++;
	}
	p->failures++;
	p->last = now;
}
