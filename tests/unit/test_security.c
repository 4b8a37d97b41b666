/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* TLS in the protocol (RFC 2228, 4217, 7151), as conversations with the world of world.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script.h"

#define ASKED                            \
	SETUP                            \
	{                                \
		.tls = WORD_tls_explicit \
	}
#define HELLO   "< 220 *"
#define BEGIN   "> AUTH TLS", "< 234 *", "! tls"
#define LOGIN   "> USER demo", "< 331 *", "> PASS secret", "< 230 *"
#define PRIVATE "> PBSZ 0", "< 200 PBSZ=0", "> PROT P", "< 200 *"

/* Every command of RFC 2228 in every state. */
static const struct {
	const char *line;
	/* in clear, over TLS, logged in in clear, logged in over TLS, after PBSZ */
	int in_clear, over_tls, clear_user, user, sized;
	int unserved; /* where there is no certificate, logged in */
} states[] = {
	{"AUTH TLS", 234, 503, 503, 503, 503, 502},
	{"auth tls-c", 234, 503, 503, 503, 503, 502},
	{"AUTH ssl", 234, 503, 503, 503, 503, 502},
	{"AUTH TLS-P", 234, 503, 503, 503, 503, 502},
	{"AUTH KERBEROS_V4", 504, 503, 503, 503, 503, 502},
	{"AUTH TLS x", 504, 503, 503, 503, 503, 502},
	{"AUTH", 501, 501, 501, 501, 501, 501},
	{"PBSZ 0", 503, 200, 503, 200, 200, 502},
	{"PBSZ 4294967295", 503, 200, 503, 200, 200, 502},
	{"PBSZ 4294967296", 503, 501, 503, 501, 501, 502},
	{"PBSZ -1", 503, 501, 503, 501, 501, 502},
	{"PBSZ", 501, 501, 501, 501, 501, 501},
	{"PROT P", 503, 503, 503, 503, 200, 502},
	{"prot c", 503, 503, 503, 503, 200, 502},
	{"PROT S", 503, 503, 503, 503, 536, 502},
	{"PROT E", 503, 503, 503, 503, 536, 502},
	{"PROT X", 503, 503, 503, 503, 504, 502},
	{"PROT PP", 503, 503, 503, 503, 504, 502},
	{"PROT 0", 503, 503, 503, 503, 504, 502},
	{"PROT", 501, 501, 501, 501, 501, 501},
	{"CCC", 530, 530, 533, 534, 534, 502},
	{"CCC x", 530, 530, 501, 501, 501, 501},
	{"ADAT x", 530, 530, 503, 503, 503, 502},
	{"MIC x", 530, 530, 503, 537, 537, 502},
	{"CONF x", 530, 530, 503, 537, 537, 502},
	{"ENC x", 530, 530, 503, 537, 537, 502},
};

static void
test_states(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		char line[40], replies[6][8];
		const int codes[] = {states[i].in_clear, states[i].over_tls, states[i].clear_user,
				     states[i].user,     states[i].sized,    states[i].unserved};
		snprintf(line, sizeof(line), "> %s", states[i].line);
		for (size_t k = 0; k < 6; k++)
			snprintf(replies[k], sizeof(replies[k]), "< %d *", codes[k]);
		run_script(ASKED, SCRIPT{HELLO, line, replies[0], NULL});
		run_script(ASKED, SCRIPT{HELLO, BEGIN, line, replies[1], "! no tls", NULL});
		run_script(ASKED, SCRIPT{HELLO, LOGIN, line, replies[2], "! no tls", NULL});
		run_script(ASKED,
			   SCRIPT{HELLO, BEGIN, LOGIN, line, replies[3], "! not clear", NULL});
		run_script(ASKED, SCRIPT{HELLO, BEGIN, LOGIN, "> PBSZ 0", "< 200 *", line,
					 replies[4], "! no tls", "! not clear", NULL});
		run_script(SETUP{.tls = WORD_tls_explicit, .bare = true},
			   SCRIPT{HELLO, LOGIN, line, replies[5], "! no tls", NULL});
		run_script(SETUP{.tls = WORD_tls_off},
			   SCRIPT{HELLO, LOGIN, line, replies[5], "! no tls", NULL});
	}
}

/* Nothing that came in clear is read over TLS, nor the other way round (attacks B01). */
static void
test_injection(void **state)
{
	static const char *const pieces[] = {
		"AUTH TLS\r\nFEAT\r\n", "AUTH TLS\r\nF",    "AUTH TLS\r\n\r\n",
		"AUTH TLS\r\n\r",       "AUTH TLS\r\n\xff", "AUTH TLS\r\n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		char piece[60], queued[100];
		snprintf(piece, sizeof(piece), "+ %s", pieces[i]);
		snprintf(queued, sizeof(queued), "+ USER demo\r\nPASS no\r\n%s", pieces[i]);
		run_script(ASKED, SCRIPT{HELLO, piece, "< 421 *", "! no tls", "! gone", NULL});
		run_script(ASKED, SCRIPT{HELLO, queued, "< 331 *", "< 530 *", "< 421 *", "! no tls",
					 "! gone", NULL});
	}
	/* What came before it is answered before it. */
	run_script(ASKED,
		   SCRIPT{HELLO, "+ NOOP\r\nUSER demo\r\nPASS no\r\nAUTH TLS\r\n", "< 200 *",
			  "< 331 *", "< 530 *", "< 234 *", "! tls", "> NOOP", "< 200 *", NULL});
	run_script(ASKED,
		   SCRIPT{HELLO, "+ AUTH T", "+ LS\r", "+ \n", "< 234 *", "! tls", LOGIN, NULL});
	/* Refused, it is a command like another. */
	run_script(ASKED, SCRIPT{HELLO, "+ AUTH X\r\nNOOP\r\n", "< 504 *", "< 200 *", NULL});
	run_script(ASKED, SCRIPT{HELLO, BEGIN, LOGIN, PRIVATE, "> PASV", "< 227 *",
				 "+ RETR file\r\nAUTH TLS\r\nNOOP\r\n", "< 150 *", "< 226 *",
				 "< 503 *", "< 200 *", NULL});
	run_script(SETUP{.tls = WORD_tls_explicit, .ccc = true},
		   SCRIPT{HELLO, BEGIN, LOGIN, "+ CCC\r\nPWD\r\n", "< 421 *", "! not clear",
			  "! gone", NULL});
	run_script(ASKED, SCRIPT{HELLO, BEGIN, "+ REIN\r\nFEAT\r\n", "< 421 *", "! not clear",
				 "! gone", NULL});
}

/* What comes in clear behind the 234 is not even kept; and a time that is up says nothing. */
static void
test_handshake(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, ASKED);
	world_run(&w, SCRIPT{HELLO, "> AUTH TLS", "< 234 *", NULL});
	assert_false(ftp_session_wants_input(&w.s));
	assert_int_equal(ftp_session_input(&w.s, "FEAT\r\n", 6), -EPROTO);
	world_run(&w, SCRIPT{"! tls", "> NOOP", "< 200 *", NULL});
	world_deinit(&w);
	world_init(&w, ASKED);
	world_run(&w, SCRIPT{HELLO, "> AUTH TLS", "< 234 *", NULL});
	ftp_session_expire(&w.s, "Too late.");
	assert_true(w.hung_up && !w.graceful);
	assert_int_equal(w.out.len, 0);
	ftp_session_secured(&w.s, &(struct tls_client){SLICE_NULL});
	assert_false(w.s.secure);
	world_deinit(&w);
}

/* What was said and set on one side does not hold on the other (attacks B02). */
static void
test_carried_over(void **state)
{
	(void)state;
	run_script(ASKED, SCRIPT{HELLO, "> OPTS HASH MD5", "< 200 MD5", "> USER demo", "< 331 *",
				 "> AUTH TLS", "< 234 *", "! tls", "> PASS secret", "< 503 *",
				 "> OPTS HASH", "< 200 SHA-256", NULL});
	run_script(ASKED, SCRIPT{HELLO,           BEGIN,
				 LOGIN,           PRIVATE,
				 "> TYPE I",      "< 200 *",
				 "> CWD pub",     "< 250 *",
				 "> EPSV ALL",    "< 200 *",
				 "> EPSV",        "< 229 *",
				 "> REST 5",      "< 350 *",
				 "> REIN",        "< 220 *",
				 "! clear",       "> PASS secret",
				 "< 503 *",       "> PWD",
				 "< 530 *",       "> PBSZ 0",
				 "< 503 *",       "> PROT P",
				 "< 503 *",       BEGIN,
				 "> PROT P",      "< 503 *",
				 LOGIN,           "> RNTO x",
				 "< 503 *",       "> PWD",
				 "< 257 \"/\" *", "> RETR file",
				 "< 425 *",       "> PASV",
				 "< 501 *",       "> EPSV",
				 "< 229 *",       "! tickets 1",
				 "> RETR file",   "< 150 Opening data connection.",
				 "< 226 *",       "! bare",
				 "> TYPE I",      "< 200 *",
				 "> EPSV",        "< 229 *",
				 "> RETR file",   "< 150 *(1000 bytes).",
				 "< 226 *",       NULL});
	run_script(ASKED, SCRIPT{HELLO, BEGIN, LOGIN, PRIVATE, "> REIN", "< 220 *", "! clear",
				 LOGIN, "> PASV", "< 227 *", "! tickets 0", "> RETR file",
				 "< 150 *", "< 226 *", "! bare", NULL});
	/* The count of failures is not made new by AUTH or REIN. */
	run_script(ASKED, SCRIPT{HELLO,         "> USER demo",    "< 331 *",
				 "> PASS no",   "< 530 *",        "! delayed 1000",
				 BEGIN,         "> USER demo",    "< 331 *",
				 "> PASS no",   "< 530 *",        "! delayed 2000",
				 "> REIN",      "< 220 *",        "! clear",
				 "> USER demo", "< 331 *",        "> PASS no",
				 "< 421 *",     "! delayed 4000", "! gone",
				 NULL});
}

/* What each word of require_tls lets through. */
static const struct {
	int word;
	bool login, control, data; /* what it wants protected */
} required[] = {
	{WORD_require_tls_off, false, false, false},   {WORD_require_tls_login, true, false, false},
	{WORD_require_tls_control, true, true, false}, {WORD_require_tls_data, false, false, true},
	{WORD_require_tls_all, true, true, true},
};

static void
test_required(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		const struct setup setup = {.tls = WORD_tls_explicit,
					    .require = required[i].word,
					    .final = required[i].word,
					    .ccc = true};
		bool data = required[i].data;
		if (required[i].login)
			run_script(&setup,
				   SCRIPT{HELLO, "> USER demo", "< 530 *AUTH TLS*", "> USER nobody",
					  "< 530 *AUTH TLS*", "> PASS secret", "< 503 *", "> NOOP",
					  "< 200 *", BEGIN, LOGIN, NULL});
		else
			run_script(&setup, SCRIPT{HELLO, LOGIN, NULL});
		run_script(&setup,
			   SCRIPT{HELLO, BEGIN, LOGIN, "> PBSZ 0", "< 200 *", "> PASV", "< 227 *",
				  "> RETR file", data ? "< 521 *" : "< 150 *",
				  data ? "> PROT P" : "< 226 *", data ? "< 200 *" : NULL,
				  "> RETR file", "< 150 *", "< 226 *", "! protected", NULL});
		run_script(&setup,
			   SCRIPT{HELLO, BEGIN, LOGIN, PRIVATE, "> PROT C",
				  data ? "< 534 *" : "< 200 *", "> PASV", "< 227 *", "> STOR x",
				  "< 150 *", "< 226 *", data ? "! protected" : "! bare", NULL});
		/* Before the login the listener's word counts. */
		run_script(&setup, SCRIPT{HELLO, BEGIN, "> PBSZ 0", "< 200 *", "> PROT C",
					  data ? "< 534 *" : "< 200 *", NULL});
		run_script(&setup, SCRIPT{HELLO, BEGIN, LOGIN, "> CCC",
					  required[i].control ? "< 534 *" : "< 200 *",
					  required[i].control ? "! not clear" : "! clear", "> PWD",
					  "< 257 *", NULL});
	}
}

/* A user's own block says more, or less, than the listener; groups are known after the login. */
static void
test_required_of_users(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		bool login = required[i].login;
		const struct setup block = {.tls = WORD_tls_explicit,
					    .block = required[i].word + 1};
		const struct setup over = {.tls = WORD_tls_explicit,
					   .require = WORD_require_tls_all,
					   .block = required[i].word + 1};
		const struct setup group = {.tls = WORD_tls_explicit, .final = required[i].word};
		const char *said = login ? "< 530 *AUTH TLS*" : "< 331 *";
		run_script(&block,
			   SCRIPT{HELLO, "> USER other", "< 331 *", "> USER demo", said, NULL});
		run_script(&over,
			   SCRIPT{HELLO, "> USER other", "< 530 *", "> USER demo", said, NULL});
		run_script(&group,
			   SCRIPT{HELLO, "> USER demo", "< 331 *", "> PASS secret",
				  login ? "< 530 *AUTH TLS*" : "< 230 *", "> PWD",
				  login ? "< 530 *" : "< 257 *", "> PASS secret", "< 503 *", NULL});
		run_script(&group, SCRIPT{HELLO, BEGIN, LOGIN, "> PWD", "< 257 *", NULL});
	}
	/* The one who is refused by his group is forgotten by the world too. */
	struct world w;
	world_init(&w, SETUP{.tls = WORD_tls_explicit, .final = WORD_require_tls_login});
	world_run(&w, SCRIPT{HELLO, "> USER demo", "< 331 *", "> PASS secret", "< 530 *", NULL});
	assert_int_equal(w.logouts, 1);
	assert_int_equal(w.s.failures, 0);
	world_deinit(&w);
	/* Every command with a data connection. */
#define COMMAND(verb, argument, needs, right, during, handler, feature, help)                    \
	if (strcmp(#needs, "DATA") == 0)                                                         \
		run_script(SETUP{.tls = WORD_tls_explicit, .final = WORD_require_tls_data},      \
			   SCRIPT{HELLO, LOGIN, "> PASV", "< 227 *", "> " #verb " x", "< 521 *", \
				  NULL});
#include <wharf/ftp/commands.def>
}

static void
test_implicit(void **state)
{
	const struct setup setup = {.tls = WORD_tls_implicit, .require = WORD_require_tls_all};
	struct world w;

	(void)state;
	world_init(&w, &setup);
	assert_int_equal(w.out.len, 0);
	assert_false(ftp_session_wants_input(&w.s));
	world_run(&w, SCRIPT{"! tls",   HELLO,         "> AUTH TLS",  "< 503 *",     LOGIN,
			     "> PASV",  "< 227 *",     "! tickets 1", "> RETR file", "< 150 *",
			     "< 226 *", "! protected", "> PROT P",    "< 503 *",     PRIVATE,
			     "> REIN",  "< 220 *",     "! not clear", "> PROT P",    "< 503 *",
			     LOGIN,     "> PASV",      "< 227 *",     "> RETR file", "< 150 *",
			     "< 226 *", "! protected", NULL});
	world_deinit(&w);
	/* Without a certificate there is nothing to be said. */
	world_init(&w, SETUP{.tls = WORD_tls_implicit, .bare = true});
	assert_int_equal(w.out.len, 0);
	assert_true(w.hung_up && !w.graceful && !w.securing);
	world_deinit(&w);
	/* The certificate stays, as TLS does. */
	run_script(SETUP{.tls = WORD_tls_implicit, .no_password = true},
		   SCRIPT{"! tls till7", HELLO, "> USER till7", "< 232 *", "> REIN", "< 220 *",
			  "> USER till7", "< 232 *", NULL});
}

static void
test_ccc(void **state)
{
	(void)state;
	run_script(SETUP{.tls = WORD_tls_explicit, .ccc = true},
		   SCRIPT{HELLO,         BEGIN,
			  "> CCC",       "< 530 *",
			  LOGIN,         PRIVATE,
			  "> CCC",       "< 200 *",
			  "! clear",     "> CCC",
			  "< 533 *",     "> AUTH TLS",
			  "< 503 *",     "> PBSZ 0",
			  "< 503 *",     "> MIC x",
			  "< 503 *",     "> STAT",
			  "< 211-*",     "<  *",
			  "<  *",        "<  Control connection clear, data connections over TLS",
			  "<  *",        "<  *",
			  "< 211 *",     "> PASV",
			  "< 227 *",     "! tickets 0",
			  "> RETR file", "< 150 *",
			  "< 226 *",     "! protected",
			  "> PROT C",    "< 200 *",
			  "> PASV",      "< 227 *",
			  "> RETR file", "< 150 *",
			  "< 226 *",     "! bare",
			  "> REIN",      "< 220 *",
			  "! not clear", "> PROT P",
			  "< 503 *",     BEGIN,
			  LOGIN,         NULL});
	run_script(SETUP{.tls = WORD_tls_explicit,
			 .ccc = true,
			 .require = WORD_require_tls_login,
			 .final = WORD_require_tls_login},
		   SCRIPT{HELLO, BEGIN, LOGIN, "> CCC", "< 200 *", "! clear", "> PWD", "< 257 *",
			  "> REIN", "< 220 *", "> USER demo", "< 530 *", NULL});
	/* Whom the certificate named is forgotten with it. */
	run_script(SETUP{.tls = WORD_tls_explicit, .ccc = true, .no_password = true},
		   SCRIPT{HELLO, "> AUTH TLS", "< 234 *", "! tls till7", "> USER till7", "< 232 *",
			  "> CCC", "< 200 *", "! clear", "> REIN", "< 220 *", "> USER till7",
			  "< 331 *", "> PASS no", "< 530 *", NULL});
}

static void
test_data(void **state)
{
	static const struct {
		enum transfer_end end;
		const char *reply;
	} ends[] = {
		{TRANSFER_COMPLETE, "< 226 *"},
		{TRANSFER_TRUNCATED, "< 426 *close_notify*"},
		{TRANSFER_TLS_FAILED, "< 522 *"},
		{TRANSFER_TLS_REFUSED, "< 522 *resume*"},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		run_script(SETUP{.tls = WORD_tls_explicit, .end = ends[i].end},
			   SCRIPT{HELLO, BEGIN, LOGIN, PRIVATE, "> PASV", "< 227 *", "> STOR new",
				  "< 150 *", ends[i].reply, "> NOOP", "< 200 *", NULL});
	/* A ticket for each data connection that is prepared, and only then. */
	run_script(ASKED, SCRIPT{HELLO,
				 BEGIN,
				 LOGIN,
				 "> PASV",
				 "< 227 *",
				 "! tickets 0",
				 PRIVATE,
				 "> PASV",
				 "< 227 *",
				 "! tickets 1",
				 "> EPSV",
				 "< 229 *",
				 "! tickets 1",
				 "> PORT 127,0,0,1,200,0",
				 "< 200 *",
				 "! tickets 1",
				 "> EPRT |1|127.0.0.1|50000|",
				 "< 200 *",
				 "! tickets 1",
				 "> PORT 127,0,0,2,200,0",
				 "< 501 *",
				 "> EPSV 2",
				 "< 522 *",
				 "> EPRT x",
				 "< 501 *",
				 "> EPSV ALL",
				 "< 200 *",
				 "> PASV",
				 "< 501 *",
				 "! tickets 0",
				 NULL});
	/* AUTH SSL and TLS-P are PROT P, too, until PROT says another. */
	run_script(ASKED, SCRIPT{HELLO,     "> AUTH SSL",  "< 234 *",     "! tls",       LOGIN,
				 "> PASV",  "< 227 *",     "! tickets 1", "> RETR file", "< 150 *",
				 "< 226 *", "! protected", "> PBSZ 0",    "< 200 *",     "> PROT C",
				 "< 200 *", "> PASV",      "< 227 *",     "> RETR file", "< 150 *",
				 "< 226 *", "! bare",      NULL});
	/* The target is cut by the world, after the handshake. */
	world_init(&w, ASKED);
	world_run(&w, SCRIPT{HELLO, BEGIN, LOGIN, NULL});
	world_run(&w,
		  SCRIPT{PRIVATE, "> PASV", "< 227 *", "> STOR file", "< 150 *", "< 226 *", NULL});
	assert_true(w.plan.cut && w.plan.protect);
	assert_int_equal(w.plan.offset, 0);
	world_run(&w, SCRIPT{"> TYPE I", "< 200 *", "> PASV", "< 227 *", "> RANG 0 9", "< 350 *",
			     "> STOR file", "< 150 *", "< 226 *", NULL});
	assert_false(w.plan.cut);
	assert_int_equal(w.plan.length, 10);
	world_run(&w, SCRIPT{"> PASV", "< 227 *", "> APPE file", "< 150 *", "< 226 *", NULL});
	assert_false(w.plan.cut);
	assert_int_equal(w.plan.offset, 1000);
	world_deinit(&w);
}

#define CERTIFIED "> AUTH TLS", "< 234 *", "! tls till7"

static void
test_certificates(void **state)
{
	const struct setup both = {
		.tls = WORD_tls_explicit, .sources = "upa", .says = AUTH_UNKNOWN};
	const struct setup alone = {.tls = WORD_tls_explicit,
				    .sources = "uap",
				    .says = AUTH_UNKNOWN,
				    .no_password = true};

	(void)state;
	/* The certificate and the password; nobody else; not anonymous either. */
	run_script(&both,
		   SCRIPT{HELLO, CERTIFIED, "> USER till7", "< 331 *", "> PASS no", "< 530 *",
			  "> USER till7", "< 331 *", "> PASS secret", "< 230 *", NULL});
	run_script(&both, SCRIPT{HELLO, CERTIFIED, "> USER anonymous", "< 530 Login incorrect.",
				 "! delayed 1000", "> PASS x", "< 503 *", "> USER demo", "< 530 *",
				 "! delayed 2000", "> USER Till7", "< 421 *", "! gone", NULL});
	/* The certificate alone: sources are asked in their order. */
	run_script(&alone, SCRIPT{HELLO, CERTIFIED, "> USER till7", "< 232 *", "! asked p till7",
				  "> PASS x", "< 503 *", "> PWD", "< 257 *", "> USER till7",
				  "< 503 *", NULL});
	run_script(SETUP{.tls = WORD_tls_explicit, .no_password = true},
		   SCRIPT{HELLO, CERTIFIED, "> USER till7", "< 232 *", "! asked u till7", NULL});
	run_script(&alone, SCRIPT{HELLO, CERTIFIED, "> USER demo", "< 530 *", "! delayed 1000",
				  "! asked ", NULL});
	/* A source that says no ends it, and one after the other that knows nothing too. */
	run_script(SETUP{.tls = WORD_tls_explicit,
			 .sources = "up",
			 .says = AUTH_NO,
			 .no_password = true},
		   SCRIPT{HELLO, CERTIFIED, "> USER till7", "< 530 Login incorrect.",
			  "! asked u till7", "! delayed 1000", "> PASS x", "< 503 *", NULL});
	run_script(SETUP{.tls = WORD_tls_explicit, .says = AUTH_UNKNOWN, .no_password = true},
		   SCRIPT{HELLO, CERTIFIED, "> USER till7", "< 530 Login incorrect.", NULL});
	/* Names that no source may see, and one that needs no proof. */
	run_script(&alone, SCRIPT{HELLO, "> AUTH TLS", "< 234 *", "! tls a b", "> USER a b",
				  "< 530 Login incorrect.", "! asked ", NULL});
	run_script(&alone, SCRIPT{HELLO, "> AUTH TLS", "< 234 *", "! tls anonymous",
				  "> USER anonymous", "< 331 *", "> PASS x", "< 230 *", NULL});
	/* Without a certificate all is as without the option. */
	run_script(&alone, SCRIPT{HELLO, BEGIN, LOGIN, NULL});
}

static void
test_host(void **state)
{
	(void)state;
	run_script(ASKED,
		   SCRIPT{HELLO, "> HOST ftp.example", "< 220 *", "! host ftp.example",
			  "> HOST nobody.example", "< 504 *", "! host ftp.example", "> HOST [::1]",
			  "< 220 *", "! host [::1]", "> HOST 127.0.0.1", "< 220 *", "> HOST a/b",
			  "< 501 *", "> HOST a b", "< 501 *", "> HOST", "< 501 *",
			  "! host 127.0.0.1",
			  /* A port is none of HOST's, and IPv6 stands in brackets. */
			  "> HOST ftp.example:21", "< 501 *", "> HOST [::1]:21", "< 501 *",
			  "> HOST ::1", "< 501 *", "> HOST [ftp.example]", "< 501 *",
			  "> HOST [::1%lo]", "< 501 *", "> HOST []", "< 501 *", "> HOST -a.example",
			  "< 501 *", "> HOST a-.example", "< 501 *", "> HOST a..example", "< 501 *",
			  "> HOST .example", "< 501 *", "> HOST .", "< 501 *", "> HOST [::1].",
			  "< 501 *", "! host 127.0.0.1", "> HOST a_b.FTP-1.example.", "< 220 *",
			  "! host a_b.FTP-1.example", "> HOST 127.0.0.1", "< 220 *", BEGIN,
			  "! host 127.0.0.1", "> HOST ftp.example", "< 220 *", "> USER demo",
			  "< 331 *", "> HOST a", "< 503 *", "> PASS secret", "< 230 *", "> HOST a",
			  "< 503 *", "! host ftp.example", "> REIN", "< 220 *", "! host ",
			  "> HOST ftp.example", "< 220 *", NULL});
}

/* FEAT tells of TLS first, and only where it is served; STAT tells what holds. */
static void
test_told(void **state)
{
	static const char first[] = "211-Features:\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n HOST\r\n";
	struct world w;

	(void)state;
	for (int bare = 0; bare < 2; bare++) {
		world_init(&w, SETUP{.tls = WORD_tls_explicit, .bare = bare});
		buf_reset(&w.out);
		assert_int_equal(ftp_session_input(&w.s, "FEAT\r\n", 6), 0);
		assert_int_equal(slice_starts(buf_slice(&w.out), SLICE(first)), !bare);
		buf_add_byte(&w.out, 0);
		assert_int_equal(strstr(w.out.data, "AUTH") != NULL, !bare);
		assert_int_equal(strstr(w.out.data, "PBSZ") != NULL, !bare);
		assert_int_equal(strstr(w.out.data, "PROT") != NULL, !bare);
		world_deinit(&w);
	}
	run_script(ASKED, SCRIPT{HELLO,
				 BEGIN,
				 LOGIN,
				 "> STAT",
				 "< 211-*",
				 "<  *",
				 "<  *",
				 "<  Control connection over TLS, data connections clear",
				 "<  *",
				 "<  *",
				 "< 211 *",
				 PRIVATE,
				 "> STAT",
				 "< 211-*",
				 "<  *",
				 "<  *",
				 "<  Control connection over TLS, data connections over TLS",
				 "<  *",
				 "<  *",
				 "< 211 *",
				 NULL});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),    cmocka_unit_test(test_injection),
		cmocka_unit_test(test_handshake), cmocka_unit_test(test_carried_over),
		cmocka_unit_test(test_required),  cmocka_unit_test(test_required_of_users),
		cmocka_unit_test(test_implicit),  cmocka_unit_test(test_ccc),
		cmocka_unit_test(test_data),      cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_host),      cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
