/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Sessions, as conversations with the world of world.h; test_security.c has those about TLS,
 * test_upload.c those about what becomes of uploads.  Every verb of commands.def and site.def must
 * occur.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script.h"

/* What sources say may look like a reply. */
#define PLAIN .bare = true, .message = "hello\n227 (1,2,3,4,5,6)"

static void
run(const char *sources, const char *const *script, const char *rights)
{
	run_script(SETUP{PLAIN, .sources = sources, .rights = rights}, script);
}

#define HELLO "< 220 FTP server ready."
#define LOGIN                                                                                \
	HELLO, "> USER demo", "< 331 *", "> PASS secret", "< 230-*", "<  hello", "<  227 *", \
		"< 230 *"

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
	/* And every verb that needs a data connection says so. */
#define COMMAND(verb, argument, needs, right, during, handler, feature, help) \
	if (strcmp(#needs, "DATA") == 0)                                      \
		run("u", SCRIPT{LOGIN, "> " #verb " x", "< 425 Use *", NULL}, NULL);
#include <wharf/ftp/commands.def>
}

static const char *const info[] = {LOGIN,
				   "> SYST",
				   "< 215 UNIX Type: L8",
				   "> NOOP",
				   "< 200 *",
				   "> noop",
				   "< 200 *",
				   "> CLNT x",
				   "< 200 *",
				   "> CSID Name=x;",
				   "< 200 Name=wharfd;*",
				   "> LANG",
				   "< 200 *",
				   "> LANG en-GB",
				   "< 200 *",
				   "> LANG de",
				   "< 504 *",
				   "> HOST a.b",
				   "< 503 *",
				   "> HELP RETR",
				   "< 214 RETR*",
				   "> HELP ACIDBITCHEZ",
				   "< 502 *",
				   "> OPTS UTF8 ON",
				   "< 200 *",
				   "> OPTS UTF8 OFF",
				   "< 504 *",
				   "> OPTS MLST size;",
				   "< 200 MLST OPTS size;",
				   "> OPTS HASH SHA-512",
				   "< 200 SHA-512",
				   "> OPTS HASH x",
				   "< 501 *",
				   "> OPTS REST STOR",
				   "< 200 *",
				   "> OPTS X",
				   "< 501 *",
				   "> SMNT x",
				   "< 502 *",
				   "> LPRT x",
				   "< 502 *",
				   "> LPSV",
				   "< 502 *",
				   "> MFCT x",
				   "< 502 *",
				   "> AUTH TLS",
				   "< 502 *",
				   "> PBSZ 0",
				   "< 502 *",
				   "> PROT P",
				   "< 502 *",
				   "> CCC",
				   "< 502 *",
				   "> ADAT x",
				   "< 502 *",
				   "> MIC x",
				   "< 502 *",
				   "> CONF x",
				   "< 502 *",
				   "> ENC x",
				   "< 502 *",
				   "> DSIZ",
				   "< 502 *",
				   "> XQUOTA",
				   "< 213-File and disk usage",
				   "<  File limit: Unlimited",
				   "<  Disk limit: Unlimited",
				   "< 213 End",
				   "> SITE QUOTA",
				   "< 200 You have no quota.",
				   "> SITE QUOTA x",
				   "< 501 *",
				   "> XYZZY",
				   "< 500 *",
				   "> STAT",
				   "< 211-*",
				   "<  From 127.0.0.1",
				   "<  Logged in as demo",
				   "<  Control connection clear, data connections clear",
				   "<  TYPE A*",
				   "<  No data*",
				   "< 211 End",
				   "> PWD x",
				   "< 501 *",
				   "> CWD",
				   "< 501 *",
				   NULL};

static const char *const channels[] = {LOGIN,
				       "> PASV",
				       "< 227 Entering Passive Mode (127,0,0,1,195,80).",
				       "> EPSV",
				       "< 229 Entering Extended Passive Mode (|||50000|)",
				       "> EPSV 2",
				       "< 522 *(1)",
				       "> EPSV x",
				       "< 501 *",
				       "> PORT 127,0,0,1,200,0",
				       "< 200 *",
				       "> PORT 127,0,0,2,200,0",
				       "< 501 *",
				       "> RETR file",
				       "< 425 *",
				       "> PORT 127,0,0,1,0,22",
				       "< 501 *",
				       "> EPRT |1|127.0.0.1|5000|",
				       "< 200 *",
				       "> EPRT |3|x|1|",
				       "< 522 *",
				       "> EPRT |1|127.0.0.1|25|",
				       "< 501 *",
				       "> EPSV ALL",
				       "< 200 *",
				       "> PASV",
				       "< 501 *",
				       "> PORT 127,0,0,1,200,0",
				       "< 501 *",
				       "> EPRT |1|127.0.0.1|5000|",
				       "< 501 *",
				       "> EPSV",
				       "< 229 *",
				       "> TYPE I",
				       "< 200 *",
				       "> TYPE A N",
				       "< 200 *",
				       "> TYPE A X",
				       "< 504 *",
				       "> TYPE E",
				       "< 504 *",
				       "> TYPE L 8",
				       "< 200 *",
				       "> STRU F",
				       "< 200 *",
				       "> STRU R",
				       "< 504 *",
				       "> MODE S",
				       "< 200 *",
				       "> MODE Z",
				       "< 504 *",
				       "> ALLO 4000",
				       "< 200 *",
				       "> ALLO 6000",
				       "< 552 *",
				       "> ALLO 5 R 10",
				       "< 200 *",
				       "> ALLO -1",
				       "< 501 *",
				       "> ALLO 18446744073709551615",
				       "< 552 *",
				       NULL};

static const char *const transfers[] = {LOGIN,
					"> TYPE I",
					"< 200 *",
					"> PASV",
					"< 227 *",
					"> RETR file",
					"< 150 *(1000 bytes).",
					"< 226 *",
					"> RETR file",
					"< 425 *",
					"> PASV",
					"< 227 *",
					"> RETR nix",
					"< 550 No such*",
					"> PASV",
					"< 227 *",
					"> REST 1001",
					"< 350 *",
					"> RETR file",
					"< 554 *",
					"> PASV",
					"< 227 *",
					"> REST 400",
					"< 350 *",
					"> RETR file",
					"< 150 *(600 bytes).",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> RANG 10 19",
					"< 350 *",
					"> RETR file",
					"< 150 *(10 bytes).",
					"< 226 *",
					"> RANG 5 4",
					"< 501 *",
					"> RANG 1 0",
					"< 350 *",
					"> REST 1x",
					"< 501 *",
					"> REST 9223372036854775808",
					"< 501 *",
					"> PASV",
					"< 227 *",
					"> STOR new",
					"< 150 *",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> REST 1001",
					"< 350 *",
					"> STOR file",
					"< 554 *",
					"> PASV",
					"< 227 *",
					"> STOR pub/",
					"< 553 *",
					"> STOR new/.",
					"< 553 *",
					"> PASV",
					"< 227 *",
					"> APPE file/",
					"< 553 *",
					"> PASV",
					"< 227 *",
					"> APPE file",
					"< 150 *",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> STOU",
					"< 150 FILE: ftp.unique",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> RETR fifo",
					"< 550 Not a regular*",
					"> PASV",
					"< 227 *",
					"> LIST -la",
					"< 150 *",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> LIST -a",
					"< 150 *",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> NLST pub/*.txt",
					"< 150 *",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> NLST [a] *",
					"< 150 *",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> LIST nix",
					"< 550 *",
					"> PASV",
					"< 227 *",
					"> MLSD",
					"< 150 *",
					"< 226 *",
					"> PASV",
					"< 227 *",
					"> MLSD file",
					"< 501 *",
					"> STAT pub",
					"< 212-*",
					"<  -rw-r--r-- 1 a b",
					"<  226 forged",
					"< 212 *",
					"> STAT file",
					"< 213-*",
					"<  -rw*",
					"<  226*",
					"< 213 *",
					"> TYPE A",
					"< 200 *",
					"> REST 5",
					"< 504 *",
					"> REST 0",
					"< 350 *",
					"> PASV",
					"< 227 *",
					"> RETR file",
					"< 150 Opening data connection.",
					"< 226 *",
					"> ABOR",
					"< 225 *",
					NULL};

static const char *const interrupted[] = {
	LOGIN, "> TYPE I", "< 200 *", "> PASV", "< 227 *", "! hold", "> RETR file", "> NOOP",
	"> PWD", "! go", "< 150 *", "< 226 *", "< 200 *", "< 257 *", "> PASV", "< 227 *",
	"> STOR x", "< 150 *", "< 226 *",
	/* Nothing that comes while a transfer is prepared changes what is transferred (attacks
	   C18). */
	"> PASV", "< 227 *", "! hold", "> RETR file", "> CWD pub", "> ABOR", "< 426 *", "< 226 *",
	"< 250 *", "! go", "> PWD", "< 257 \"/pub\"*", "> CWD /", "< 250 *",
	/* STAT tells of a transfer that 150 has announced, not sooner; every ABOR has its reply
	   (attacks C20). */
	"> PASV", "< 227 *", "! hold", "> RETR file", "> STAT", "! connect", "< 150 *", "< 211-*",
	"<  From*", "<  Logged*", "<  Control*", "<  TYPE I*", "<  RETR: 42 bytes so far",
	"< 211 End", "> ABOR", "< 426 *", "< 226 *", "> PASV", "< 227 *", "! hold", "> RETR file",
	"! connect", "< 150 *", "> NOOP", "! twice", "< 426 *", "< 226 *", "< 226 *", "< 200 *",
	"! hold", "> HASH /file", "> STAT", "! go", "< 213 SHA-256 0-999 abcd /file", "< 211-*",
	"<  *", "<  *", "<  *", "<  *", "<  *", "< 211 *", "! hold", "> HASH /file", "! tick",
	"< 213-Working", "<  7 bytes so far", "> ABOR", "! go", "< 213 Ended*", "< 226 *", "> PASV",
	"< 227 *", "! hold", "> STOR x", "! connect", "! answer", "! reserved", "< 150 *", "! full",
	"< 452 *", "> PASV", "< 227 *", "! hold", "> RETR file", "! connect", "< 150 *", "! reset",
	"< 426 *",
	/* What was refused leaves no REST behind. */
	"> REST 5", "< 350 *", "> RETR file", "< 425 *", "> PASV", "< 227 *", "> RETR file",
	"< 150 *(1000 bytes).", "< 226 *", "> PASV", "< 227 *", "> REST 5", "< 350 *", "> STOR new",
	"< 554 *", NULL};

static const char *const names[] = {LOGIN,
				    "> PWD",
				    "< 257 \"/\" *",
				    "> CWD pub",
				    "< 250 *",
				    "> XPWD",
				    "< 257 \"/pub\" *",
				    "> CDUP",
				    "< 250 *",
				    "> XCUP",
				    "< 250 *",
				    "> XCWD q\"t",
				    "< 250 *",
				    "> PWD",
				    "< 257 \"/q\"\"t\" *",
				    "> CWD /nix",
				    "< 550 *",
				    "> CWD /file",
				    "< 550 *",
				    "> CWD /",
				    "< 250 *",
				    "> MKD new",
				    "< 257 \"/new\" *",
				    "> XMKD pub",
				    "< 550 *",
				    "> RMD pub",
				    "< 250 *",
				    "> XRMD nix",
				    "< 550 *",
				    "> DELE  lead",
				    "< 250 *",
				    "> RNTO x",
				    "< 503 *",
				    "> RNFR file",
				    "< 350 *",
				    "> NOOP",
				    "< 200 *",
				    "> RNTO x",
				    "< 503 *",
				    "> RNFR file",
				    "< 350 *",
				    "> RNTO y",
				    "< 250 *",
				    "> RNFR /",
				    "< 550 *",
				    "> DELE .git",
				    "< 550 No such*",
				    "> CWD pub/../.git/x",
				    "< 550 No such*",
				    NULL};

static const char *const attributes[] = {LOGIN,
					 "> SIZE file",
					 "< 550 SIZE*",
					 "> TYPE I",
					 "< 200 *",
					 "> SIZE file",
					 "< 213 1000",
					 "> SIZE pub",
					 "< 550 *",
					 "> MDTM file",
					 "< 213 20260101000000",
					 "> MDTM 20250102030405 file",
					 "< 213 Modify=20250102030405; /file",
					 "> MDTM 20260101000000 x",
					 "< 213 2026*",
					 "> MDTM nix",
					 "< 550 *",
					 "> MLST file",
					 "< 250-*",
					 "<  type=file;size=1000;modify=20260101000000;*; /file",
					 "< 250 End",
					 "> MFMT 20250102030405 file",
					 "< 213 Modify=20250102030405; /file",
					 "> MFMT 20250230030405 file",
					 "< 501 *",
					 "> MFMT 20250102030405",
					 "< 501 *",
					 "> MFF modify=20250102030405;UNIX.mode=0600; file",
					 "< 213 modify=20250102030405;UNIX.mode=0600; /file",
					 "> MFF x=1; file",
					 "< 504 *",
					 "> MFF modify=1; file",
					 "< 501 *",
					 "> MFF UNIX.group=staff; nix",
					 "< 550 *",
					 "> AVBL",
					 "< 213 5000",
					 NULL};

static const char *const digests[] = {LOGIN,
				      "> HASH file",
				      "< 213 SHA-256 0-999 abcd /file",
				      "> TYPE I",
				      "< 200 *",
				      "> RANG 0 49",
				      "< 350 *",
				      "> HASH file",
				      "< 213 SHA-256 0-49 abcd /file",
				      "> HASH \"pub/a b\"",
				      "< 213 SHA-256 0-6 abcd /pub/a b",
				      "> HASH \"",
				      "< 550 *",
				      "> XCRC file",
				      "< 250 abcd",
				      "> XMD5 \"file\" 0 10",
				      "< 250 abcd",
				      "> MD5 file 5",
				      "< 250 abcd",
				      "> XSHA nix",
				      "< 550 *",
				      "> XSHA1 \"x",
				      "< 501 *",
				      "> XSHA256 file 0 1",
				      "< 250 abcd",
				      "> XSHA512 file 2000",
				      "< 551 *",
				      NULL};

static const char *const site[] = {
	LOGIN,           "> SITE XYZZY",
	"< 504 *",       "> SITE HELP CHMOD",
	"< 214 *",       "> SITE CHMOD 644 file",
	"< 250 *",       "> SITE CHMOD 9 file",
	"< 501 *",       "> SITE CHMOD 644",
	"< 501 *",       "> SITE CHGRP staff file",
	"< 250 *",       "> SITE UMASK",
	"< 200 *022.",   "> SITE UMASK 077",
	"< 200 *077.",   "> SITE UMASK 8",
	"< 501 *",       "> SITE IDLE",
	"< 200 *",       "> SITE IDLE 60",
	"< 200 *60*",    "> SITE IDLE 99999999",
	"< 501 *",       "> SITE UTIME 202501020304 file",
	"< 250 *",       "> SITE UTIME pub/a b 20250102030405 20250102030405 20250102030405 UTC",
	"< 250 *",       "> SITE UTIME x",
	"< 501 *",       "> SITE SYMLINK file new",
	"< 250 *",       "> SITE SYMLINK file",
	"< 501 *",       "> SITE SYMLINK .git/x new",
	"< 550 *",       "> SITE MKDIR pub/x/y",
	"< 250 *",       "> SITE MKDIR pub",
	"< 550 *",       "> SITE RMDIR pub",
	"< 250 *",       "> SITE COPY file new",
	"< 250 Copied.", "> SITE COPY \"pub/a b\" \"n \"\"w\"",
	"< 250 Copied.", "> SITE COPY file file",
	"< 553 *",       "> SITE CPTO x",
	"< 503 *",       "> SITE CPFR file",
	"< 350 *",       "> SITE CPTO x",
	"< 250 Copied.", NULL,
};

static const char *const foreign[] = {HELLO, "> GET / HTTP/1.1", "< 421 *", "> USER demo", NULL};
static const char *const foreign_bad[] = {HELLO, "> POST /\rx HTTP/1.1", "< 421 *", "> USER demo",
					  NULL};

static void
test_scripts(void **state)
{
	static const char *const *const scripts[] = {info,    channels,   transfers, interrupted,
						     names,   attributes, digests,   site,
						     foreign, foreign_bad};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		run("u", scripts[i], NULL);
}

/* A verb without a line in any script is a verb without a test. */
static void
test_every_verb(void **state)
{
	static const char *const *const scripts[] = {info,  channels,   transfers, interrupted,
						     names, attributes, digests,   site};
	static const char *const verbs[] = {
#define COMMAND(verb, argument, needs, right, during, handler, feature, help) #verb,
#include <wharf/ftp/commands.def>
#define SITE(verb, argument, right, handler, feature, help) "SITE " #verb,
#include <wharf/ftp/site.def>
	};
	static const char *const elsewhere[] = {"USER", "PASS", "ACCT", "REIN",
						"QUIT", "FEAT", "SITE"};

	(void)state;
	for (size_t v = 0; v < sizeof(verbs) / sizeof(verbs[0]); v++) {
		bool found = false;
		for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
			found = found || strcmp(elsewhere[i], verbs[v]) == 0;
		for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
			for (const char *const *line = scripts[i]; *line; line++)
				found = found || (**line == '>' && strncmp(*line + 2, verbs[v],
									   strlen(verbs[v])) == 0);
		if (!found)
			fail_msg("no script says %s", verbs[v]);
	}
}

static void
test_feat(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, SETUP{PLAIN});
	buf_reset(&w.out);
	assert_int_equal(ftp_session_input(&w.s, "FEAT\r\n", 6), 0);
	char *text = slice_dup(buf_slice(&w.out));
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

/* All of a session in one segment, byte by byte, and cut anywhere: the same replies (attacks C17).
 */
static void
test_segments(void **state)
{
	static const char all[] = "USER demo\r\nPASS secret\r\nTYPE I\r\nPASV\r\nRETR "
				  "file\r\nNOOP\r\nMKD a\rb\r\nPWD\r\nSIZE file\r\n"
				  "\xff\xf4\xff\xf2"
				  "NOOP\r\nRNFR file\r\nRNTO b\r\nQUIT\r\nNOOP\r\n";
	struct buf first = BUF_INIT;

	(void)state;
	for (size_t cut = 0; cut <= sizeof(all) - 1; cut++) {
		struct world w;
		world_init(&w, SETUP{PLAIN});
		if (cut == 0) {
			for (size_t i = 0; i < sizeof(all) - 1; i++) {
				ftp_session_input(&w.s, all + i, 1);
				world_turn(&w);
			}
		} else {
			ftp_session_input(&w.s, all, cut);
			world_turn(&w);
			ftp_session_input(&w.s, all + cut, sizeof(all) - 1 - cut);
			world_turn(&w);
		}
		assert_true(w.hung_up);
		if (cut == 0)
			buf_add_slice(&first, buf_slice(&w.out));
		assert_int_equal(w.out.len, first.len);
		assert_memory_equal(w.out.data, first.data, first.len);
		world_deinit(&w);
	}
	buf_deinit(&first);
}

/* Lines that can't be: one reply each, and the next line is understood (attacks C02, C03, C07,
 * C08). */
static void
test_bad_lines(void **state)
{
	struct world w;
	char *longest = malloc(20001);

	(void)state;
	memset(longest, 'X', 20000);
	longest[20000] = 0;
	run("u",
	    SCRIPT{HELLO, "> ", "< 500 *", "> \xe9\xe8\xff x", "< 500 *", "> NOOP", "< 200 *",
		   NULL},
	    NULL);
	run("u", SCRIPT{HELLO, "> USER a\rb", "< 501 *", "> NOOP", "< 200 *", NULL}, NULL);
	const char *script[] = {HELLO,    "> ",      "< 500 The command line is too long.",
				"> NOOP", "< 200 *", NULL};
	char *line = malloc(20010);
	snprintf(line, 20010, "> %s", longest);
	script[1] = line;
	run("u", script, NULL);
	world_init(&w, SETUP{PLAIN});
	buf_reset(&w.out);
	ftp_session_input(&w.s, "USER u\0x\r\nNOOP\r\n", 16);
	world_expect(&w, "501 *", "it");
	world_expect(&w, "200 *", "it");
	world_deinit(&w);
	free(line);
	free(longest);
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

/* The client's FIN after pipelined commands: all are answered first (attacks C22). */
static void
test_half_close(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, SETUP{PLAIN});
	ftp_session_input(&w.s, "USER demo\r\nPASS secret\r\nPWD\r\nPWD\r\n", 34);
	ftp_session_input_ended(&w.s);
	assert_false(w.hung_up);
	world_turn(&w);
	assert_true(w.hung_up);
	buf_add_byte(&w.out, 0);
	assert_non_null(strstr(w.out.data, "257"));
	world_deinit(&w);
}

/* Replies that nobody reads: commands wait, and so does the end of input; then all are answered, in
 * order, and none twice. */
/* Lines that wait for a transfer are not gone through for each byte that comes behind them; but for
 * what they need not wait for they are, when the next transfer runs. */
static void
test_long_queue(void **state)
{
	enum { LINES = 2000 };
	struct world w;

	(void)state;
	world_init(&w, SETUP{PLAIN});
	world_run(&w, SCRIPT{LOGIN, "> PASV", "< 227 *", "! hold", "> RETR file", "! connect",
			     "< 150 *", NULL});
	for (unsigned i = 0; i < LINES; i++)
		assert_int_equal(ftp_session_input(&w.s, "SYST x\r\n", 8), 0);
	size_t before = w.looks;
	for (unsigned i = 0; i < LINES; i++)
		assert_int_equal(ftp_session_input(&w.s, "N", 1), 0);
	assert_in_range(w.looks - before, 0, 4 * LINES);
	/* Nor is one that can be answered behind them overlooked. */
	world_run(&w, SCRIPT{"+ \r\nSTAT\r\n", "< 211-*", "<  From*", "<  Logged*", "<  Control*",
			     "<  TYPE*", "<  RETR: 42*", "< 211 End", NULL});
	world_deinit(&w);
}

static void
test_full(void **state)
{
	struct buf in = BUF_INIT;
	unsigned replies = 0, turns = 0;
	struct world w;

	(void)state;
	world_init(&w, SETUP{PLAIN});
	w.room = w.out.len + 500;
	for (unsigned i = 0; i < 300; i++)
		buf_add_str(&in, i % 3 ? "NOOP\r\n" : "HELP\r\n");
	assert_int_equal(ftp_session_input(&w.s, in.data, in.len), 0);
	ftp_session_input_ended(&w.s);
	do {
		assert_true(w.out.len >= w.room || w.hung_up);
		assert_true(w.out.len < w.room + 4000);
		for (size_t i = 0; i + 4 <= w.out.len; i++)
			replies += (i == 0 || w.out.data[i - 1] == '\n') &&
				   (memcmp(w.out.data + i, "200 ", 4) == 0 ||
				    memcmp(w.out.data + i, "214 ", 4) == 0);
		buf_reset(&w.out);
		turns++;
	} while (ftp_session_go_on(&w.s));
	assert_int_equal(replies, 300);
	assert_true(turns > 10);
	assert_true(w.hung_up);
	buf_deinit(&in);
	world_deinit(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),      cmocka_unit_test(test_states),
		cmocka_unit_test(test_scripts),    cmocka_unit_test(test_every_verb),
		cmocka_unit_test(test_feat),       cmocka_unit_test(test_segments),
		cmocka_unit_test(test_bad_lines),  cmocka_unit_test(test_delay),
		cmocka_unit_test(test_half_close), cmocka_unit_test(test_full),
		cmocka_unit_test(test_long_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
