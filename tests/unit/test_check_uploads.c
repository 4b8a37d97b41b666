/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What is said of the options of uploads in wharfd.conf, each complaint with its exact text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "conf_file.h"
#include "folder.h"

#define NOT_RETAIN " is not a time of a hundred years at most, as \"30d\", nor \"/folder = time\"\n"
#define NEVER_TLS                                                                             \
	"warning: publish: without close-notify no upload over TLS that ends well takes its " \
	"target's name\n"
#define NEVER_PLAIN "warning: publish: without fin no upload without TLS takes its target's name\n"
#define HELD                                                                                   \
	"retain: it needs staged uploads; with durability = none what a broken upload leaves " \
	"would "                                                                               \
	"be held as a completed file\n"
#define NOTHING_TO_SHOW "warning: show_versions: there are none to show with versions = 0\n"
#define TLS             "tls_certificate = \"/c\"\n"

static const struct {
	const char *text;
	size_t mistakes, warnings;
	const char *report;
} rows[] = {
	{"profile = drop\n", 0, 0, ""},
	{"profile = dorp\n", 1, 0,
	 "c:1: profile: \"dorp\" is not one of none, website, archive, drop; did you mean drop?\n"},
	{"listener l { profile = website state_directory = \"/x\" }\n", 1, 0,
	 "c:1: state_directory: this does not stand in a listener block, but outside of all\n"},
	{"state_directory = \"here\"\n", 1, 0,
	 "c:1: state_directory: \"here\" is not an absolute path\n"},

	/* numbers within their bounds */
	{"staging_keep = 0\n", 1, 0,
	 "c:1: staging_keep: \"0\" is not a time (seconds, or with s, m, h or d behind, or as \"30 "
	 "days\") from 1 to 31536000 seconds\n"},
	{"staging_keep = \"366 days\"\n", 1, 0,
	 "c:1: staging_keep: \"366 days\" is not a time (seconds, or with s, m, h or d behind, or "
	 "as \"30 days\") from 1 to 31536000 seconds\n"},
	{"staging_keep = \"365 days\"\n", 0, 0, ""},
	{"quota_bytes = -1\n", 1, 0,
	 "c:1: quota_bytes: \"-1\" is not a size (bytes, or with K, M, G or T behind) from 0 to "
	 "1152921504606846976 bytes\n"},
	{"quota_files = 1k\n", 1, 0,
	 "c:1: quota_files: \"1k\" is not a whole number from 0 to 1000000000000 files\n"},
	{"user u { quota_bytes = 10G quota_files = 1000 quota_rescan = 0 }\n", 0, 0, ""},

	/* retain */
	{"retain = 30d\n", 0, 0, ""},
	{"retain = {\"/a = 0\", \"/b = 2d\", \"1d\"}\n", 0, 0, ""},
	{"retain = {\"30 dys\", \"/b\", \"1d\", \"b = 1d\"}\n", 3, 0,
	 "c:1: retain: \"30 dys\"" NOT_RETAIN "c:1: retain: \"/b\"" NOT_RETAIN
	 "c:1: retain: \"b = 1d\"" NOT_RETAIN},
	{"\nuser u {\n retain = \"200000 days\"\n}\n", 1, 0,
	 "c:3: retain: \"200000 days\"" NOT_RETAIN},
	{"retain = {\"1d\", \"/a = 2d\"}\n", 0, 1,
	 "c:1: warning: retain: \"/a = 2d\" never counts, as \"1d\" before it fits all its "
	 "files\n"},
	{"retain = {\"/a = 1d\", \"/a/b = 2d\", \"/ab = 3d\", \"/a/ = 4d\"}\n", 0, 2,
	 "c:1: warning: retain: \"/a/b = 2d\" never counts, as \"/a = 1d\" before it fits all its "
	 "files\n"
	 "c:1: warning: retain: \"/a/ = 4d\" never counts, as \"/a = 1d\" before it fits all its "
	 "files\n"},
	{"retain = {\"/a/b = 2d\", \"/a = 1d\"}\n", 0, 0, ""},

	/* what needs staging */
	{"retain = 1d\ndurability = none\n", 1, 0, "c:1: " HELD},
	{"retain = 1d\nuser u {\n durability = none\n}\n", 1, 0, "c:3: " HELD},
	{"durability = none\nuser u {\n retain = 1d\n}\n", 1, 0, "c:3: " HELD},
	{"durability = none\nuser u {\n retain = 1d\n profile = drop }\n", 0, 0, ""},
	{"profile = drop\nuser u {\n retain = 1d\n durability = none }\n", 1, 0, "c:3: " HELD},
	{"durability = none\nprofile = website\nretain = 1d\nuser u {\n profile = none\n}\n", 2, 0,
	 "c:3: " HELD "c:5: " HELD},
	{"durability = none\nuser u { versions = 0 }\ngroup g { umask = 022 }\n", 0, 0, ""},
	{"durability = rename\nretain = 1d\nversions = 2\n", 0, 0, ""},
	{"durability = none\nversions = 2\n", 0, 0, ""},

	/* show_versions */
	{"show_versions = yes\n", 0, 1, "c:1: " NOTHING_TO_SHOW},
	{"show_versions = yes\nversions = 1\n", 0, 0, ""},
	{"versions = 1\nuser u { show_versions = yes }\n", 0, 0, ""},
	{"user u { show_versions = yes }\n", 0, 1, "c:1: " NOTHING_TO_SHOW},
	{"show_versions = no\n", 0, 0, ""},

	/* publish */
	{"publish = {fin, close-notify, reset}\n", 0, 0, ""},
	{"publish = fin\n", 0, 0, ""},
	{"publish = {}\n", 0, 1, "c: " NEVER_PLAIN},
	{"publish = close-notify\n", 0, 1, "c:1: " NEVER_PLAIN},
	{"publish = close-notify\ndurability = none\n", 0, 0, ""},
	{TLS "publish = abor\n", 0, 2, "c:2: " NEVER_PLAIN "c:2: " NEVER_TLS},
	{TLS "publish = fin\n", 0, 1, "c:2: " NEVER_TLS},
	{TLS "publish = close-notify\n", 0, 1, "c:2: " NEVER_PLAIN},
	{TLS "publish = close-notify\nrequire_tls = data\n", 0, 0, ""},
	{TLS "require_tls = all\nuser u { publish = close-notify }\n", 0, 0, ""},
	{TLS "user u { publish = close-notify require_tls = control }\n", 0, 1,
	 "c:2: " NEVER_PLAIN},
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s", rows[i].text);
		expect_report(rows[i].text, rows[i].mistakes, rows[i].warnings, rows[i].report);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
