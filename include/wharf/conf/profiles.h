/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* profiles.def as a table, and what it does to settings.  Pure. */
#ifndef WHARF_CONF_PROFILES_H
#define WHARF_CONF_PROFILES_H

#include <stddef.h>

#include <wharf/conf/options.h>
#include <wharf/conf/settings.h>

struct profile_row {
	enum word_profile profile;
	enum option_nr option;
	const char *value; /* as it would stand in the file */
};

/* All rows, those of a profile one after the other. */
const struct profile_row *profile_rows(size_t *n);

/* Sets the row's option in *s to the row's value.  Returns 0 or -ENOMEM; then *s is as it was. */
int profile_apply(const struct profile_row *row, struct settings *s);

#endif
