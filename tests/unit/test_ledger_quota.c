/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Quotas without I/O: what workers say, a line each, and what the ledger answers.  "P:" in an
 * answer is the worker that it goes to.
 *
 *	open P [RESCAN] [held BYTES FILES]       close P         lose P
 *	reserve P ID BYTES [least N] [files N] [force] [of BYTES] [of-files N]
 *	change P [release BYTES FILES] [by BYTES FILES] [since MS] [moved] [unsure]
 *	ask P ID             scanned P ID BYTES FILES            cannot P ID ERRNO
 *	freed BYTES FILES [since MS]             after MS        broken      mended
 *	save                 kill                begin
 *
 * since: so long ago it began.  A line takes a microsecond.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota_world.h"

/* The words of a line. */
struct words {
	char *word[16];
	size_t n;
};

static uint64_t
number(const struct words *w, size_t i)
{
	char *end = NULL;

	assert_true(i < w->n);
	uint64_t n = strtoull(w->word[i], &end, 10);
	return *end == 'K' ? n * KIB : *end == 'M' ? n * MIB : n;
}

/* The number behind a word, i words later; or what there is without it. */
static uint64_t
behind(const struct words *w, const char *word, size_t i, uint64_t otherwise)
{
	for (size_t k = 1; k < w->n; k++)
		if (strcmp(w->word[k], word) == 0)
			return number(w, k + i);
	return otherwise;
}

static bool
has(const struct words *w, const char *word)
{
	for (size_t k = 1; k < w->n; k++)
		if (strcmp(w->word[k], word) == 0)
			return true;
	return false;
}

/* When that began which a line tells of. */
static uint64_t
since(const struct words *w)
{
	return (uint64_t)world.us - behind(w, "since", 1, 0) * 1000;
}

static void
do_reserve(const struct words *w, struct message *m)
{
	m->id = MSG_Q_RESERVE;
	m->q_reserve = (struct q_reserve){.id = (uint32_t)number(w, 2),
					  .user = SLICE("alice"),
					  .limit_bytes = behind(w, "of", 1, UINT64_MAX),
					  .limit_files = behind(w, "of-files", 1, UINT64_MAX),
					  .bytes = number(w, 3),
					  .least = behind(w, "least", 1, 1),
					  .files = behind(w, "files", 1, 0),
					  .force = has(w, "force")};
}

static void
do_change(const struct words *w, struct message *m)
{
	m->id = MSG_Q_CHANGE;
	m->q_change = (struct q_change){.user = SLICE("alice"),
					.release_bytes = behind(w, "release", 1, 0),
					.release_files = behind(w, "release", 2, 0),
					.bytes = (int64_t)behind(w, "by", 1, 0),
					.files = (int64_t)behind(w, "by", 2, 0),
					.since = since(w),
					.moved = has(w, "moved"),
					.unsure = has(w, "unsure")};
}

/* What needs no peer.  Whether it was one of these. */
static bool
do_other(const struct words *w)
{
	const char *verb = w->word[0];

	if (strcmp(verb, "save") == 0) {
		do_save();
	} else if (strcmp(verb, "kill") == 0) {
		quotas_deinit(&world.quotas);
		quotas_init(&world.quotas, &plain_calls, NULL);
	} else if (strcmp(verb, "begin") == 0) {
		quotas_begin(&world.quotas, false, now());
	} else if (strcmp(verb, "after") == 0) {
		world.us += (int64_t)number(w, 1) * 1000;
	} else if (strcmp(verb, "broken") == 0) {
		world.broken = true;
	} else if (strcmp(verb, "mended") == 0) {
		world.broken = false;
	} else if (strcmp(verb, "freed") == 0) {
		quotas_freed(&world.quotas, &(struct k_freed){SLICE("alice"), number(w, 1),
							      number(w, 2), since(w)});
	} else if (strcmp(verb, "row") == 0) {
		buf_printf(&world.said, "%" PRIu64 " %" PRIu64 " + %" PRIu64 " %" PRIu64 "%s\n",
			   world.row.bytes, world.row.files, world.row.reserved_bytes,
			   world.row.reserved_files, world.row.open ? " open" : "");
	} else if (strcmp(verb, "users") == 0) {
		buf_add_str(&world.said, world.quotas.users ? "some\n" : "none\n");
	} else {
		return false;
	}
	return true;
}

static void
run_line(char *line)
{
	struct words w = {.n = 0};
	struct message m = {.fd = -1};
	char *rest = NULL;

	for (char *p = strtok_r(line, " ", &rest); p; p = strtok_r(NULL, " ", &rest))
		w.word[w.n++] = p;
	world.us++;
	if (do_other(&w))
		return;
	const uint64_t peer = number(&w, 1);
	const char *verb = w.word[0];
	if (strcmp(verb, "lose") == 0) {
		quotas_lose(&world.quotas, peer, now());
		return;
	}
	if (strcmp(verb, "open") == 0) {
		m.id = MSG_Q_OPEN;
		m.q_open = (struct q_open){SLICE("alice"),
					   w.n > 2 && !has(&w, "held") ? number(&w, 2) : 86400,
					   behind(&w, "held", 1, 0), behind(&w, "held", 2, 0)};
	} else if (strcmp(verb, "close") == 0) {
		m.id = MSG_Q_CLOSE;
		m.q_close.user = SLICE("alice");
	} else if (strcmp(verb, "reserve") == 0) {
		do_reserve(&w, &m);
	} else if (strcmp(verb, "change") == 0) {
		do_change(&w, &m);
	} else if (strcmp(verb, "ask") == 0) {
		m.id = MSG_Q_ASK;
		m.q_ask = (struct q_ask){(uint32_t)number(&w, 2), SLICE("alice")};
	} else if (strcmp(verb, "scanned") == 0 || strcmp(verb, "cannot") == 0) {
		const bool good = *verb == 's';
		m.id = MSG_Q_SCANNED;
		m.q_scanned = (struct q_scanned){.id = (uint32_t)number(&w, 2),
						 .user = SLICE("alice"),
						 .error = good ? 0 : (uint32_t)number(&w, 3),
						 .bytes = good ? number(&w, 3) : 0,
						 .files = good ? number(&w, 4) : 0,
						 .until = (uint64_t)world.us};
	} else {
		fail_msg("%s", verb);
	}
	if (tell(peer, &m) < 0)
		buf_add_str(&world.said, "illegal\n");
}

/* Lines that begin with ">" are what is said to what stands before them. */
static const struct script {
	const char *name, *text;
} scripts[] = {
	{"the first question has the files counted",
	 "open 1\nreserve 1 7 1M of 100M\n> 1: scan 7\nscanned 1 7 1000 3\n> 1: reserved 7 "
	 "1048576\n"
	 "ask 1 8\n> 1: told 8 1000 3 + 1048576 0\n"},
	{"an upload is counted by what it wrote",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 0 0\n> 1: told 1 0 0 + 0 0\n"
	 "reserve 1 2 1M files 1 of 100M of-files 5\n> 1: reserved 2 1048576\n"
	 "change 1 release 1M 1 by 300 1\nask 1 3\n> 1: told 3 300 1 + 0 0\n"
	 "change 1 by -100 -1\nask 1 4\n> 1: told 4 200 0 + 0 0\n"},
	{"no more than there is",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 900 1\n> 1: told 1 900 1 + 0 0\n"
	 "reserve 1 2 500 least 500 of 1000\n> 1: refused 2 EDQUOT\n"
	 "reserve 1 3 500 of 1000\n> 1: reserved 3 100\n"
	 "reserve 1 4 500 of 1000\n> 1: refused 4 EDQUOT\n"
	 "change 1 release 100 0\nreserve 1 5 100 least 100 of 1000\n> 1: reserved 5 100\n"},
	{"what is over the limit already is refused",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 5000 9\n> 1: told 1 5000 9 + 0 0\n"
	 "reserve 1 2 1 of 1000\n> 1: refused 2 EDQUOT\n"
	 "reserve 1 3 0 least 0 of 1000\n> 1: reserved 3 0\n"},
	{"little is bound when little is left",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 0 0\n> 1: told 1 0 0 + 0 0\n"
	 "reserve 1 2 1M of 1M\n> 1: reserved 2 65536\nreserve 2 3 10M of 100M\n> 2: reserved 3 "
	 "6549504\n"
	 "reserve 2 4 10M least 10M of 100M\n> 2: reserved 4 10485760\n"},
	{"files have a limit of their own, and one that takes another's place needs no room",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 0 4\n> 1: told 1 0 4 + 0 0\n"
	 "reserve 1 2 10 files 1 of-files 5\n> 1: reserved 2 10\n"
	 "reserve 1 3 10 files 1 of-files 5\n> 1: refused 3 EDQUOT\n"
	 "reserve 1 4 10 files 1 force of-files 5\n> 1: reserved 4 10\n"
	 "reserve 1 5 10 of-files 5\n> 1: reserved 5 10\n"},
	{"others wait for the count, in their order, and are then answered",
	 "open 1\nopen 2\nreserve 1 7 10 of 100\n> 1: scan 7\nreserve 2 7 95 least 95 of 100\n"
	 "ask 1 8\nscanned 1 7 0 0\n> 1: reserved 7 10\n> 2: refused 7 EDQUOT\n> 1: told 8 0 0 + "
	 "10 0\n"},
	{"where somebody asks, what changes meanwhile is counted again, three times at most",
	 "open 1\nask 1 7\n> 1: scan 7\nchange 2 by 5 1\nscanned 1 7 100 1\n> 1: scan 7\n"
	 "scanned 1 7 105 2\n> 1: told 7 105 2 + 0 0\n"},
	{"a folder that never rests is told of, by the higher figure",
	 "open 1\nask 1 7\n> 1: scan 7\nchange 2 by 1 0\nscanned 1 7 100 1\n> 1: scan 7\n"
	 "change 2 by 1 0\nscanned 1 7 101 1\n> 1: scan 7\nchange 2 by 3 1\nchange 2 by -3 0\n"
	 "scanned 1 7 102 1\n> 1: told 7 105 2 + 0 0\n"
	 "ask 1 9\n> 1: scan 9\nscanned 1 9 102 2\n> 1: told 9 102 2 + 0 0\n"},
	{"a figure that is too high is good enough for what it allows, and not to refuse",
	 "open 1\nreserve 1 7 10 least 10 of 1000\n> 1: scan 7\nchange 2 by 5 1\nscanned 1 7 100 "
	 "1\n"
	 "> 1: reserved 7 10\nchange 1 release 10 0 by 10 1 since 1\n"
	 "reserve 1 8 800 least 800 of 1000\n> 1: reserved 8 800\nchange 1 release 800 0\n"
	 "reserve 1 9 890 least 890 of 1000\n> 1: scan 9\nscanned 1 9 110 2\n> 1: reserved 9 "
	 "890\n"},
	{"sessions that upload at once have the files counted once",
	 "open 1\nopen 2\nreserve 1 1 10 files 1 of 1000\n> 1: scan 1\n"
	 "reserve 1 2 10 files 1 of 1000\nreserve 2 3 10 files 1 of 1000\nafter 50\n"
	 "scanned 1 1 100 3\n> 1: reserved 1 10\n> 1: reserved 2 10\n> 2: reserved 3 10\n"
	 "change 1 release 10 1 by 10 1 since 60\nchange 1 moved\n"
	 "change 2 release 10 1 by 10 1 since 60\nchange 2 moved since 60\n"
	 "change 1 release 10 1 by 10 1\nreserve 2 4 10 files 1 of 1000\n> 2: reserved 4 10\n"
	 "change 2 release 10 1 by 10 1\nchange 2 moved\nask 2 5\n> 2: scan 5\n"
	 "scanned 2 5 140 4\n> 2: told 5 140 4 + 0 0\n"},
	{"a change that began before a count had ended may be in it",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 100 2\n> 1: told 1 100 2 + 0 0\nafter 20\n"
	 "reserve 1 2 10 of 1000\n> 1: reserved 2 10\nchange 1 by -50 -1 since 30\n"
	 "ask 1 3\n> 1: told 3 100 2 + 10 0\nchange 1 by 7 1 since 40\n"
	 "ask 1 4\n> 1: told 4 107 3 + 10 0\nchange 1 release 10 0\n"
	 "ask 1 5\n> 1: scan 5\nscanned 1 5 57 2\n> 1: told 5 57 2 + 0 0\n"
	 "change 1 by -50 -1\nask 1 6\n> 1: told 6 7 1 + 0 0\n"},
	{"where names change, what was known before a count holds if it is more",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 100 5\n> 1: told 1 100 5 + 0 0\nafter 20\n"
	 "change 1 moved\nask 1 2\n> 1: told 2 100 5 + 0 0\nchange 1 unsure\nafter 1000\n"
	 "ask 1 3\n> 1: scan 3\nafter 5\nscanned 1 3 40 2\n> 1: told 3 40 2 + 0 0\nafter 5\n"
	 "reserve 1 4 10 of 1000\n> 1: reserved 4 10\nchange 1 by -10 0\nchange 1 by 2 1\n"
	 "change 1 moved since 20\nask 1 5\n> 1: told 5 92 6 + 10 0\nchange 1 release 10 0\n"
	 "ask 1 6\n> 1: scan 6\nscanned 1 6 32 3\n> 1: told 6 32 3 + 0 0\n"},
	{"and where they change during each count",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 100 5\n> 1: told 1 100 5 + 0 0\n"
	 "change 1 unsure\nafter 1000\nask 1 2\n> 1: scan 2\nchange 1 moved\nscanned 1 2 40 2\n> "
	 "1: scan 2\n"
	 "change 1 moved\nscanned 1 2 60 3\n> 1: scan 2\nchange 1 moved\nscanned 1 2 50 6\n"
	 "> 1: told 2 100 6 + 0 0\nask 1 3\n> 1: scan 3\nscanned 1 3 90 5\n"
	 "> 1: told 3 90 5 + 0 0\n"},
	{"what nobody knows the size of, while files are counted, has them counted again",
	 "open 1\nask 1 1\n> 1: scan 1\nchange 1 unsure\nscanned 1 1 100 5\n> 1: scan 1\n"
	 "scanned 1 1 110 5\n> 1: told 1 110 5 + 0 0\n"},
	{"a worker that is lost leaves what it had reserved, until the files were counted",
	 "open 1\nopen 2\nask 1 1\n> 1: scan 1\nscanned 1 1 0 0\n> 1: told 1 0 0 + 0 0\n"
	 "reserve 1 2 100 least 100 of 1000\n> 1: reserved 2 100\n"
	 "reserve 2 3 300 least 300 files 1 of 1000\n> 2: reserved 3 300\nlose 2\n"
	 "ask 1 4\n> 1: told 4 0 0 + 400 1\nreserve 1 5 700 least 700 of 1000\n> 1: refused 5 "
	 "EDQUOT\n"
	 "change 1 release 100 0 by 100 1\nafter 1000\nask 1 6\n> 1: scan 6\nscanned 1 6 250 2\n"
	 "> 1: told 6 250 2 + 0 0\n"},
	{"its agent may still work for it a second long, and tells nobody",
	 "open 1\nopen 2\nask 1 1\n> 1: scan 1\nscanned 1 1 100 1\n> 1: told 1 100 1 + 0 0\n"
	 "reserve 2 2 300 least 300 files 1 of 1000\n> 2: reserved 2 300\nlose 2\n"
	 "ask 1 3\n> 1: scan 3\nscanned 1 3 150 2\n> 1: told 3 400 2 + 0 0\n"
	 "ask 1 4\n> 1: scan 4\nscanned 1 4 200 3\n> 1: told 4 400 3 + 0 0\nafter 1000\n"
	 "ask 1 5\n> 1: scan 5\nscanned 1 5 210 2\n> 1: told 5 210 2 + 0 0\n"
	 "ask 1 6\n> 1: told 6 210 2 + 0 0\n"},
	{"a worker that was to count and is lost: the next one does",
	 "open 1\nopen 2\nask 1 1\n> 1: scan 1\nask 2 9\nlose 1\n> 2: scan 9\nscanned 2 9 5 1\n"
	 "> 2: told 9 5 1 + 0 0\n"},
	{"who was to count and is gone: what was unsure stays so, and the next one counts",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\nchange 1 unsure\n"
	 "after 1000\nreserve 1 2 10 of 100\n> 1: scan 2\nreserve 1 3 10 of 100\ncannot 1 2 125\n"
	 "> 1: refused 2 EIO\n> 1: scan 3\nscanned 1 3 20 2\n> 1: reserved 3 10\n"},
	{"what was missed while nobody could count is counted as soon as somebody can",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\nchange 1 unsure\n"
	 "ask 1 2\n> 1: scan 2\nchange 1 unsure\ncannot 1 2 5\n> 1: told 2 10 1 + 0 0\nafter 1000\n"
	 "ask 1 3\n> 1: scan 3\nscanned 1 3 20 2\n> 1: told 3 20 2 + 0 0\nask 1 4\n"
	 "> 1: told 4 20 2 + 0 0\n"},
	{"who can't count is told so, and the next one tries",
	 "open 1\nreserve 1 1 10 of 100\n> 1: scan 1\nask 1 2\ncannot 1 1 5\n> 1: refused 1 EIO\n> "
	 "1: scan 2\n"
	 "cannot 1 2 5\n> 1: cannot tell 2 EIO\n"},
	{"what was known goes on where files cannot be counted any more, for a minute",
	 "open 1 60\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\nafter "
	 "61000\nopen 2 60\nreserve 2 2 100 files 1 of 1000\n> 2: scan 2\nask 2 3\ncannot 2 2 5\n"
	 "> 2: reserved 2 100\n> 2: told 3 10 1 + 100 1\n"
	 "change 2 release 100 1 by 40 1\nask 2 4\n> 2: told 4 50 2 + 0 0\n"
	 "after 59000\nopen 3 60\nask 3 5\n> 3: told 5 50 2 + 0 0\n"
	 "after 1000\nask 3 6\n> 3: scan 6\nscanned 3 6 60 3\n> 3: told 6 60 3 + 0 0\n"},
	{"nor are they counted sooner where their user leaves and comes back",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\n"
	 "change 1 unsure\nafter 1000\nask 1 2\n> 1: scan 2\ncannot 1 2 5\n"
	 "> 1: told 2 10 1 + 0 0\nclose 1\nsave\nrow\n> 10 1 + 0 0 open\n"
	 "open 1\nask 1 3\n> 1: told 3 10 1 + 0 0\nclose 1\nsave\nafter 60000\nopen 1\n"
	 "ask 1 4\n> 1: scan 4\nscanned 1 4 20 2\n> 1: told 4 20 2 + 0 0\n"},
	{"what was lost holds no longer than till they can be counted again",
	 "open 1\nopen 2\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\n"
	 "reserve 2 2 300 files 1 of 1000\n> 2: reserved 2 300\nlose 2\nafter 1000\nask 1 3\n"
	 "> 1: scan 3\ncannot 1 3 5\n> 1: told 3 10 1 + 300 1\nafter 60000\n"
	 "reserve 1 4 800 least 800 of 1000\n> 1: scan 4\nscanned 1 4 20 2\n> 1: reserved 4 800\n"},
	{"a count that fails while somebody may still be at work is not the last one",
	 "open 1\nopen 2\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\n"
	 "lose 2\nask 1 2\n> 1: scan 2\ncannot 1 2 5\n> 1: told 2 10 1 + 0 0\nafter 1000\n"
	 "ask 1 3\n> 1: scan 3\nscanned 1 3 20 2\n> 1: told 3 20 2 + 0 0\n"},
	{"an answer that nobody waits for is passed by",
	 "open 1\nscanned 1 9 100 1\nask 1 1\n> 1: scan 1\nscanned 2 1 7 7\nscanned 1 2 7 "
	 "7\nscanned 1 1 5 1\n"
	 "> 1: told 1 5 1 + 0 0\nscanned 1 1 7 7\nask 1 2\n> 1: told 2 5 1 + 0 0\n"},
	{"unsure: counted again as soon as no upload runs",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\n"
	 "reserve 1 2 100 files 1 of 1000\n> 1: reserved 2 100\n"
	 "reserve 1 3 100 files 1 of 1000\n> 1: reserved 3 100\n"
	 "change 1 release 100 1 by 40 1 unsure\nask 1 4\n> 1: told 4 50 2 + 160 1\n"
	 "change 1 release 100 1 by 100 1\nafter 1000\nask 1 5\n> 1: scan 5\nscanned 1 5 150 3\n> "
	 "1: told 5 150 3 + 0 0\nask 1 6\n"
	 "> 1: told 6 150 3 + 0 0\n"},
	{"who releases what was never reserved here comes from before",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\n"
	 "change 1 release 100 1 by 100 1\nask 1 2\n> 1: scan 2\n"},
	{"less than nothing is a mistake", "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: "
					   "told 1 10 1 + 0 0\nchange 1 by -11 -1\n"
					   "ask 1 2\n> 1: scan 2\n"},
	{"the row is open while a session is, and closed with the last one",
	 "open 1\nrow\n> 0 0 + 0 0 open\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 "
	 "+ 0 0\n"
	 "reserve 1 2 100 files 1 of 1000\n> 1: reserved 2 100\nsave\nrow\n> 10 1 + 100 1 open\n"
	 "change 1 release 100 1 by 90 1\nopen 2\nclose 1\nsave\nrow\n> 100 2 + 0 0 open\nclose "
	 "2\nsave\n"
	 "row\n> 100 2 + 0 0\nusers\n> none\nopen 3\nrow\n> 100 2 + 0 0 open\nask 3 3\n"
	 "> 3: told 3 100 2 + 0 0\n"},
	{"a row that was open when the ledger was killed is counted anew",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\nsave\nkill\nopen "
	 "1\n"
	 "ask 1 2\nbegin\n> 1: scan 2\n"},
	{"what had been reserved at the ledger that was killed stays so, and no sooner is anything "
	 "answered",
	 "open 1\nopen 2\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\n"
	 "reserve 2 2 300 least 300 files 1 of 1000\n> 2: reserved 2 300\nsave\nkill\nopen 1\n"
	 "reserve 1 3 900 least 900 of 1000\nopen 2 held 300 1\nbegin\n> 1: scan 3\n"
	 "scanned 1 3 110 2\n> 1: refused 3 EDQUOT\nask 1 4\n> 1: told 4 110 2 + 300 1\n"
	 "change 2 release 300 1 by 250 1 since 10\nafter 1000\nask 1 5\n> 1: scan 5\nscanned 1 5 "
	 "260 2\n"
	 "> 1: told 5 260 2 + 0 0\n"},
	{"whoever comes and goes after that is told what there is",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 100 9\n> 1: told 1 100 9 + 0 0\nsave\nkill\n"
	 "open 1\nbegin\nask 1 2\n> 1: scan 2\nscanned 1 2 10 1\n> 1: told 2 100 9 + 0 0\nclose 1\n"
	 "save\nusers\n> none\nrow\n> 100 9 + 0 0 open\nafter 1000\nopen 1\nask 1 3\n> 1: scan 3\n"
	 "scanned 1 3 10 1\n> 1: told 3 10 1 + 0 0\nclose 1\nsave\nrow\n> 10 1 + 0 0\n"},
	{"a user who is gone when his agent's worker is lost",
	 "open 1\nopen 2\nask 1 1\n> 1: scan 1\nscanned 1 1 100 9\n> 1: told 1 100 9 + 0 0\nclose "
	 "1\n"
	 "lose 2\nsave\nusers\n> none\nopen 1\nask 1 2\n> 1: scan 2\nscanned 1 2 90 8\n"
	 "> 1: told 2 100 9 + 0 0\nafter 1000\nask 1 3\n> 1: scan 3\nscanned 1 3 90 8\n"
	 "> 1: told 3 90 8 + 0 0\n"},
	{"and stays open where nobody asked",
	 "open 1\nsave\nkill\nopen 1\nclose 1\nsave\nrow\n> 0 0 + 0 0 open\n"},
	{"at a login after the time, and at each one without a time, files are counted anew",
	 "open 1 60\nask 1 1\n> 1: scan 1\nscanned 1 1 10 1\n> 1: told 1 10 1 + 0 0\nafter "
	 "59000\nopen 2 60\n"
	 "ask 2 2\n> 2: told 2 10 1 + 0 0\nafter 2000\nopen 3 60\nask 3 3\n> 3: scan 3\nscanned 3 "
	 "3 11 1\n"
	 "> 3: told 3 11 1 + 0 0\nopen 4 0\nask 4 4\n> 4: scan 4\n"},
	{"a sweep frees also what belongs to nobody who is here",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 100 5\n> 1: told 1 100 5 + 0 0\nafter "
	 "1\nfreed 30 2\nask 1 2\n"
	 "> 1: told 2 70 3 + 0 0\nclose 1\nsave\nfreed 20 1\nsave\nrow\n> 50 2 + 0 0\n"},
	{"what a sweep removed that began before the count is not taken away twice",
	 "open 1\nask 1 1\n> 1: scan 1\nafter 50\nscanned 1 1 70 3\n> 1: told 1 70 3 + 0 0\n"
	 "after 500\nfreed 30 2 since 600\nrow\n> 0 0 + 0 0 open\n"
	 "ask 1 2\n> 1: scan 2\nscanned 1 2 70 3\n> 1: told 2 70 3 + 0 0\n"
	 "after 10\nfreed 10 1 since 11\nask 1 3\n> 1: scan 3\nscanned 1 3 70 3\n> 1: told 3 70 3 "
	 "+ 0 0\n"
	 "after 10\nfreed 10 1 since 9\nask 1 4\n> 1: told 4 60 2 + 0 0\n"},
	{"while an upload runs, a sweep that began before the count takes nothing away",
	 "open 1\nask 1 1\n> 1: scan 1\nscanned 1 1 70 3\n> 1: told 1 70 3 + 0 0\n"
	 "reserve 1 2 10 files 1 of 100\n> 1: reserved 2 10\nfreed 30 2 since 5\n"
	 "ask 1 3\n> 1: told 3 70 3 + 10 1\nchange 1 release 10 1 by 10 1\n"
	 "ask 1 4\n> 1: scan 4\nscanned 1 4 80 4\n> 1: told 4 80 4 + 0 0\n"},
	{"without room for the row nothing is granted",
	 "broken\nopen 1\nreserve 1 1 10 of 100\n> 1: scan 1\nscanned 1 1 0 0\n> 1: refused 1 "
	 "ENOSPC\n"
	 "mended\nreserve 1 2 10 of 100\n> 1: reserved 2 10\nrow\n> 0 0 + 0 0 open\n"},
	{"nobody closes what he has not opened",
	 "close 1\n> illegal\nopen 1\nclose 2\n> illegal\nclose 1\n"},
};

/* Runs a script; what was said must be what it says. */
static void
run(const struct script *script)
{
	char *text = strdup(script->text), *rest = NULL;
	struct buf wanted = BUF_INIT, got = BUF_INIT;

	world_init(&plain_calls);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (*line == '>') {
			buf_printf(&wanted, "%s\n", line);
			continue;
		}
		buf_printf(&wanted, "%s\n", line);
		buf_printf(&got, "%s\n", line);
		buf_reset(&world.said);
		run_line(line);
		char *said = slice_dup(buf_slice(&world.said)), *more = NULL;
		for (char *p = strtok_r(said, "\n", &more); p; p = strtok_r(NULL, "\n", &more))
			buf_printf(&got, "> %s\n", p);
		free(said);
	}
	if (!slice_equal(buf_slice(&wanted), buf_slice(&got)))
		fail_msg("%s:\n%.*s--- is not ---\n%.*s", script->name, SLICE_FMT(buf_slice(&got)),
			 SLICE_FMT(buf_slice(&wanted)));
	world_deinit();
	buf_deinit(&wanted);
	buf_deinit(&got);
	free(text);
}

static void
scripts_run(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		run(&scripts[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripts_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
