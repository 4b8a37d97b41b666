/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What is given back after the start is not missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/base/memory.h>

static const char *const relocated[] = {"one", "two"};
static char written[] = "before";

/* Kilobytes that the process has in memory. */
static long
resident(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * 4;
}

static void
test_settle(void **state)
{
	char *kept = strdup("kept"), *blocks[64];
	(void)state;

	strcpy(written, "after");
	/* Freed below what is kept, so that the heap does not shrink by itself. */
	for (size_t i = 0; i < 64; i++) {
		blocks[i] = malloc(64 * 1024);
		assert_non_null(blocks[i]);
		memset(blocks[i], 1, 64 * 1024);
	}
	char *last = strdup("last");
	for (size_t i = 0; i < 64; i++)
		free(blocks[i]);
	long before = resident();
	memory_settle();
	assert_true(resident() < before);
	assert_string_equal(kept, "kept");
	assert_string_equal(last, "last");
	assert_string_equal(written, "after");
	assert_string_equal(relocated[1], "two");
	free(kept);
	free(last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_settle)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
