/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Passive ports.  Each is drawn at random from the whole range, so that nobody can guess the next
 * one (RFC 2577 §8), and none that was in use within the last minute is taken while there is
 * another.
 */
#ifndef WHARF_WORKER_PORTS_H
#define WHARF_WORKER_PORTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <wharf/conf/settings.h>

struct ports {
	struct port_range range;
	unsigned char random[256]; /* drawn ahead: the kernel is asked once for many ports */
	size_t n_random;           /* bytes of it that are left */
	uint32_t *used; /* for each port of the range: the second after its last use, 0 for never */
	/*
	 * All ports of the range, counted from its lowest, in a ring: from `first` on as many as
	 * have rested, then those that rest, as they were taken.
	 */
	uint16_t *ring;
	uint32_t first, rested;
};

/* 0 or -ENOMEM. */
int ports_init(struct ports *p, struct port_range range);
void ports_deinit(struct ports *p);

/*
 * Listens on a port of the range at that address, whose port is ignored and then set.  now:
 * monotonic seconds. Returns the socket (non-blocking), or -EADDRINUSE when every port of the range
 * is taken, or another errno.
 */
int ports_listen(struct ports *p, struct sockaddr_storage *at, uint64_t now);
/* The port is free from now on. */
void ports_release(struct ports *p, uint16_t port, uint64_t now);

#endif
