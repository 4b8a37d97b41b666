/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The settings of profiles; see wharf/conf/profiles.h. */
#include <wharf/base/check.h>
#include <wharf/conf/profiles.h>
#include <wharf/conf/value.h>

static const struct profile_row rows[] = {
#define PROFILE(profile, option, value) {WORD_profile_##profile, OPTION_NR_##option, value},
#include <wharf/conf/profiles.def>
};

const struct profile_row *
profile_rows(size_t *n)
{
	*n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

int
profile_apply(const struct profile_row *row, struct settings *s)
{
	const struct option_row *option = &option_rows[row->option];
	struct slice text = slice_of(row->value);
	struct buf why = BUF_INIT;
	union {
		struct settings any;
		uint64_t aligned;
	} value;
	int r = value_parse(option, &text, 1, &value, &why);

	REQUIRE(r <= 0); /* a value that is none is a mistake in profiles.def */
	if (r == 0)
		value_move(option, (char *)s + option->offset, &value);
	buf_deinit(&why);
	return r;
}
