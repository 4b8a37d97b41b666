/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Logins, what is refused in each state of a session, and what it says that it can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plain.h"

static void
run(const char *sources, const char *const *script, const char *rights)
{
	run_script(SETUP{PLAIN, .sources = sources, .rights = rights}, script);
}

static void
test_login(void **state)
{
	(void)state;
	run("u",
	    SCRIPT{LOGIN, "> USER other", "< 503 *", "> PASS x", "< 503 *", "> ACCT x", "< 202 *",
		   "> REIN", "< 220 *", "> PWD", "< 530 *", "> QUIT", "< 221 *", NULL},
	    NULL);
	run("up",
	    SCRIPT{HELLO, "> PASS x", "< 503 *", "> USER nobody", "< 331 *", "> PASS secret",
		   "< 530 Login incorrect.", "> USER demo", "< 331 *", "> PASS wrong",
		   "< 530 Login incorrect.", "> USER -x", "< 331 *", "> PASS secret", "< 421 *",
		   "> NOOP", NULL},
	    NULL);
	run("a",
	    SCRIPT{HELLO, "> USER Anonymous", "< 331 *", "> PASS a@b", "< 230 *", "> PWD",
		   "< 257 \"/\" *", NULL},
	    NULL);
	run("p", SCRIPT{HELLO, "> USER demo", "< 331 *", "> PASS secret", "< 530 *", NULL}, NULL);
}

static void
test_states(void **state)
{
	size_t checked = 0;

	(void)state;
	/* Before the login every verb that needs one is refused alike, and tells nothing (attacks
	 * C14). */
#define COMMAND(verb, argument, needs, right, during, handler, feature, help)                      \
	if (strncmp(#needs, "USER", 4) == 0 || strcmp(#needs, "DATA") == 0) {                      \
		run("u", SCRIPT{HELLO, "> " #verb " x", "< 530 Log in with USER and PASS.", NULL}, \
		    NULL);                                                                         \
		checked++;                                                                         \
	}
#include <wharf/ftp/commands.def>
	assert_true(checked > 40);
	/* Without its right every verb that has one is refused before it looks at anything. */
#define COMMAND(verb, argument, needs, right, during, handler, feature, help)                  \
	if (strcmp(#right, "NONE") != 0)                                                       \
		run("u",                                                                       \
		    SCRIPT{LOGIN, "> EPSV", "< 229 *", "> " #verb " x", "< 550 You have no *", \
			   NULL},                                                              \
		    "0");
#include <wharf/ftp/commands.def>
	/* Who may change no modes can't make files with more than he is given, either. */
	run("u", SCRIPT{LOGIN, "> SITE UMASK 000", "< 550 *", "> SITE UMASK 077", "< 200 *", NULL},
	    "2");
	/* And every verb that needs a data connection says so. */
#define COMMAND(verb, argument, needs, right, during, handler, feature, help) \
	if (strcmp(#needs, "DATA") == 0)                                      \
		run("u", SCRIPT{LOGIN, "> " #verb " x", "< 425 Use *", NULL}, NULL);
#include <wharf/ftp/commands.def>
}

/* The reply to FEAT; the caller frees it. */
static char *
ask_feat(struct world *w)
{
	buf_reset(&w->out);
	assert_int_equal(ftp_session_input(&w->s, "FEAT\r\n", 6), 0);
	char *text = slice_dup(buf_slice(&w->out));
	buf_reset(&w->out);
	return text;
}

/* Who is logged in is told of what he has a right to. */
static void
test_feat_by_rights(void **state)
{
	static const struct {
		unsigned rights;
		const char *lines[8], *missing[8];
	} rows[] = {
		{RIGHT(read) | RIGHT(list),
		 {"SIZE", "MDTM", "MLSD", "HASH SHA-256", "SITE COPY"},
		 {"MFMT", "MFF ", "SITE MKDIR", "SITE RMDIR"}},
		{RIGHT(write) | RIGHT(mkdir) | RIGHT(list),
		 {"REST STREAM", "SIZE", "MLST ", "MLSD", "SITE MKDIR"},
		 {"MFMT", "MFF ", "HASH", "XCRC", "SITE COPY", "SITE RMDIR"}},
		{RIGHT(chmod), {"MFMT", "MFF ", "SIZE"}, {"MLSD"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;
		char line[32];
		world_init(&w, SETUP{PLAIN});
		w.user.rights = rows[i].rights;
		world_run(&w, SCRIPT{LOGIN, NULL});
		char *text = ask_feat(&w);
		for (size_t k = 0; k < 8 && rows[i].lines[k]; k++) {
			snprintf(line, sizeof(line), "\r\n %s", rows[i].lines[k]);
			assert_non_null(strstr(text, line));
		}
		for (size_t k = 0; k < 8 && rows[i].missing[k]; k++) {
			snprintf(line, sizeof(line), "\r\n %s", rows[i].missing[k]);
			assert_null(strstr(text, line));
		}
		free(text);
		world_deinit(&w);
	}
}

static void
test_feat(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, SETUP{PLAIN});
	char *text = ask_feat(&w);
	static const char *const wanted[] = {
		"211-Features:\r\n",
		"\r\n HOST\r\n",
		"\r\n UTF8\r\n",
		"\r\n CLNT\r\n",
		"\r\n EPRT\r\n",
		"\r\n EPSV\r\n",
		"\r\n MDTM\r\n",
		"\r\n SIZE\r\n",
		"\r\n REST STREAM\r\n",
		"\r\n RANG STREAM\r\n",
		"\r\n TVFS\r\n",
		"\r\n MLST "
		"type*;size*;modify*;perm*;unique*;UNIX.mode*;UNIX.owner*;UNIX.group*;\r\n",
		"\r\n MLSD\r\n",
		"\r\n MFMT\r\n",
		"\r\n MFF modify;UNIX.mode;UNIX.group;\r\n",
		"\r\n HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32\r\n",
		"\r\n XCRC\r\n",
		"\r\n XMD5\r\n",
		"\r\n XSHA1\r\n",
		"\r\n XSHA256\r\n",
		"\r\n XSHA512\r\n",
		"\r\n AVBL\r\n",
		"\r\n XQUOTA\r\n",
		"\r\n SITE QUOTA\r\n",
		"\r\n SITE COPY\r\n",
		"\r\n SITE MKDIR\r\n",
		"\r\n SITE RMDIR\r\n",
		"\r\n SITE SYMLINK\r\n",
		"\r\n SITE UTIME\r\n",
		"\r\n LANG EN*\r\n",
		"\r\n211 End\r\n",
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strstr(text, wanted[i]))
			fail_msg("FEAT lacks %s: %s", wanted[i], text);
	/* Without a certificate nothing is said of TLS. */
	assert_null(strstr(text, "AUTH"));
	assert_null(strstr(text, "PBSZ"));
	assert_null(strstr(text, "PROT"));
	free(text);
	world_deinit(&w);
}

/* A failure is told when its delay is over, and the delay doubles. */
static void
test_delay(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, SETUP{PLAIN});
	ftp_session_input(&w.s, "USER demo\r\nPASS no\r\n", 20);
	w.clock = 400;
	w.login = false;
	ftp_session_judged(&w.s, AUTH_NO, SLICE_NULL);
	assert_int_equal(w.delayed, 600);
	world_turn(&w);
	ftp_session_input(&w.s, "USER demo\r\nPASS no\r\n", 20);
	w.login = false;
	ftp_session_judged(&w.s, AUTH_NO, SLICE_NULL);
	assert_int_equal(w.delayed, 2000);
	world_turn(&w);
	world_deinit(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login), cmocka_unit_test(test_states),
		cmocka_unit_test(test_feat),  cmocka_unit_test(test_feat_by_rights),
		cmocka_unit_test(test_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
