/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Uploads where nothing is staged: when the file is touched, and what its end asks for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "uploads.h"

/* Where nothing is staged the end asks what is left to be asked: the disk, the digest. */
static void
test_in_place(void **state)
{
	(void)state;
	run_script(SETUP{.traced = true, .bare = true}, SCRIPT{BINARY,
							       "> STOR file",
							       "< 150 *",
							       "< 226 *",
							       "= open 14 /file",
							       "= reserve 1048576 1 0 1",
							       "= prepare /file",
							       "= receive 0 -1 1 0 0 -1",
							       "= log STOR /file fin 1 10  0",
							       "! end 2",
							       "> PASV",
							       "< 227 *",
							       "> STOR new",
							       "< 150 *",
							       "< 426 *",
							       "= open 14 /new",
							       "= reserve 1048576 1 1 0",
							       "= receive 0 -1 1 0 0 -1",
							       "= log STOR /new reset 0 *",
							       NULL});
	run_script(SETUP{.traced = true, .bare = true, .tell_digests = true},
		   SCRIPT{BINARY, "> STOR file", "< 150 *", "< 226 *", "= open *", "= reserve *",
			  "= prepare *", "= receive *", "= commit 2 644 /file  crc32:01ab",
			  "= log * fin 1 *", NULL});
	/* The agent could not stage it. */
	run_script(SETUP{STAGED, .in_place = true}, SCRIPT{BINARY,
							   "> STOR file",
							   "< 150 *",
							   "< 226 *",
							   "= open 78 /file",
							   "= reserve 1048576 1 0 1",
							   "= prepare /file",
							   "= receive 0 -1 1 0 1 -1",
							   "= commit 3 644 /file  ",
							   "= log * fin 1 *",
							   "> PASV",
							   "< 227 *",
							   "! end 3",
							   "> APPE file",
							   "< 150 *",
							   "< 426 *",
							   "= open *",
							   "= reserve 1048576 1 0 1",
							   "= prepare *",
							   "= receive 1000 -1 0 *",
							   "= log * timeout 0 *",
							   NULL});
	run_script(SETUP{.traced = true, .bare = true, .durability = WORD_durability_rename},
		   SCRIPT{BINARY, "> STOR file", "< 150 *", "< 226 *", "= open *", "= reserve *",
			  "= receive 0 -1 0 0 0 -1", "= commit 2 644 /file .wharfd-stage ",
			  "= log * fin 1 *", NULL});
}

/* In place nothing is touched before there is room for all that is to come of it: for a version,
 * too, which is a copy. */
static void
test_in_place_refused(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		run_script(SETUP{.traced = true, .bare = true, .reserve_error = EDQUOT},
			   SCRIPT{BINARY, i ? "> STOR new" : "> APPE file", "< 552 *", "= open *",
				  "= reserve *", "= log * quota 0 *", "= release",
				  i ? "= discard /new " : "> NOOP", i ? "> NOOP" : "< 200 *",
				  i ? "< 200 *" : NULL, NULL});
	run_script(SETUP{.traced = true,
			 .bare = true,
			 .versions = 3,
			 .quota = {.limit_bytes = 1 << 20}},
		   SCRIPT{BINARY,
			  "> APPE file",
			  "< 150 *",
			  "< 226 *",
			  "= open *",
			  "= reserve 1049576 1001 1 1",
			  "= prepare /file",
			  "= receive 1000 -1 0 0 0 1",
			  "= log *",
			  "> PASV",
			  "< 227 *",
			  "> STOR new",
			  "< 150 *",
			  "< 226 *",
			  "= open *",
			  "= reserve 1048576 1 1 0",
			  "= receive 0 -1 1 0 0 1",
			  "= log *",
			  "> SITE COPY half file",
			  "< 250 *",
			  "= open *",
			  "= open *",
			  "= reserve 2000 2000 1 1",
			  "= prepare /file",
			  "= job *",
			  "= commit *",
			  "= change *",
			  "= release",
			  NULL});
	run_script(SETUP{STAGED, .versions = 3},
		   SCRIPT{BINARY, "> STOR file", "< 150 *", "< 226 *", "= open *",
			  "= reserve 1048576 1 1 1", "= receive *", "= commit *", "= log *", NULL});
	/* ABOR, or the end of the session, while the agent prepares. */
	run_script(SETUP{.traced = true, .bare = true},
		   SCRIPT{BINARY, "! hold all", "> APPE file", "! connect", "! answer",
			  "! reserved", OPENED, "= prepare *", "> ABOR", "! answer", "< 426 *",
			  "< 226 *", "= release", "! go", NULL});
	run_script(SETUP{.traced = true, .bare = true},
		   SCRIPT{BINARY, "! hold all", "> APPE file", "! connect", "! answer",
			  "! reserved", OPENED, "= prepare *", "! lost", "! answer", "= release",
			  NULL});
	/* A version that can't be made. */
	run_script(SETUP{.traced = true, .bare = true, .prepare_error = ENOSPC},
		   SCRIPT{BINARY, "> APPE file", "< 452 *", "= open *", "= reserve *",
			  "= prepare *", "= release", "> SITE COPY half file", "< 452 *",
			  "= open *", "= open *", "= reserve *", "= prepare *", "= release",
			  "= release", "> NOOP", "< 200 *", NULL});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_in_place_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
