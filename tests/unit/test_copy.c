/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* SITE COPY, and what it and each other command that changes something tell the journal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "uploads.h"

/* A copy is staged and committed as an upload is; the journal has a change. */
static void
test_copy(void **state)
{
	(void)state;
	run_script(SETUP{STAGED}, SCRIPT{LOGIN,
					 "> SITE COPY file new",
					 "< 250 *",
					 "= open 1 /file",
					 "= open 78 /new",
					 "= reserve 1000 1000 1 0",
					 "= job copy 0 1",
					 "= commit 3 644 /new .wharfd-stage crc32:01ab",
					 "= change SITE COPY /file /new",
					 "= release",
					 "> SITE CPFR file",
					 "< 350 *",
					 "> SITE CPTO half",
					 "< 250 *",
					 "= open *",
					 "= open 78 /half",
					 "= reserve 1000 1000 0 1",
					 "= job *",
					 "= commit *",
					 "= change SITE CPTO /file /half",
					 "= release",
					 NULL});
	/* In place the job cuts the target, when it has seen that it is not the source. */
	run_script(SETUP{.traced = true, .bare = true},
		   SCRIPT{LOGIN, "> SITE COPY file new", "< 250 *", "= open 1 /file",
			  "= open 14 /new", "= reserve *", "= job copy 0 0",
			  "= commit 2 644 /new  crc32:01ab", "= change *", "= release", NULL});
	run_script(SETUP{STAGED, .reserve_error = EDQUOT},
		   SCRIPT{LOGIN, "> SITE COPY file new", "< 552 *", "= open *", "= open *",
			  "= reserve *", "= release", "= discard /new .wharfd-stage", "= release",
			  NULL});
	run_script(SETUP{.traced = true, .bare = true, .reserve_error = EDQUOT},
		   SCRIPT{LOGIN, "> SITE COPY file new", "< 552 *", "= open *", "= open *",
			  "= reserve *", "= release", "= discard /new ", "= release",
			  "> SITE COPY file half", "< 552 *", "= open *", "= open *", "= reserve *",
			  "= release", "= release", NULL});
	run_script(SETUP{STAGED, .commit_error = EIO},
		   SCRIPT{LOGIN, "> SITE COPY file new", "< 451 *", "= open *", "= open *",
			  "= reserve *", "= job *", "= commit *", "= release", NULL});
	run_script(SETUP{STAGED}, SCRIPT{LOGIN,
					 "! hold",
					 "> SITE COPY file new",
					 "= open *",
					 "= open *",
					 "= reserve *",
					 "= job *",
					 "> ABOR",
					 "! go",
					 "< 426 *",
					 "< 226 *",
					 "= release",
					 "= discard /new .wharfd-stage",
					 "= release",
					 "> SITE COPY nix new",
					 "< 550 *",
					 "= open *",
					 "> SITE COPY file .wharfd-x",
					 "< 553 *",
					 "> SITE COPY .wharfd-stage new",
					 "< 550 *",
					 NULL});
}

/* Each command that changes something tells the journal, after it has succeeded. */
static void
test_changes(void **state)
{
	static const struct {
		const char *command, *change;
	} rows[] = {
		{"DELE file", "DELE /file "},
		{"DELE nix", NULL},
		{"RMD pub", "RMD /pub "},
		{"XRMD nix", NULL},
		{"MKD new", "MKD /new "},
		{"MKD pub", NULL},
		{"MFMT 20250102030405 file", "MFMT /file 20250102030405"},
		{"MFMT 20250102030405 nix", NULL},
		{"MDTM 20250102030405 file", "MDTM /file 20250102030405"},
		{"MDTM file", NULL},
		{"MFF UNIX.mode=0600;modify=20250102030405; file",
		 "MFF /file UNIX.mode=0600;modify=20250102030405;"},
		{"MFF UNIX.mode=0600; nix", NULL},
		{"SITE CHMOD 600 file", "SITE CHMOD /file 600"},
		{"SITE CHMOD 600 nix", NULL},
		{"SITE CHGRP staff file", "SITE CHGRP /file staff"},
		{"SITE UTIME 202501020304 file", "SITE UTIME /file 20250102030400"},
		{"SITE SYMLINK file new", "SITE SYMLINK /new file"},
		{"SITE SYMLINK file pub", NULL},
		{"SITE MKDIR pub/x/y", "SITE MKDIR /pub/x/y "},
		{"SITE MKDIR pub", NULL},
		{"SITE RMDIR pub", "SITE RMDIR /pub "},
		{"SITE RMDIR nix", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char command[80], change[80];
		snprintf(command, sizeof(command), "> %s", rows[i].command);
		snprintf(change, sizeof(change), "= change %s",
			 rows[i].change ? rows[i].change : "");
		run_script(SETUP{STAGED},
			   SCRIPT{LOGIN, command, "< ??? *", rows[i].change ? change : NULL, NULL});
	}
	run_script(SETUP{STAGED}, SCRIPT{LOGIN, "> RNFR file", "< 350 *", "> RNTO b", "< 250 *",
					 "= change RNTO /file /b", "> RNFR nix", "< 550 *", NULL});
	/* What was set before the fact that could not be. */
	run_script(SETUP{STAGED, .utime_error = EPERM},
		   SCRIPT{LOGIN, "> MFF modify=20250102030405;UNIX.mode=0600; file", "< 550 *",
			  "= change MFF /file UNIX.mode=0600;", "> MFF modify=20250102030405; file",
			  "< 550 *", NULL});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
