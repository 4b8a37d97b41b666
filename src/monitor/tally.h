/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * How many of each: sessions of a client address, sessions of a user.  A key is any bytes.
 */
#ifndef WHARF_MONITOR_TALLY_H
#define WHARF_MONITOR_TALLY_H

#include <stddef.h>

#include <wharf/base/slice.h>

struct tally_entry;

struct tally {
	struct tally_entry *entries;
};

void tally_deinit(struct tally *t);

/* One more.  Returns the key with a NUL behind it, which is there until the last of it is dropped,
 * or NULL when memory is out. */
const char *tally_add(struct tally *t, struct slice key);
/* One less; a key that is not counted is a mistake of the caller, which is logged. */
void tally_drop(struct tally *t, struct slice key);
size_t tally_get(const struct tally *t, struct slice key);

#endif
