/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * "did you mean": the candidate that is fewest edits away from a word that somebody wrote.
 *
 *	struct suggest s = SUGGEST(word);
 *	suggest_try(&s, "read"); suggest_try(&s, "write");
 *	suggest_add(&s, out);
 */
#ifndef WHARF_CONF_SUGGEST_H
#define WHARF_CONF_SUGGEST_H

#include <stddef.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

struct suggest {
	struct slice word;
	const char *best; /* NULL as long as nothing was near enough */
	size_t distance;  /* of best: inserted, deleted, changed, or swapped neighbouring bytes */
};

#define SUGGEST(w) ((struct suggest){.word = (w), .best = NULL, .distance = 0})

/* Keeps the candidate if it is near enough to be meant, and nearer than the best so far. */
void suggest_try(struct suggest *s, const char *candidate);
/* Appends "; did you mean X?" if there is one. */
void suggest_add(const struct suggest *s, struct buf *out);

#endif
