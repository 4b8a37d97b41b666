/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Who may connect: the limits of sessions in all and from one client address, and the penalty of an
 * address whose logins failed (attacks D01, F01).  Pure: it is told the time.
 */
#ifndef WHARF_MONITOR_ADMISSION_H
#define WHARF_MONITOR_ADMISSION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tally.h"

/* What a client is told, and the log. */
enum admission_verdict { ADMITTED, REFUSED_FULL, REFUSED_ADDRESS, REFUSED_PENALTY };

struct admission_limits {
	size_t sessions, sessions_per_address;
	unsigned ipv6_prefix; /* bits that make one client address */
	unsigned tries;       /* failed logins that bring a penalty */
	uint64_t penalty_ms;  /* 0: never */
};

struct penalty;

struct admission {
	struct admission_limits limits;
	size_t sessions;
	struct tally addresses;
	struct penalty *penalties; /* the oldest first */
	size_t n_penalties;
};

void admission_init(struct admission *a, const struct admission_limits *limits);
void admission_deinit(struct admission *a);

/* Whether a connection of this peer may become a session now (a monotonic clock, in milliseconds).
 * Counts nothing. */
enum admission_verdict admission_check(struct admission *a, const struct sockaddr_storage *peer,
				       uint64_t now);
/* A session began, or ended.  admission_enter() returns 0 or -ENOMEM. */
int admission_enter(struct admission *a, const struct sockaddr_storage *peer);
void admission_leave(struct admission *a, const struct sockaddr_storage *peer);
/* A login failed.  Failures are forgotten when none came for as long as a penalty lasts. */
void admission_failed(struct admission *a, const struct sockaddr_storage *peer, uint64_t now);

#endif
