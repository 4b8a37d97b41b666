/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What there is room for: ALLO, AVBL, SITE QUOTA and XQUOTA. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "uploads.h"

/* One truth about the room: ALLO, AVBL, SITE QUOTA and XQUOTA. */
static void
test_quota(void **state)
{
	const struct quota quota = {.bytes = 300,
				    .files = 3,
				    .reserved_bytes = 200,
				    .reserved_files = 1,
				    .limit_bytes = 1000,
				    .limit_files = 10};
	const struct quota spent = {.bytes = 1200, .reserved_bytes = 5, .limit_bytes = 1000};

	(void)state;
	run_script(SETUP{STAGED, .quota = quota}, SCRIPT{BINARY,
							 "> AVBL",
							 "< 213 500",
							 "> ALLO 501",
							 "< 552 *",
							 "> ALLO 500",
							 "< 200 *",
							 "> XQUOTA",
							 "< 213-File and disk usage",
							 "<  File count: 3",
							 "<  File limit: 10",
							 "<  Disk usage: 300",
							 "<  Disk limit: 1000",
							 "< 213 End",
							 "> SITE QUOTA",
							 "< 200-Quota",
							 "<  Bytes used: 300",
							 "<  Bytes reserved: 200",
							 "<  Bytes free: 500",
							 "<  Bytes limit: 1000",
							 "<  Files used: 3",
							 "<  Files reserved: 1",
							 "<  Files free: 6",
							 "<  Files limit: 10",
							 "< 200 End",
							 "> STOR new",
							 "< 150 *",
							 "< 451 *",
							 "= open *",
							 "= reserve 1048576 500 1 0",
							 "= receive 0 -1 0 0 1 500",
							 "= log STOR /new short 0 *",
							 "= keep *",
							 NULL});
	run_script(SETUP{STAGED, .quota = spent},
		   SCRIPT{LOGIN, "> AVBL", "< 213 0", "> ALLO 1", "< 552 *", "> SITE QUOTA",
			  "< 200-*", "<  *", "<  *", "<  Bytes free: 0", "<  *", "<  *", "<  *",
			  "<  Files free: Unlimited", "<  Files limit: Unlimited", "< 200 *",
			  NULL});
	run_script(SETUP{STAGED, .quota_error = EIO},
		   SCRIPT{LOGIN, "> AVBL", "< 451 *", "> ALLO 1", "< 451 *", "> XQUOTA", "< 451 *",
			  "> SITE QUOTA", "< 451 *", "> NOOP", "< 200 *", NULL});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quota),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
