/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What becomes of uploads: how they are opened, what room is reserved, which ends publish and which
 * keep, and when 226 is said; with the world of world.h, whose trace tells what was asked of it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "uploads.h"

static char *
text(char *out, size_t n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, n, fmt, ap);
	va_end(ap);
	return out;
}

/* How each kind of upload is opened, what is reserved for it, where it is written, and how it is
 * committed. */
static const struct {
	const char *prepare, *command;
	bool may_overwrite;
	unsigned how;
	const char *reserved, *received, *committed;
} kinds[] = {
	{"NOOP", "STOR new", true, OPEN_CREATE | OPEN_WHOLE, "1048576 1 1 0", "0 -1 0",
	 "3 644 /new"},
	{"NOOP", "STOR file", true, OPEN_CREATE | OPEN_WHOLE, "1048576 1 0 1", "0 -1 0",
	 "3 644 /file"},
	{"NOOP", "STOR part", true, OPEN_CREATE | OPEN_WHOLE, "1048576 1 1 0", "0 -1 0",
	 "3 644 /part"},
	/* Who may not overwrite goes on with his own part all the same. */
	{"NOOP", "STOR new", false, OPEN_CREATE | OPEN_WHOLE | OPEN_EXCLUSIVE, "1048576 1 1 0",
	 "0 -1 0", "1 644 /new"},
	{"REST 400", "STOR part", false, OPEN_EXCLUSIVE, "1048576 1 0 0", "400 -1 0",
	 "1 644 /part"},
	{"REST 100", "STOR part", true, 0, "1048576 1 0 0", "100 -1 1", "3 644 /part"},
	{"REST 400", "STOR half", true, 0, "1048576 1 0 1", "400 -1 0", "3 644 /half"},
	{"REST 1000", "STOR file", true, 0, "1048576 1 0 1", "1000 -1 0", "3 644 /file"},
	{"RANG 0 9", "STOR part", true, OPEN_CREATE, "1048576 1 0 0", "0 10 0", "3 644 /part"},
	{"RANG 400 409", "STOR part", true, 0, "1048576 1 0 0", "400 10 0", "3 644 /part"},
	{"NOOP", "APPE part", true, OPEN_CREATE, "1048576 1 0 0", "400 -1 0", "3 644 /part"},
	{"REST 7", "APPE file", true, OPEN_CREATE, "1048576 1 0 1", "1000 -1 0", "3 644 /file"},
	{"ALLO 10", "STOR new", true, OPEN_CREATE | OPEN_WHOLE, "1048576 10 1 0", "0 -1 0",
	 "3 644 /new"},
	{"ALLO 10 R 512", "STOR new", true, OPEN_CREATE | OPEN_WHOLE, "1048576 10 1 0", "0 -1 0",
	 "3 644 /new"},
	{"ALLO 410", "APPE part", true, OPEN_CREATE, "1048576 10 0 0", "400 -1 0", "3 644 /part"},
	{"ALLO 300", "APPE part", true, OPEN_CREATE, "1048576 1 0 0", "400 -1 0", "3 644 /part"},
	{"SITE UMASK 077", "STOU", true, OPEN_CREATE | OPEN_UNIQUE | OPEN_EXCLUSIVE,
	 "1048576 1 1 0", "0 -1 0", "1 600 /ftp.unique"},
};

static void
test_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char lines[6][80];
		struct world w;
		const char *path = strchr(kinds[i].committed, '/');
		bool unique = kinds[i].how & OPEN_UNIQUE;

		text(lines[0], sizeof(lines[0]), "> %s", kinds[i].prepare);
		text(lines[1], sizeof(lines[1]), "> %s", kinds[i].command);
		text(lines[2], sizeof(lines[2]), "= open %u %s",
		     kinds[i].how | OPEN_WRITE | OPEN_STAGE, unique ? "/" : path);
		text(lines[3], sizeof(lines[3]), "= reserve %s", kinds[i].reserved);
		text(lines[4], sizeof(lines[4]), "= receive %s 0 1 -1", kinds[i].received);
		text(lines[5], sizeof(lines[5]), "= commit %s .wharfd-stage crc32:01ab",
		     kinds[i].committed);
		world_init(&w, SETUP{STAGED, .tell_digests = true});
		if (!kinds[i].may_overwrite)
			w.user.rights &= ~(uint64_t)RIGHT(overwrite);
		world_run(&w,
			  SCRIPT{BINARY, lines[0], "< ??? *", lines[1], "< 150 *", "< 226 *",
				 lines[2], lines[3], lines[4], lines[5],
				 "= log * fin 1 * crc32:01ab 0", "> RETR file", "< 425 *", NULL});
		world_deinit(&w);
	}
}

/* Before 150: what was opened is given back, what is new is discarded. */
static void
test_refused(void **state)
{
	static const struct {
		struct setup setup;
		const char *prepare, *command, *reply, *kept;
	} rows[] = {
		{{STAGED, .open_error = EBUSY}, "NOOP", "APPE part", "450 *", NULL},
		{{STAGED, .open_error = EPERM}, "NOOP", "STOR file", "550 *", NULL},
		{{STAGED, .open_error = EACCES}, "NOOP", "STOR file", "553 *", NULL},
		{{STAGED, .open_error = ENOSPC}, "NOOP", "STOR file", "452 *", NULL},
		{{STAGED, .open_error = EDQUOT}, "NOOP", "STOR file", "552 *", NULL},
		{{STAGED}, "REST 5", "STOR new", "554 *", NULL},
		{{STAGED}, "REST 401", "STOR part", "554 *", "keep /part .wharfd-stage"},
		{{STAGED}, "REST 401", "STOR half", "554 *", "keep /half .wharfd-stage"},
		{{STAGED}, "REST 1001", "STOR file", "554 *", "discard /file .wharfd-stage"},
		{{STAGED}, "NOOP", "STOR .wharfd-x", "553 *", "!"},
		{{STAGED}, "NOOP", "STOR pub/.wharfd-x/y", "553 *", "!"},
		{{STAGED}, "NOOP", "APPE .wharfd-stage", "553 *", "!"},
	};
	static const struct {
		int error;
		const char *command, *reply, *logged, *kept;
	} quotas[] = {
		{EDQUOT, "STOR new", "552 *", "= log STOR /new quota 0 *",
		 "discard /new .wharfd-stage"},
		{EDQUOT, "APPE part", "552 *", "= log APPE /part quota 0 *",
		 "keep /part .wharfd-stage"},
		{EIO, "STOR new", "451 *", NULL, "discard /new .wharfd-stage"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char lines[4][80];
		const char *kept = rows[i].kept;
		bool asks = !kept || kept[0] != '!';
		text(lines[0], sizeof(lines[0]), "> %s", rows[i].prepare);
		text(lines[1], sizeof(lines[1]), "> %s", rows[i].command);
		text(lines[2], sizeof(lines[2]), "< %s", rows[i].reply);
		text(lines[3], sizeof(lines[3]), "= %s", kept ? kept : "");
		run_script(&rows[i].setup,
			   SCRIPT{BINARY, lines[0], "< ??? *", lines[1], lines[2],
				  asks ? "= open *" : "! no tls", asks ? "= release" : NULL,
				  kept && asks ? lines[3] : NULL, NULL});
	}
	for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
		char lines[3][80];
		text(lines[0], sizeof(lines[0]), "> %s", quotas[i].command);
		text(lines[1], sizeof(lines[1]), "< %s", quotas[i].reply);
		text(lines[2], sizeof(lines[2]), "= %s", quotas[i].kept);
		if (quotas[i].logged)
			run_script(SETUP{STAGED, .reserve_error = quotas[i].error},
				   SCRIPT{BINARY, lines[0], lines[1], "= open *", "= reserve *",
					  quotas[i].logged, "= release", lines[2], "> NOOP",
					  "< 200 *", NULL});
		else
			run_script(SETUP{STAGED, .reserve_error = quotas[i].error},
				   SCRIPT{BINARY, lines[0], lines[1], "= open *", "= reserve *",
					  "= release", lines[2], "> NOOP", "< 200 *", NULL});
	}
}

/* What each end comes to: with the default of publish, and with nothing but that word in it. */
static const struct {
	enum transfer_end end;
	bool secure;
	bool publishes; /* by default */
	int word;       /* of publish; -1 for none */
	const char *name, *reply;
	bool discards;
} ends[] = {
	{TRANSFER_COMPLETE, false, true, WORD_verdict_fin, "fin", "226 *", false},
	{TRANSFER_COMPLETE, true, true, WORD_verdict_close_notify, "close-notify", "226 *", false},
	{TRANSFER_ABORTED, false, false, WORD_verdict_abor, "abor", "426 *", false},
	{TRANSFER_RESET, false, false, WORD_verdict_reset, "reset", "426 *", false},
	{TRANSFER_STALLED, false, false, WORD_verdict_timeout, "timeout", "426 *", false},
	{TRANSFER_SHUT_DOWN, false, false, WORD_verdict_shutdown, "shutdown", "426 *", false},
	{TRANSFER_TRUNCATED, true, false, WORD_verdict_no_close_notify, "no-close-notify", "426 *",
	 false},
	{TRANSFER_FILE_ERROR, false, false, -1, "disk-full", "452 *", true},
	{TRANSFER_QUOTA, false, false, -1, "quota", "552 *", true},
	{TRANSFER_TLS_FAILED, true, false, -1, "tls-failed", "522 *", false},
	{TRANSFER_TLS_REFUSED, true, false, -1, "tls-refused", "522 *", false},
};

#define OVER_TLS "> AUTH TLS", "< 234 *", "! tls"
#define PRIVATE  "> PBSZ 0", "< 200 *", "> PROT P", "< 200 *"

/* One upload that ends so, under that setup; what: of the last question, a pattern. */
static void
run_end(size_t i, struct setup setup, const char *reply, const char *what, bool published)
{
	char lines[4][80];
	struct world w;

	setup.tls = WORD_tls_explicit;
	text(lines[0], sizeof(lines[0]), "! end %d", (int)ends[i].end);
	text(lines[1], sizeof(lines[1]), "< %s", reply);
	text(lines[2], sizeof(lines[2]), "= %s /new *", what);
	text(lines[3], sizeof(lines[3]), "= log STOR /new %s %d 10 * %d", ends[i].name, published,
	     ends[i].end == TRANSFER_FILE_ERROR ? -ENOSPC : 0);
	world_init(&w, &setup);
	if (ends[i].secure)
		world_run(&w, SCRIPT{"< 220 *", OVER_TLS, "> USER demo", "< 331 *", "> PASS secret",
				     "< 230 *", PRIVATE, NULL});
	else
		world_run(&w, SCRIPT{LOGIN, NULL});
	world_run(&w, SCRIPT{"> PASV", "< 227 *", lines[0], "> STOR new", "< 150 *", lines[1],
			     "= open *", "= reserve *", "= receive *", NULL});
	/* A commit is logged when it is answered. */
	world_run(&w, SCRIPT{published ? lines[2] : lines[3], published ? lines[3] : lines[2],
			     "> NOOP", "< 200 *", NULL});
	world_deinit(&w);
}

static void
test_ends(void **state)
{
	const struct setup usual = {.traced = true, .durability = WORD_durability_sync};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const char *kept = ends[i].discards ? "discard" : "keep";
		struct setup odd = usual;
		run_end(i, usual, ends[i].reply, ends[i].publishes ? "commit 3 644" : kept,
			ends[i].publishes);
		/* Published or not, what is said of a broken end is the same. */
		odd.publish = ends[i].word >= 0 ? 1ULL << ends[i].word : 1ULL << 63;
		run_end(i, odd, ends[i].reply, ends[i].word >= 0 ? "commit 3 644" : kept,
			ends[i].word >= 0);
		odd.publish = ~(ends[i].word >= 0 ? 1ULL << ends[i].word : 0);
		run_end(i, odd, ends[i].publishes ? "451 *" : ends[i].reply, kept, false);
	}
}

/* Fewer bytes than ALLO said; with TYPE A either count will do. */
static void
test_short(void **state)
{
	static const struct {
		const char *type, *allo, *reply, *log;
		bool whole;
	} rows[] = {
		{"TYPE I", "ALLO 10", "226 *", "fin 1", true},
		{"TYPE I", "ALLO 9", "226 *", "fin 1", true},
		{"TYPE I", "ALLO 11", "451 *", "short 0", false},
		{"TYPE A", "ALLO 10", "226 *", "fin 1", true},
		{"TYPE A", "ALLO 11", "451 *", "short 0", false},
		{"TYPE I", "ALLO 0", "226 *", "fin 1", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char lines[4][80];
		text(lines[0], sizeof(lines[0]), "> %s", rows[i].type);
		text(lines[1], sizeof(lines[1]), "> %s", rows[i].allo);
		text(lines[2], sizeof(lines[2]), "< %s", rows[i].reply);
		text(lines[3], sizeof(lines[3]), "= log STOR /new %s 10 * 0", rows[i].log);
		/* It is for one upload only: the next one has none. */
		run_script(SETUP{STAGED},
			   SCRIPT{LOGIN,
				  lines[0],
				  "< 200 *",
				  lines[1],
				  "< 200 *",
				  "> PASV",
				  "< 227 *",
				  "> STOR new",
				  "< 150 *",
				  lines[2],
				  "= open *",
				  "= reserve *",
				  "= receive *",
				  rows[i].whole ? "= commit *" : lines[3],
				  rows[i].whole ? lines[3] : "= keep /new .wharfd-stage",
				  "> PASV",
				  "< 227 *",
				  "> STOR new",
				  "< 150 *",
				  "< 226 *",
				  "= open *",
				  "= reserve 1048576 1 1 0",
				  "= receive *",
				  "= commit *",
				  "= log * fin 1 *",
				  NULL});
	}
	/* Where the verdict publishes, it is still no success. */
	run_script(SETUP{STAGED, .publish = 1 << WORD_verdict_short},
		   SCRIPT{BINARY, "> ALLO 11", "< 200 *", "> STOR new", "< 150 *", "< 451 *",
			  "= open *", "= reserve *", "= receive *", "= commit *",
			  "= log STOR /new short 1 *", NULL});
	/* A disk that is full is told by another code to who had said how much comes. */
	run_script(SETUP{STAGED},
		   SCRIPT{BINARY, "> ALLO 10", "< 200 *", "! end 4", "> STOR new", "< 150 *",
			  "< 552 *", "= open *", "= reserve *", "= receive *",
			  "= log * disk-full 0 *", "= discard *", NULL});
	/* Nor may he go on with a part that a sync has failed for, wherever he began; else he may.
	 */
	for (int lost = 0; lost <= 1; lost++)
		run_script(SETUP{STAGED, .lost = lost},
			   SCRIPT{BINARY, "> REST 5", "< 350 *", "! end 4", "> STOR file",
				  "< 150 *", "< 452 *", "= open *", "= reserve *", "= receive 5 *",
				  "= log * disk-full 0 *", lost ? "= discard *" : "= keep *",
				  NULL});
	/* What ALLO was refused, PASV and TYPE change nothing; an ABOR does. */
	run_script(SETUP{STAGED}, SCRIPT{BINARY,        "> ALLO 11",
					 "< 200 *",     "> ABOR",
					 "< 225 *",     "> PASV",
					 "< 227 *",     "> STOR new",
					 "< 150 *",     "< 226 *",
					 "= open *",    "= reserve 1048576 1 *",
					 "= receive *", "= commit *",
					 "= log *",     "> ALLO 11",
					 "< 200 *",     "> ALLO 6000",
					 "< 552 *",     "> PASV",
					 "< 227 *",     "> STOR new",
					 "< 150 *",     "< 226 *",
					 "= open *",    "= reserve 1048576 1 *",
					 "= receive *", "= commit *",
					 "= log *",     "> ALLO 12",
					 "< 200 *",     "> REST 0",
					 "< 350 *",     "> TYPE I",
					 "< 200 *",     "> PASV",
					 "< 227 *",     "> STOR new",
					 "< 150 *",     "< 451 *",
					 "= open *",    "= reserve 1048576 12 *",
					 "= receive *", "= log *",
					 "= keep *",    NULL});
}

/* A commit that fails: never 226. */
static void
test_commit_fails(void **state)
{
	static const struct {
		int error;
		const char *reply;
	} rows[] = {
		{EIO, "< 451 *"},    {ENOSPC, "< 452 *"}, {EDQUOT, "< 552 *"},
		{EEXIST, "< 553 *"}, {EPERM, "< 550 *"},  {EACCES, "< 553 *"},
		{EBUSY, "< 450 *"},  {EFBIG, "< 552 *"},  {EPROTO, "< 451 *"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char log[60];
		text(log, sizeof(log), "= log STOR /file fin 0 10 * %d", rows[i].error);
		run_script(SETUP{STAGED, .commit_error = rows[i].error},
			   SCRIPT{BINARY, "> STOR file", "< 150 *", rows[i].reply, "= open *",
				  "= reserve *", "= receive *", "= commit *", log, "> NOOP",
				  "< 200 *", NULL});
	}
}

/* ABOR at every step; what is said is said once, and nothing is published that was not whole. */
static void
test_abor(void **state)
{
	const char *const *const scripts[] = {
		/* while the data connection is awaited */
		SCRIPT{BINARY, "! hold all", "> STOR new", "> ABOR", "< 426 *", "< 226 *", NULL},
		/* while it is opened */
		SCRIPT{BINARY, "! hold all", "> STOR new", "! connect", "= open *", "> ABOR",
		       "! answer", "< 426 *", "< 226 *", "= release", "= discard /new *", NULL},
		SCRIPT{BINARY, "! hold all", "> APPE part", "! connect", "= open *", "> ABOR",
		       "! answer", "< 426 *", "< 226 *", "= release", "= keep /part *", NULL},
		/* while room is reserved */
		SCRIPT{BINARY, "! hold all", "> STOR new", "! connect", "! answer", OPENED,
		       "> ABOR", "> ABOR", "! reserved", "< 426 *", "< 226 *", "< 226 *",
		       "= release", "= discard /new *", NULL},
		/* while it runs: the part is kept, and only then all is told */
		SCRIPT{BINARY,
		       "! hold",
		       "> STOR new",
		       "! connect",
		       "! answer",
		       "! reserved",
		       "< 150 *",
		       OPENED,
		       "= receive *",
		       "! hold all",
		       "> STAT",
		       "< 211-*",
		       "<  *",
		       "<  *",
		       "<  *",
		       "<  *",
		       "<  STOR: 42 bytes so far",
		       "< 211 *",
		       "> ABOR",
		       "! transferred",
		       "= log STOR /new abor 0 *",
		       "= keep /new *",
		       "> NOOP",
		       "> STAT",
		       "! answer",
		       "< 426 *",
		       "< 226 *",
		       "< 200 *",
		       "< 211-*",
		       "<  *",
		       "<  *",
		       "<  *",
		       "<  *",
		       "<  No data*",
		       "< 211 *",
		       NULL},
		/* while it is committed: too late */
		SCRIPT{BINARY,       "! hold",        "> STOR new",
		       "! connect",  "! answer",      "! reserved",
		       "< 150 *",    OPENED,          "= receive *",
		       "! hold all", "! transferred", "= commit *",
		       "> ABOR",     "> QUIT",        "! answer",
		       "< 226 *",    "< 226 *",       "= log STOR /new fin 1 *",
		       "< 221 *",    "! gone",        NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		run_script(SETUP{STAGED}, scripts[i]);
}

/* A session that ends at every step: what is prepared is given back, and what is proved committed,
 * though nobody hears of it. */
static void
test_lost(void **state)
{
	static const struct {
		const char *steps[6];
		const char *wanted[5];
	} rows[] = {
		{{"! lost"}, {NULL}},
		{{"! connect", "! lost", "! answer"},
		 {"= open *", "= release", "= discard /new *"}},
		{{"! connect", "! answer", "! lost"}, {OPENED, "= release", "= discard /new *"}},
		{{"! connect", "! answer", "! reserved", "< 150 *", "! lost"},
		 {OPENED, "= receive *", "= log STOR /new control-lost 0 *", "= keep /new *"}},
		{{"! connect", "! answer", "! reserved", "< 150 *", "! transferred", "! lost"},
		 {OPENED, "= receive *", "= commit *", "= log STOR /new fin 1 *"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;
		world_init(&w, SETUP{STAGED});
		world_run(&w, SCRIPT{BINARY, "! hold all", "> STOR new", NULL});
		for (size_t k = 0; k < 6 && rows[i].steps[k]; k++)
			world_run(&w, SCRIPT{rows[i].steps[k], NULL});
		for (size_t k = 0; k < 5 && rows[i].wanted[k]; k++)
			world_run(&w, SCRIPT{rows[i].wanted[k], NULL});
		world_deinit(&w);
	}
}

/* The answer to F_KEEP is awaited when time is up: the verdict is said all the same. */
static void
test_expire(void **state)
{
	(void)state;
	run_script(SETUP{STAGED},
		   SCRIPT{BINARY, "! hold all", "> STOR new", "! connect", "! answer", "! reserved",
			  "< 150 *", OPENED, "= receive *", "! end 7", "! transferred",
			  "= log STOR /new shutdown 0 *", "= keep *", "! expire", "< 426 *",
			  "< 421 *", "! gone", NULL});
	run_script(SETUP{STAGED},
		   SCRIPT{BINARY, "! hold all", "> STOR new", "! connect", "! answer", "! reserved",
			  "< 150 *", OPENED, "= receive *", "! transferred", "= commit *",
			  "! expire", "< 421 *", "! gone", "! answer", "= log STOR /new fin 1 *",
			  "! lost", NULL});
}

/* SIZE and MDTM speak of the user's own part, all else of what others see (RFC 3659 §4). */
static void
test_parts(void **state)
{
	(void)state;
	run_script(SETUP{STAGED},
		   SCRIPT{BINARY, "> SIZE part", "< 213 400", "> SIZE half", "< 213 400",
			  "> MDTM part", "< 213 20260101000000", "> MLST half", "< 250-*",
			  "<  *size=1000;*", "< 250 *", "> MLST part", "< 550 *", "> RNFR part",
			  "< 550 *", "> RETR part", "< 550 *", "= open 1 /part", NULL});
}

/* Names that clients can't use: there is nothing by them, and nothing is made by them. */
static void
test_reserved(void **state)
{
	static const struct {
		const char *command, *reply;
	} rows[] = {
		{"SIZE .wharfd-stage", "< 550 *"},
		{"MDTM .wharfd-stage", "< 550 *"},
		{"MLST .wharfd-stage", "< 550 *"},
		{"DELE .wharfd-stage", "< 550 *"},
		{"RNFR .wharfd-stage", "< 550 *"},
		{"RMD pub/.wharfd-x", "< 550 *"},
		{"CWD .wharfd-x", "< 550 *"},
		{"MKD .wharfd-x", "< 553 *"},
		{"XMKD a/.wharfd-x/b", "< 553 *"},
		{"RETR .wharfd-stage", "< 550 *"},
		{"HASH .wharfd-stage", "< 550 *"},
		{"XCRC .wharfd-stage", "< 550 *"},
		{"MFMT 20250102030405 .wharfd-x", "< 550 *"},
		{"SITE CHMOD 600 .wharfd-stage", "< 550 *"},
		{"SITE MKDIR x/.wharfd-x", "< 553 *"},
		{"SITE SYMLINK file .wharfd-x", "< 553 *"},
		{"SITE SYMLINK .wharfd-stage x", "< 550 *"},
		{"SITE CPFR .wharfd-stage", "< 550 *"},
		{"LIST .wharfd-x", "< 550 *"},
		{"MLSD .wharfd-x", "< 550 *"},
		{"STAT .wharfd-stage", "< 550 *"},
		{"CWD .wharfd-versions", "< 550 *"},
		{"MLSD .wharfd-versions", "< 550 *"},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char command[80];
		text(command, sizeof(command), "> %s", rows[i].command);
		run_script(SETUP{STAGED}, SCRIPT{BINARY, command, rows[i].reply, NULL});
	}
	run_script(SETUP{STAGED},
		   SCRIPT{LOGIN, "> RNFR file", "< 350 *", "> RNTO .wharfd-x", "< 553 *",
			  "> SITE CPFR file", "< 350 *", "> SITE CPTO .wharfd-x", "< 553 *", NULL});
	/* Versions can be looked at where they are shown, and nothing is made among them. */
	world_init(&w, SETUP{STAGED});
	w.user.show_versions = true;
	world_run(&w, SCRIPT{BINARY, "> CWD .wharfd-versions", "< 250 *", "> STOR x", "< 553 *",
			     "> MKD x", "< 553 *", "> SIZE /.wharfd-stage", "< 550 *", NULL});
	world_deinit(&w);
}

/* A digest that is kept with the file is told at once, where it is that of all of it. */
static void
test_kept_digest(void **state)
{
	(void)state;
	run_script(SETUP{STAGED}, SCRIPT{BINARY,
					 "> HASH summed",
					 "< 213 SHA-256 0-999 ab01 /summed",
					 "= open 129 /summed",
					 "> XSHA256 summed",
					 "< 250 ab01",
					 "= open *",
					 "> XSHA256 summed 0 1000",
					 "< 250 ab01",
					 "= open *",
					 "> XSHA256 summed 0 999",
					 "< 250 abcd",
					 "= open *",
					 "= job digest 4 0",
					 "> XSHA256 summed 1",
					 "< 250 abcd",
					 "= open *",
					 "= job *",
					 "> XSHA512 summed",
					 "< 250 abcd",
					 "= open *",
					 "= job *",
					 "> XMD5 summed",
					 "< 250 abcd",
					 "= open *",
					 "= job *",
					 "> HASH file",
					 "< 213 *abcd*",
					 "= open *",
					 "= job *",
					 NULL});
}

/* What the world is told to digest, and whether LIST -R is heard. */
static void
test_settings(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, SETUP{STAGED});
	w.user.digest = WORD_digest_sha512;
	world_run(&w, SCRIPT{BINARY, "> STOR new", "< 150 *", "< 226 *", OPENED,
			     "= receive 0 -1 0 2 1 -1", "= commit *", "= log *", "> PASV",
			     "< 227 *", "> RETR file", "< 150 *", "< 226 *", "= open 1 /file",
			     "= send 0 1000 0 4 0 -1", "= log RETR /file complete 1 *", NULL});
	w.user.download_digest = true;
	world_run(&w, SCRIPT{"> PASV", "< 227 *", "> RETR file", "< 150 *", "< 226 *", "= open *",
			     "= send 0 1000 0 2 0 -1", "= log *", "> PASV", "< 227 *", "> LIST -R",
			     "< 150 *", "< 226 *", "= log *", NULL});
	assert_true(w.ask.f_list.flags & LIST_RECURSIVE);
	w.user.list_recursive = false;
	world_run(&w,
		  SCRIPT{"> PASV", "< 227 *", "> LIST -R", "< 150 *", "< 226 *", "= log *", NULL});
	assert_false(w.ask.f_list.flags & LIST_RECURSIVE);
	world_run(&w,
		  SCRIPT{"> PASV", "< 227 *", "> LIST -ld", "< 150 *", "< 226 *", "= log *", NULL});
	assert_true(w.ask.f_list.flags & LIST_ITSELF);
	world_run(&w, SCRIPT{"> PASV", "< 227 *", "> LIST -ld p*", "< 150 *", "< 226 *", "= log *",
			     NULL});
	assert_false(w.ask.f_list.flags & LIST_ITSELF);
	world_deinit(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),        cmocka_unit_test(test_refused),
		cmocka_unit_test(test_ends),         cmocka_unit_test(test_short),
		cmocka_unit_test(test_commit_fails), cmocka_unit_test(test_expire),
		cmocka_unit_test(test_parts),        cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_kept_digest),  cmocka_unit_test(test_settings),
		cmocka_unit_test(test_abor),         cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
