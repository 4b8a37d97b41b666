/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Passive ports; see ports.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "ports.h"

#define REST_SECONDS 60
#define BACKLOG      16
/* So many draws, then one port after the other: drawing alone would take long to find the last free
 * one. */
#define DRAWS 32

static uint32_t
count(const struct ports *p)
{
	return (uint32_t)(p->range.high - p->range.low) + 1;
}

int
ports_init(struct ports *p, struct port_range range)
{
	*p = (struct ports){.range = range};
	p->used = calloc(count(p), sizeof(*p->used));
	p->ring = calloc(count(p), sizeof(*p->ring));
	if (!p->used || !p->ring) {
		ports_deinit(p);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count(p); i++)
		p->ring[i] = (uint16_t)i;
	p->rested = count(p);
	return 0;
}

void
ports_deinit(struct ports *p)
{
	free(p->used);
	free(p->ring);
	p->used = NULL;
	p->ring = NULL;
	explicit_bzero(p->random, sizeof(p->random));
}

void
ports_release(struct ports *p, uint16_t port, uint64_t now)
{
	if (port >= p->range.low && port <= p->range.high)
		p->used[port - p->range.low] = (uint32_t)now + 1;
}

/* Any number.  What was used is wiped: it tells nothing of ports that were given out.  0 or a
 * negative errno. */
static int
random_number(struct ports *p, uint32_t *out)
{
	if (p->n_random < sizeof(*out)) {
		/* As many bytes as these come whole or not at all. */
		if (getrandom(p->random, sizeof(p->random), 0) != sizeof(p->random))
			return -errno;
		p->n_random = sizeof(p->random);
	}
	p->n_random -= sizeof(*out);
	memcpy(out, p->random + p->n_random, sizeof(*out));
	explicit_bzero(p->random + p->n_random, sizeof(*out));
	return 0;
}

/* A number from 0 to n - 1, each as likely.  0 or a negative errno. */
static int
draw(struct ports *p, uint32_t n, uint32_t *out)
{
	REQUIRE(n > 0);
	uint32_t most = UINT32_MAX - UINT32_MAX % n;
	int r;

	do {
		if ((r = random_number(p, out)) < 0)
			return r;
	} while (*out >= most);
	*out %= n;
	return 0;
}

/* A fresh socket, or a negative errno. */
static int
make_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)) {
		int r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/*
 * Tries one port; *fd is a socket, or -1 to make one.  Returns 0 and the listening socket;
 * -EADDRINUSE; or another errno, which would be that of every other port too.
 */
static int
try_port(int *fd, struct sockaddr_storage *at, uint16_t port)
{
	socklen_t len = at->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						 : sizeof(struct sockaddr_in6);

	if (*fd < 0 && (*fd = make_socket(at->ss_family)) < 0)
		return *fd;
	address_set_port(at, port);
	if (bind(*fd, (const struct sockaddr *)at, len) < 0)
		return -errno;
	if (listen(*fd, BACKLOG) == 0)
		return 0;
	/* Two may bind with SO_REUSEADDR, but only one listens; this socket is bound for good. */
	int r = -errno;
	fd_close(fd);
	return r;
}

/* Is that port at rest, so that another one is better? */
static bool
is_resting(const struct ports *p, uint32_t nr, uint64_t now)
{
	return p->used[nr] != 0 && (uint32_t)now + 1 - p->used[nr] < REST_SECONDS;
}

static uint16_t *
place(const struct ports *p, uint32_t i)
{
	return &p->ring[(p->first + i) % count(p)];
}

/* Takes the port at that place: it is now the last of those that rest. */
static uint32_t
take(struct ports *p, uint32_t i)
{
	uint16_t nr = *place(p, i);

	*place(p, i) = *place(p, 0);
	*place(p, 0) = nr;
	p->first = (p->first + 1) % count(p);
	if (p->rested > 0)
		p->rested--;
	return nr;
}

/* Sees which have rested.  Where the first of the others was in use for long, and so rests still,
 * it is the last from now on: those behind it may have rested. */
static void
wake(struct ports *p, uint64_t now)
{
	uint32_t moved = 0;

	while (p->rested < count(p)) {
		if (!is_resting(p, *place(p, p->rested), now))
			p->rested++;
		else if (p->rested == 0 && moved++ < DRAWS)
			p->first = (p->first + 1) % count(p);
		else
			return;
	}
}

/* Tries the ports that have rested, drawn one by one.  One that was given back a short while after
 * it was taken rests once more. */
static int
search_rested(struct ports *p, struct sockaddr_storage *at, uint64_t now, int *fd)
{
	int r = -EADDRINUSE;

	wake(p, now);
	while (p->rested > 0 && r == -EADDRINUSE) {
		uint32_t i = 0;
		if ((r = draw(p, p->rested, &i)) < 0)
			return r;
		uint32_t nr = take(p, i);
		r = is_resting(p, nr, now) ? -EADDRINUSE
					   : try_port(fd, at, (uint16_t)(p->range.low + nr));
	}
	return r;
}

static int
search(struct ports *p, struct sockaddr_storage *at, uint64_t now, int *fd)
{
	int r = search_rested(p, at, now, fd);

	/* None has rested: drawn first, for who knows the order in which they were taken. */
	for (uint32_t i = 0; i < DRAWS + count(p) && r == -EADDRINUSE; i++) {
		uint32_t which = 0;
		if (i < DRAWS && (r = draw(p, count(p), &which)) < 0)
			return r;
		r = try_port(fd, at, (uint16_t)(p->range.low + take(p, which)));
	}
	return r;
}

int
ports_listen(struct ports *p, struct sockaddr_storage *at, uint64_t now)
{
	int fd = -1;
	int r = search(p, at, now, &fd);

	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	ports_release(p, address_port(at), now);
	return fd;
}
