/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * How long to wait before a process that ended is started again: not at all at first, longer when
 * it keeps dying young.
 */
#ifndef WHARF_MONITOR_RETRY_H
#define WHARF_MONITOR_RETRY_H

#include <stdint.h>

/* Who lives so long did not die of its start. */
#define RETRY_YOUNG_MS 10000
#define RETRY_MAX_MS   30000

struct retry {
	uint64_t started;
	unsigned early_deaths; /* in a row */
};

static inline void
retry_started(struct retry *r, uint64_t now)
{
	r->started = now;
}

/* It ended.  Returns the milliseconds to wait. */
static inline uint64_t
retry_pause(struct retry *r, uint64_t now)
{
	uint64_t pause;

	if (now - r->started >= RETRY_YOUNG_MS) {
		r->early_deaths = 0;
		return 0;
	}
	pause = r->early_deaths < 10 ? (100ULL << r->early_deaths) : RETRY_MAX_MS;
	r->early_deaths++;
	return pause < RETRY_MAX_MS ? pause : RETRY_MAX_MS;
}

#endif
