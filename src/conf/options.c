/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The tables of wharf/conf/options.h, expanded from options.def and words.def. */
#include <string.h>

#include <wharf/conf/options.h>
#include <wharf/conf/settings.h>

/* The column `low` is a number for types that are numbers, and the name of a set for types that
 * take words. */
#define LOW_FLAG(low)   0
#define LOW_NUMBER(low) (low)
#define LOW_TIME(low)   (low)
#define LOW_SIZE(low)   (low)
#define LOW_MODE(low)   (low)
#define LOW_PORTS(low)  (low)
#define LOW_CHOICE(low) 0
#define LOW_WORDS(low)  0
#define LOW_ORDER(low)  0
#define LOW_TEXT(low)   0
#define LOW_LIST(low)   0

#define SET_FLAG(low)   ""
#define SET_NUMBER(low) ""
#define SET_TIME(low)   ""
#define SET_SIZE(low)   ""
#define SET_MODE(low)   ""
#define SET_PORTS(low)  ""
#define SET_CHOICE(low) #low
#define SET_WORDS(low)  #low
#define SET_ORDER(low)  #low
#define SET_TEXT(low)   ""
#define SET_LIST(low)   ""

const struct option_row option_rows[OPTION_COUNT] = {
#define OPTION(name, type, default, low, high, unit, scope, text) \
	{#name,   OPTION_##type,                                  \
	 default, LOW_##type(low),                                \
	 high,    SET_##type(low),                                \
	 unit,    OPTION_##scope,                                 \
	 text,    offsetof(struct settings, name)},
#include <wharf/conf/options.def>
};

static const struct word_row words[] = {
#define WORD_AS(set, name, spelling, text) {#set, spelling, text},
#define WORD(set, name, text)              WORD_AS(set, name, #name, text)
#include <wharf/conf/words.def>
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

const struct option_row *
option_find(struct slice name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (slice_equal(name, slice_of(option_rows[i].name)))
			return &option_rows[i];
	return NULL;
}

size_t
option_nr(const struct option_row *row)
{
	return (size_t)(row - option_rows);
}

const struct word_row *
option_words(const char *set, size_t *n)
{
	size_t first = 0, end;

	while (first < N_WORDS && strcmp(words[first].set, set) != 0)
		first++;
	for (end = first; end < N_WORDS && strcmp(words[end].set, set) == 0; end++)
		;
	*n = end - first;
	return *n ? &words[first] : NULL;
}
