/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What is warned of in wharfd.conf besides uploads, each warning with its exact text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "conf_file.h"
#include "folder.h"

#define BITS    "\": bits behind the prefix do not count, so that it is \""
#define EMPTY   "warning: hidden: an empty pattern hides nothing; a list without any is {}\n"
#define PASSIVE "warning: passive_address: \""
#define NEVER   "\" never counts, as \""
#define FITS    "\" before it fits all its clients\n"
#define MAP     "tls_client_map = \"CN=a = b\"\n"
#define UNUSED(word)                                                                   \
	"c:1: warning: tls_client_map: it does not count, as tls_client_user is " word \
	" and not map\n"
#define ASKS "tls_certificate = \"/c\" tls_client_certificate = request tls_client_ca = \"/ca\"\n"

static const struct {
	const char *text;
	size_t warnings;
	const char *report;
} rows[] = {
	/* clients */
	{"client \"10.0.0.5/8\" { ccc = no }\n", 1,
	 "c:1: warning: client \"10.0.0.5/8" BITS "10.0.0.0/8\"\n"},
	{"client \"192.0.2.7/25\" { }\nclient \"2001:db8::7/32\" { }\n"
	 "client \"::ffff:10.0.0.5/104\" { }\nclient \"::1/0\" { }\n",
	 4,
	 "c:1: warning: client \"192.0.2.7/25" BITS "192.0.2.0/25\"\n"
	 "c:2: warning: client \"2001:db8::7/32" BITS "2001:db8::/32\"\n"
	 "c:3: warning: client \"::ffff:10.0.0.5/104" BITS "10.0.0.0/8\"\n"
	 "c:4: warning: client \"::1/0" BITS "::/0\"\n"},
	{"client \"10.0.0.0/8\" { }\nclient \"10.0.0.5/32\" { }\nclient \"10.0.0.6\" { }\n"
	 "client \"*\" { }\nclient \"::/0\" { }\nclient \"2001:db8:0::7/128\" { }\n",
	 0, ""},

	/* tls_client_map */
	{MAP, 1, UNUSED("none")},
	{MAP ASKS "tls_client_user = cn\n", 1, UNUSED("cn")},
	{MAP ASKS "tls_client_user = map\n", 0, ""},
	{"tls_client_map = {}\n", 0, ""},

	/* hidden */
	{"hidden = {\"\"}\nuser u {\n hidden = \"\"\n}\n", 2, "c:1: " EMPTY "c:3: " EMPTY},
	{"hidden = {}\nuser u { hidden = {\" \"} }\n", 0, ""},

	/* passive_address */
	{"passive_address = {\"* = 192.0.2.1\", \"10.0.0.0/8 = 10.0.0.1\"}\n", 1,
	 "c:1: " PASSIVE "10.0.0.0/8 = 10.0.0.1" NEVER "* = 192.0.2.1" FITS},
	{"listener l {\n passive_address = {\"10.0.0.0/8 = 10.0.0.1\", \"10.1.0.0/16 = 10.1.0.1\", "
	 "\"::ffff:10.2.0.1 = 10.2.0.1\", \"10.0.0.0/8 = 10.0.0.2\"} }\n",
	 3,
	 "c:2: " PASSIVE "10.1.0.0/16 = 10.1.0.1" NEVER "10.0.0.0/8 = 10.0.0.1" FITS "c:2: " PASSIVE
	 "::ffff:10.2.0.1 = 10.2.0.1" NEVER "10.0.0.0/8 = 10.0.0.1" FITS "c:2: " PASSIVE
	 "10.0.0.0/8 = 10.0.0.2" NEVER "10.0.0.0/8 = 10.0.0.1" FITS},
	{"passive_address = {\"10.1.0.0/16 = 10.1.0.1\", \"10.0.0.0/8 = 10.0.0.1\", "
	 "\"0.0.0.0/0 = 192.0.2.1\", \"::/0 = 192.0.2.2\", \"* = 192.0.2.3\"}\n",
	 0, ""},
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s", rows[i].text);
		expect_report(rows[i].text, 0, rows[i].warnings, rows[i].report);
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
