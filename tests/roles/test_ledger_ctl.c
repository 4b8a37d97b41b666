/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What wharfctl tells of what a real wharfd-ledger has recorded, in the world of around_ledger.h.
 * wharfctl is named by the environment's WHARF_CTL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "around_ledger.h"

/* What wharfctl prints, with its exit code in a last line. */
static char *
ctl(const char *arguments)
{
	struct buf out = BUF_INIT;
	char *line = NULL;
	int n;

	assert_true(asprintf(&line, "'%s' %s --config '%s/conf' 2>&1", getenv("WHARF_CTL"),
			     arguments, world.folder) > 0);
	FILE *f = popen(line, "r");
	assert_non_null(f);
	while ((n = fgetc(f)) != EOF)
		buf_add_byte(&out, (char)n);
	buf_printf(&out, "%d", WEXITSTATUS(pclose(f)));
	free(line);
	buf_add_byte(&out, '\0');
	return out.data;
}

static void
expect_ctl(const char *arguments, const char *wanted)
{
	char *got = ctl(arguments);

	assert_string_equal(got, wanted);
	free(got);
}

static void
write_conf(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/conf", world.folder);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f,
		"listener main { address = \"127.0.0.1\" port = 24999 }\n"
		"state_directory = \"%s\"\n",
		world.folder);
	fclose(f);
}

static void
add_history(void)
{
	struct message m = {.id = MSG_J_TRANSFER, .fd = -1};

	m.j_transfer = (struct j_transfer){.time = 1700000000123,
					   .session = 7,
					   .user = SLICE("alice"),
					   .peer = SLICE("127.0.0.1"),
					   .command = SLICE("STOR"),
					   .path = SLICE("/in/a \"b\"\xff\n"),
					   .upload = 1,
					   .tls = 1,
					   .published = 1,
					   .bytes = 5,
					   .size = 5,
					   .milliseconds = 12,
					   .verdict = SLICE("fin"),
					   .digest = SLICE("crc32:9ae0daaf")};
	add_message(&m);
	m.j_transfer = (struct j_transfer){.time = 1700000001000,
					   .session = 8,
					   .user = SLICE("bob"),
					   .peer = SLICE("::1"),
					   .command = SLICE("RETR"),
					   .path = SLICE("/out"),
					   .bytes = 3,
					   .size = 9,
					   .verdict = SLICE("abor"),
					   .error = SLICE("broken")};
	add_message(&m);
	m = (struct message){.id = MSG_J_CHANGE, .fd = -1};
	m.j_change = (struct j_change){1700000002000, 8,           SLICE("bob"),  SLICE("::1"),
				       SLICE("RNTO"), SLICE("/x"), SLICE("/in/y")};
	add_message(&m);
}

#define A                                                                                       \
	"2023-11-14T22:13:20.123Z alice 127.0.0.1 STOR \"/in/a \\\"b\\\"\\xff\\x0a\" 5 bytes, " \
	"whole, fin, crc32:9ae0daaf\n"
#define B "2023-11-14T22:13:21.000Z bob ::1 RETR \"/out\" 3 bytes, not whole, abor, broken\n"
#define C "2023-11-14T22:13:22.000Z bob ::1 RNTO \"/x\" \"/in/y\"\n"

static void
history_tells(void **state)
{
	static const struct {
		const char *arguments, *output;
	} rows[] = {
		{"history", A B C "0"},
		{"history --user alice", A "0"},
		{"history --user nobody", "0"},
		{"history --path /in/", A C "0"},
		{"history --path '*/y'", C "0"},
		{"history --path '/o?t'", B "0"},
		{"history --verdict abor", B "0"},
		{"history --since 2023-11-14", A B C "0"},
		{"history --since 2023-11-14T22:14", "0"},
		{"history --since 30m", "0"},
		{"history --since 5000d --user bob --verdict abor --format text", B "0"},
		{"history --since yesterday",
		 "wharfctl: yesterday is no time: 30m, 2d, YYYY-MM-DD or YYYY-MM-DDTHH:MM\n64"},
		{"history --since 2023-11-14x",
		 "wharfctl: 2023-11-14x is no time: 30m, 2d, YYYY-MM-DD or YYYY-MM-DDTHH:MM\n64"},
		{"history --format xml", "wharfctl: xml is no format: text or json\n64"},
		{"history --format json --user alice",
		 "{\"time\":\"2023-11-14T22:13:20.123Z\",\"kind\":\"upload\",\"session\":7,"
		 "\"user\":\"alice\",\"peer\":\"127.0.0.1\",\"command\":\"STOR\","
		 "\"path\":\"/in/a \\\"b\\\"\\\\xff\\\\x0a\",\"bytes\":5,\"size\":5,"
		 "\"milliseconds\":12,\"whole\":true,\"tls\":true,\"ascii\":false,\"verdict\":"
		 "\"fin\","
		 "\"digest\":\"crc32:9ae0daaf\",\"error\":\"\"}\n0"},
		{"history --format json --path /x",
		 "{\"time\":\"2023-11-14T22:13:22.000Z\",\"kind\":\"change\",\"session\":8,"
		 "\"user\":\"bob\",\"peer\":\"::1\",\"command\":\"RNTO\",\"path\":\"/x\","
		 "\"other\":\"/in/y\"}\n0"},
	};

	(void)state;
	write_conf();
	start_ledger(true);
	/* It waits for what stands in the spool. */
	add_history();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_ctl(rows[i].arguments, rows[i].output);
	assert_int_equal(stop_ledger(), 0);
	/* Also without a ledger, and then it does not wait for ever. */
	expect_ctl("history --user alice", A "0");
	add_history();
	expect_ctl("history --user alice",
		   "wharfctl: the newest records are missing: the ledger has not taken them yet\n" A
		   "0");
	unlink(world.database);
	char *got = ctl("history");
	assert_non_null(strstr(got, "ledger.db: No such file or directory\n1"));
	free(got);
}

static void
quota_tells(void **state)
{
	const struct slice alice = SLICE("alice"), bob = SLICE("bob");

	(void)state;
	write_conf();
	start_ledger(true);
	connect_worker(0);
	SAY(0, Q_OPEN, q_open, alice, 86400, 0, 0);
	SAY(0, Q_RESERVE, q_reserve, 1, alice, 5000, UINT64_MAX, 700, 1, 1, 0);
	assert_int_equal(hear(0)->id, MSG_Q_SCAN);
	SAY(0, Q_SCANNED, q_scanned, 1, alice, 0, 100, 2, 1);
	assert_int_equal(hear(0)->id, MSG_Q_RESERVED);
	SAY(0, Q_OPEN, q_open, bob, 86400, 0, 0);
	for (unsigned i = 0;
	     i < 100 && query("SELECT bytes FROM quota WHERE user = 'alice'") != 100; i++)
		pause_ms(20);
	char *got = ctl("quota alice");
	const char wanted[] =
		"alice: 100 bytes in 2 files; reserved 700 bytes, 1 files; counted 20";
	assert_memory_equal(got, wanted, sizeof(wanted) - 1);
	assert_non_null(strstr(got, "Z; open\n0"));
	free(got);
	expect_ctl("quota bob",
		   "bob: 0 bytes in 0 files; reserved 0 bytes, 0 files; not counted yet; open\n0");
	expect_ctl("quota bob --format json",
		   "{\"user\":\"bob\",\"bytes\":0,\"files\":0,\"reserved_bytes\":0,"
		   "\"reserved_files\":0,\"counted\":null,\"open\":true}\n0");
	got = ctl("quota");
	assert_non_null(strstr(got, "alice: "));
	assert_non_null(strstr(got, "bob: "));
	free(got);
	expect_ctl("quota carol", "wharfctl: nothing was counted of carol\n1");
	assert_int_equal(stop_ledger(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LEDGER_TEST(history_tells),
		LEDGER_TEST(quota_tells),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
