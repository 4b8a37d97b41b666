/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The share of those who shake hands; see share.h. */
#include "share.h"

void
share_look(struct share *s, uint64_t now, uint64_t moved)
{
	if (now < s->since + SHARE_WINDOW_NS)
		return;
	uint64_t passed = now - s->since;
	uint64_t left = passed > s->spent ? passed - s->spent : 0;
	s->beside = moved > s->moved_before;
	s->wanted = moved - s->moved_before > left / 2;
	s->since = now;
	s->moved_before = moved;
	s->spent = 0;
}

void
share_spend(struct share *s, uint64_t moved, uint64_t cost)
{
	s->spent += cost;
	if (cost > SHARE_COST_MAX_NS)
		cost = SHARE_COST_MAX_NS;
	s->next = moved + (SHARE_PARTS - 1) * cost;
}

bool
share_allows(const struct share *s, uint64_t moved)
{
	return !s->wanted || moved >= s->next;
}
