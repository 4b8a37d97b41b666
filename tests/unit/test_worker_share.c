/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The share of newcomers: all where nobody else wants it, a part where transfers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "share.h"

#define US 1000U
#define MS 1000000U

static void
all_is_theirs_where_nothing_moves(void **state)
{
	struct share s = {0};
	uint64_t now = 5 * MS;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		share_look(&s, now, 0);
		assert_false(s.beside);
		assert_true(share_allows(&s, 0));
		share_spend(&s, 0, 200 * US);
		now += 210 * US;
	}
}

/* Turns of a fifth of a millisecond of transfers, and a step whenever one may be. */
static void
a_part_is_theirs_where_transfers_want_all(void **state)
{
	struct share s = {0};
	uint64_t now = 5 * MS, moved = 0, spent = 0;

	(void)state;
	share_look(&s, now, moved);
	for (unsigned i = 0; i < 10000; i++) {
		moved += 200 * US;
		now += 210 * US;
		share_look(&s, now, moved);
		while (i > 10 && share_allows(&s, moved)) {
			share_spend(&s, moved, 150 * US);
			spent += 150 * US;
			now += 150 * US;
		}
	}
	assert_true(s.beside && s.wanted);
	assert_in_range(spent * 1000 / (moved + spent), 45, 51);
}

/* A client that takes little bytes often takes little time. */
static void
a_trickle_leaves_them_the_rest(void **state)
{
	struct share s = {0};
	uint64_t now = 5 * MS, moved = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		moved += 5 * US;
		now += 300 * US;
		share_look(&s, now, moved);
		assert_true(share_allows(&s, moved));
		share_spend(&s, moved, 200 * US);
	}
	assert_true(s.beside);
}

/* Transfers that end, and a step that was long for no reason of its own. */
static void
nobody_waits_for_what_is_over(void **state)
{
	struct share s = {0};

	(void)state;
	share_look(&s, 5 * MS, 0);
	share_look(&s, 7 * MS, 2 * MS);
	assert_true(share_allows(&s, 2 * MS));
	share_spend(&s, 2 * MS, 100 * MS);
	assert_false(share_allows(&s, 2 * MS));
	assert_true(share_allows(&s, 2 * MS + (SHARE_PARTS - 1) * SHARE_COST_MAX_NS));
	share_look(&s, 300 * MS, 2 * MS);
	assert_false(s.beside);
	assert_true(share_allows(&s, 2 * MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_theirs_where_nothing_moves),
		cmocka_unit_test(a_part_is_theirs_where_transfers_want_all),
		cmocka_unit_test(a_trickle_leaves_them_the_rest),
		cmocka_unit_test(nobody_waits_for_what_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
