/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * options.def and words.def as tables, for those that walk over all options: the reader of
 * wharfd.conf, `wharfd -T`, the manual page.
 */
#ifndef WHARF_CONF_OPTIONS_H
#define WHARF_CONF_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <wharf/base/slice.h>

enum option_type {
	OPTION_FLAG,
	OPTION_NUMBER,
	OPTION_TIME,
	OPTION_SIZE,
	OPTION_MODE,
	OPTION_PORTS,
	OPTION_CHOICE,
	OPTION_WORDS,
	OPTION_ORDER,
	OPTION_TEXT,
	OPTION_LIST
};

enum option_scope { OPTION_SERVER, OPTION_HOST, OPTION_LISTENER, OPTION_CLIENT, OPTION_USER };

struct option_row {
	const char *name;
	enum option_type type;
	const char *standard; /* the default, as it would stand in the file */
	uint64_t low, high;   /* of types that are numbers */
	const char *set;      /* the set of words of CHOICE, WORDS and ORDER, else "" */
	const char *unit;
	enum option_scope scope;
	const char *text;
	size_t offset; /* of the field in struct settings */
};

/* A word and what it means.  Its value is its place in the rows of its set. */
struct word_row {
	const char *set;
	const char *name;
	const char *text;
};

/* The number of an option is its place in options.def: OPTION_NR_umask. */
enum option_nr {
#define OPTION(name, type, default, low, high, unit, scope, text) OPTION_NR_##name,
#include <wharf/conf/options.def>
	OPTION_COUNT
};

extern const struct option_row option_rows[OPTION_COUNT];

/* The row of that name, or NULL. */
const struct option_row *option_find(struct slice name);
/* The number of a row of option_rows. */
size_t option_nr(const struct option_row *row);

/* The words of a set, in the order of their values; NULL and *n = 0 when there is no such set. */
const struct word_row *option_words(const char *set, size_t *n);

#endif
