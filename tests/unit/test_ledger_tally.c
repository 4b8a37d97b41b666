/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The arithmetic of one user's tally, a table for each of its verbs: the tally before and after, in
 * words.  What a row does not name is zero, and must be so afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

#define MIB  (INT64_C(1) << 20)
#define TIB  (INT64_C(1) << 40)
#define MOST UINT64_MAX

#define N_OF(table) (sizeof(table) / sizeof((table)[0]))

enum { TEXT_MAX = 256 };

/* A tally in words: what is zero or false is left out. */
static const struct field {
	const char *word;
	size_t at;
	size_t n; /* numbers behind it; 0 for a flag */
} fields[] = {
	{"used", offsetof(struct tally, used), 2},
	{"before", offsetof(struct tally, before), 2},
	{"known", offsetof(struct tally, known), 0},
	{"stale", offsetof(struct tally, stale), 0},
	{"unsure", offsetof(struct tally, unsure), 0},
	{"over", offsetof(struct tally, over), 0},
	{"scanned", offsetof(struct tally, scanned), 1},
	{"until", offsetof(struct tally, scanned_until), 1},
	{"lost", offsetof(struct tally, lost), 2},
	{"lost-until", offsetof(struct tally, lost_until), 1},
	{"retry", offsetof(struct tally, retry_at), 1},
	{"scanning", offsetof(struct tally, scanning), 0},
	{"began", offsetof(struct tally, scan_began), 1},
	{"changed", offsetof(struct tally, changed), 0},
	{"moved", offsetof(struct tally, moved), 0},
	{"missed", offsetof(struct tally, missed), 0},
	{"added", offsetof(struct tally, added), 2},
};

/* Where everything is set: what is to be left alone is seen to be. */
#define FULL                                                                                 \
	"used 100 5 before 200 6 known stale unsure over scanned 1000 until 2000 lost 30 2 " \
	"lost-until 3000 retry 4000 scanning began 1500 changed moved missed added 40 3"

static uint64_t
number(const char *word)
{
	char *end = NULL;

	if (strncmp(word, "MOST", 4) == 0)
		return UINT64_MAX - strtoull(word + 4 + (word[4] == '-'), NULL, 10);
	uint64_t n = strtoull(word, &end, 10);
	assert_int_equal(*end, '\0');
	return n;
}

static struct tally
tally_of(const char *text)
{
	struct tally t = {0};
	char *copy = strdup(text), *rest = NULL;

	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		const struct field *f = fields;
		while (f < fields + N_OF(fields) && strcmp(f->word, w) != 0)
			f++;
		if (f == fields + N_OF(fields))
			fail_msg("%s in %s", w, text);
		if (f->n == 0)
			memcpy((char *)&t + f->at, &(bool){true}, sizeof(bool));
		for (size_t i = 0; i < f->n; i++) {
			const uint64_t n = number(strtok_r(NULL, " ", &rest));
			memcpy((char *)&t + f->at + i * sizeof(n), &n, sizeof(n));
		}
	}
	free(copy);
	return t;
}

/* Compares what they say, so that a failure shows what differs. */
static void
show(char text[TEXT_MAX], const struct tally *t)
{
	FILE *out = fmemopen(text, TEXT_MAX, "w");

	for (const struct field *f = fields; f < fields + N_OF(fields); f++) {
		const char *at = (const char *)t + f->at;
		uint64_t n[2] = {0};
		bool flag = false;
		if (f->n == 0)
			memcpy(&flag, at, sizeof(flag));
		memcpy(n, at, f->n * sizeof(n[0]));
		if (flag || n[0] || n[1])
			fprintf(out, "%s ", f->word);
		for (size_t i = 0; (n[0] || n[1]) && i < f->n; i++)
			fprintf(out, "%" PRIu64 " ", n[i]);
	}
	assert_int_equal(fclose(out), 0);
}

static void
assert_tally(const char *name, const struct tally *t, const char *wanted)
{
	const struct tally w = tally_of(wanted);
	char is[TEXT_MAX], should[TEXT_MAX];

	show(is, t);
	show(should, &w);
	if (strcmp(is, should) != 0)
		fail_msg("%s:\n%s\n--- is not ---\n%s", name, is, should);
}

static void
assert_amount(const char *name, struct amount a, struct amount wanted)
{
	if (a.bytes != wanted.bytes || a.files != wanted.files)
		fail_msg("%s: %" PRIu64 " %" PRIu64 " is not %" PRIu64 " %" PRIu64, name, a.bytes,
			 a.files, wanted.bytes, wanted.files);
}

static void
assert_that(const char *name, bool is, bool wanted)
{
	if (is != wanted)
		fail_msg("%s: %s", name, is ? "yes" : "no");
}

static void
amounts(void **state)
{
	static const struct {
		struct amount a, b, sum;
	} sums[] = {
		{{0, 0}, {0, 0}, {0, 0}},
		{{1, 20}, {300, 4000}, {301, 4020}},
		{{MOST - 1, MOST - 2}, {1, 2}, {MOST, MOST}},
		{{MOST, 1}, {1, MOST}, {MOST, MOST}},
		{{MOST, 1}, {MOST, 1}, {MOST, 2}},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(sums); i++)
		assert_amount("a sum", amount_add(sums[i].a, sums[i].b), sums[i].sum);
	assert_false(amount_is_something((struct amount){0, 0}));
	assert_true(amount_is_something((struct amount){1, 0}));
	assert_true(amount_is_something((struct amount){0, 1}));
}

static void
rows(void **state)
{
	static const struct {
		const char *name;
		struct quota_row row;
		const char *tally;
	} table[] = {
		{"counted and closed: it holds, and what was reserved is over",
		 {.bytes = 100, .files = 5, .reserved_bytes = 7, .reserved_files = 1, .scanned = 9},
		 "used 100 5 known scanned 9"},
		{"still open: others may have changed files meanwhile",
		 {.bytes = 100, .files = 5, .scanned = 9, .open = true},
		 "used 100 5 known stale unsure scanned 9"},
		{"never counted: it is not known", {.bytes = 100, .files = 5}, "used 100 5"},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(table); i++) {
		struct tally t = {0};
		tally_load(&t, &table[i].row);
		assert_tally(table[i].name, &t, table[i].tally);
	}
}

static void
rows_of_tallies(void **state)
{
	struct tally t = tally_of(FULL);
	const struct quota_row row = tally_row(&t, (struct amount){4, 1}, false);

	(void)state;
	assert_int_equal(row.bytes, 100);
	assert_int_equal(row.files, 5);
	assert_int_equal(row.reserved_bytes, 34);
	assert_int_equal(row.reserved_files, 3);
	assert_int_equal(row.scanned, 1000);
	assert_false(row.open);
	assert_true(tally_row(&t, (struct amount){0}, true).open);
	/* So that the files are counted by whoever reads it. */
	t.known = false;
	assert_int_equal(tally_row(&t, (struct amount){0}, false).scanned, 0);
}

static void
what_is_reserved(void **state)
{
	const struct tally t = tally_of(FULL);

	(void)state;
	assert_amount("by both", tally_reserved(&t, (struct amount){5, 7}), (struct amount){35, 9});
	assert_amount("at most", tally_reserved(&t, (struct amount){MOST, MOST - 1}),
		      (struct amount){MOST, MOST});
}

/* --- what is granted --- */

/* No limit; and no room. */
#define NONE    MOST
#define REFUSED (-1)

static const struct grant {
	const char *name, *tally;
	struct amount held, limit;
	uint64_t bytes, least, files; /* wanted */
	bool force;
	int64_t granted;
} grants[] = {
	{"no limit", "used MOST-1 MOST", {0, 0}, {NONE, NONE}, TIB, 0, 1, false, TIB},
	{"what is of use", "", {0, 0}, {NONE, NONE}, 5, 9, 0, false, 9},
	{"plenty", "", {0, 0}, {16 * MIB, NONE}, MIB, 0, 0, false, MIB},
	{"a part", "used 1048576 0", {0, 0}, {17 * MIB, NONE}, MIB + 1, 0, 0, false, MIB},
	{"no crumbs", "", {0, 0}, {MIB / 2, NONE}, MIB, 0, 0, false, 65536},
	{"more than a crumb", "", {0, 0}, {MIB + 16, NONE}, MIB, 0, 0, false, 65537},
	{"all that is left", "used 900 0", {0, 0}, {1000, NONE}, 500, 1, 0, false, 100},
	{"more than a part is of use", "", {0, 0}, {MIB, NONE}, MIB, MIB - 1, 0, false, MIB - 1},
	{"just enough", "used 900 0", {0, 0}, {1000, NONE}, 1, 100, 0, false, 100},
	{"a byte too much", "used 900 0", {0, 0}, {1000, NONE}, 1, 101, 0, false, REFUSED},
	{"all is used", "used 1000 0", {0, 0}, {1000, NONE}, 1, 1, 0, false, REFUSED},
	{"more than all", "used 2000 0", {0, 0}, {1000, NONE}, 1, 1, 0, false, REFUSED},
	{"nothing is wanted", "used 2000 0", {0, 0}, {1000, NONE}, 0, 0, 0, false, 0},
	{"others' bytes", "used 100 0 lost 30 0", {7, 0}, {1000, NONE}, 1000, 0, 0, false, 863},
	{"beyond counting", "used MOST-5 0", {MOST, 0}, {MOST - 1, NONE}, 1, 1, 0, false, REFUSED},
	{"the last file", "used 0 4", {0, 0}, {NONE, 5}, 10, 0, 1, false, 10},
	{"a file too much", "used 0 5", {0, 0}, {NONE, 5}, 10, 0, 1, false, REFUSED},
	{"others' files", "used 0 3 lost 0 1", {0, 1}, {NONE, 5}, 10, 0, 1, false, REFUSED},
	{"besides those", "used 0 3 lost 0 1", {0, 1}, {NONE, 7}, 10, 0, 2, false, 10},
	{"files beyond counting", "used 0 1", {0, 0}, {NONE, 5}, 10, 0, MOST, false, REFUSED},
	{"no file", "used 0 9", {0, 0}, {NONE, 5}, 10, 0, 0, false, 10},
	{"in another's place", "used 0 9", {0, 0}, {NONE, 5}, 10, 0, 1, true, 10},
	{"its bytes count", "used 1000 9", {0, 0}, {1000, 5}, 1, 1, 1, true, REFUSED},
	{"both limits", "used 900 4", {0, 0}, {1000, 5}, 10, 1, 1, false, 10},
	{"room for bytes alone", "used 900 5", {0, 0}, {1000, 5}, 10, 1, 1, false, REFUSED},
};

static void
granted(void **state)
{
	(void)state;
	for (const struct grant *g = grants; g < grants + N_OF(grants); g++) {
		const struct tally t = tally_of(g->tally);
		const struct q_reserve want = {.limit_bytes = g->limit.bytes,
					       .limit_files = g->limit.files,
					       .bytes = g->bytes,
					       .least = g->least,
					       .files = g->files,
					       .force = g->force};
		uint64_t bytes = 77;
		assert_that(g->name, tally_grant(&t, g->held, &want, &bytes),
			    g->granted != REFUSED);
		assert_amount(g->name, (struct amount){bytes, 0},
			      (struct amount){g->granted == REFUSED ? 0 : (uint64_t)g->granted, 0});
	}
}

/* --- counts --- */

static void
when_to_count(void **state)
{
	static const struct {
		const char *name, *tally;
		struct amount held;
		bool rough, exact; /* for a question that a figure too high is good enough for */
	} table[] = {
		{"not known", "", {0, 0}, true, true},
		{"not known, and an upload runs", "", {1, 1}, true, true},
		{"all is well", "known lost 1 1", {0, 0}, false, false},
		{"stale", "known stale", {0, 0}, true, true},
		{"stale, and an upload runs", "known stale", {1, 1}, true, true},
		{"too low", "known unsure", {0, 0}, true, true},
		{"too low, but bytes are written", "known unsure", {1, 0}, false, false},
		{"too low, but a file is", "known unsure", {0, 1}, false, false},
		{"too low, and who had reserved is lost",
		 "known unsure lost 1 1",
		 {0, 0},
		 true,
		 true},
		{"too high", "known over", {0, 0}, false, true},
		{"too high, but an upload runs", "known over", {1, 1}, false, false},
		{"both", "known unsure over", {0, 0}, true, true},
		{"could not be counted lately",
		 "known stale unsure over retry 5001",
		 {0, 0},
		 false,
		 false},
		{"nor is anything known", "stale unsure over retry 5001", {0, 0}, true, true},
		{"could not be counted, but that was long ago",
		 "known unsure retry 5000",
		 {0, 0},
		 true,
		 true},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(table); i++) {
		const struct tally t = tally_of(table[i].tally);
		assert_that(table[i].name, tally_wants_count(&t, table[i].held, false, 5000),
			    table[i].rough);
		assert_that(table[i].name, tally_wants_count(&t, table[i].held, true, 5000),
			    table[i].exact);
	}
}

static void
what_is_doubtful(void **state)
{
	static const struct {
		const char *tally;
		bool doubtful;
	} table[] = {
		{"", false}, /* that it is not known says the row already */
		{"used 100 5 before 200 6 known scanned 1 lost 30 2 changed moved missed", false},
		{"known unsure", true},
		{"known over", true},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(table); i++) {
		const struct tally t = tally_of(table[i].tally);
		assert_that(table[i].tally, tally_is_doubtful(&t), table[i].doubtful);
	}
}

static void
counts_that_begin_and_are_dropped(void **state)
{
	struct tally t = tally_of("known changed moved missed added 40 3");

	(void)state;
	tally_begin_count(&t, 7000);
	assert_tally("the first one", &t, "known scanning began 7000");
	t = tally_of(FULL);
	tally_begin_count(&t, 7000);
	assert_tally("what it begins with", &t,
		     "used 100 5 before 200 6 known stale unsure over scanned 1000 until 2000 "
		     "lost 30 2 lost-until 3000 retry 4000 scanning began 7000");
	t = tally_of(FULL);
	tally_drop_count(&t);
	assert_tally(
		"nothing comes of it", &t,
		"used 100 5 before 200 6 known stale unsure over scanned 1000 until 2000 "
		"lost 30 2 lost-until 3000 retry 4000 began 1500 changed moved missed added 40 3");
}

static void
counts_that_fail(void **state)
{
	static const struct {
		const char *name, *tally;
		uint64_t lost_until;
		bool known;
		const char *after;
	} table[] = {
		{"what was known goes on to hold, and no more than that",
		 "used 100 5 before 200 6 known stale unsure over scanned 1000 until 2000 lost 30 "
		 "2 scanning began 1500 changed moved added 40 3",
		 0, true,
		 "used 100 5 before 200 6 known stale unsure over scanned 1000 until 2000 lost 30 "
		 "2 retry 60009000 began 1500 changed moved added 40 3"},
		{"what was missed meanwhile is wanted soon", "known unsure retry 1 scanning missed",
		 0, true, "known unsure missed"},
		{"somebody may still have been at work",
		 "known scanning began 1500 lost-until 1501", 0, true,
		 "known began 1500 lost-until 1501"},
		{"of whoever", "known scanning began 1500", 1501, true, "known began 1500"},
		{"nobody was", "known scanning began 1500 lost-until 1500", 1500, true,
		 "known began 1500 lost-until 1500 retry 60009000"},
		{"what was not known does not come to be", "used 1 1 unsure over scanning", 0,
		 false, "used 1 1 unsure over retry 60009000"},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(table); i++) {
		struct tally t = tally_of(table[i].tally);
		assert_that(table[i].name, tally_fail_count(&t, 9000, table[i].lost_until),
			    table[i].known);
		assert_tally(table[i].name, &t, table[i].after);
	}
}

/* All of them were made until 8000, and are taken at 9000. */
static const struct taken {
	const char *name, *tally;
	struct amount held, found;
	uint64_t lost_until; /* whoever the user is */
	const char *after;
} takens[] = {
	{"the first one is all that is known",
	 "used 500 9 lost 5 1 scanning",
	 {0, 0},
	 {40, 2},
	 0,
	 "used 40 2 known"},
	{"also where names change",
	 "used 500 9 lost 5 1 changed moved",
	 {0, 0},
	 {40, 2},
	 0,
	 "used 40 2 known over changed moved"},
	{"it ends all doubt, and what was lost is in it",
	 "used 100 5 before 1 1 known stale unsure over scanned 1 until 1 lost 7 1 scanning",
	 {0, 0},
	 {40, 2},
	 0,
	 "used 40 2 before 107 6 known"},
	{"what was added may not be in it",
	 "used 100 5 known changed added 8 3",
	 {0, 0},
	 {40, 2},
	 0,
	 "used 48 5 before 100 5 known over changed added 8 3"},
	{"beyond counting",
	 "used MOST 5 known lost 1 MOST changed added 8 3",
	 {0, 0},
	 {MOST - 7, MOST - 2},
	 0,
	 "used MOST MOST before MOST MOST known over changed added 8 3"},
	{"where names change the higher figure holds: bytes",
	 "used 100 1 known lost 7 0 changed moved added 10 1",
	 {0, 0},
	 {40, 2},
	 0,
	 "used 107 3 before 107 1 known over changed moved added 10 1"},
	{"files",
	 "used 10 5 known lost 7 1 changed moved",
	 {0, 0},
	 {40, 2},
	 0,
	 "used 40 6 before 17 6 known over changed moved"},
	{"somebody worked still for a worker of his that is lost",
	 "used 100 5 known lost-until 3000 began 2999",
	 {0, 0},
	 {40, 9},
	 0,
	 "used 100 9 before 100 5 known unsure lost-until 3000 began 2999"},
	{"nobody did any more",
	 "used 100 5 known lost-until 3000 began 3000",
	 {0, 0},
	 {40, 9},
	 3000,
	 "used 40 9 before 100 5 known lost-until 3000 began 3000"},
	{"somebody worked still for any worker that is lost",
	 "used 100 5 known began 3000",
	 {0, 0},
	 {40, 9},
	 3001,
	 "used 100 9 before 100 5 known unsure began 3000"},
	{"so that more was missed than is known",
	 "known changed missed",
	 {0, 0},
	 {40, 2},
	 0,
	 "used 40 2 known unsure over changed missed"},
	{"an upload's bytes may be in it, and are told later",
	 "known",
	 {1, 0},
	 {40, 2},
	 0,
	 "used 40 2 known over"},
	{"or its file", "known", {0, 1}, {40, 2}, 0, "used 40 2 known over"},
};

static void
counts_that_are_taken(void **state)
{
	(void)state;
	for (const struct taken *k = takens; k < takens + N_OF(takens); k++) {
		const struct q_scanned found = {
			.bytes = k->found.bytes, .files = k->found.files, .until = 8000};
		struct tally t = tally_of(k->tally);
		tally_take_count(&t, k->held, &found, 9000, k->lost_until);
		assert_int_equal(t.scanned, 9000);
		assert_int_equal(t.scanned_until, 8000);
		t.scanned = 0;
		t.scanned_until = 0;
		assert_tally(k->name, &t, k->after);
	}
}

static void
when_to_count_again(void **state)
{
	static const struct {
		const char *tally;
		bool rough, exact;
	} table[] = {
		{"known unsure over moved", false, false},
		{"known changed", false, true},
		{"known missed", true, true},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(table); i++) {
		const struct tally t = tally_of(table[i].tally);
		assert_that(table[i].tally, tally_wants_another(&t, false), table[i].rough);
		assert_that(table[i].tally, tally_wants_another(&t, true), table[i].exact);
	}
}

static void
age(void **state)
{
	static const struct {
		const char *name, *tally;
		uint64_t rescan; /* s */
		int64_t wall;
		const char *after;
	} table[] = {
		{"young", "known scanned 1000", 60, 60999, "known scanned 1000"},
		{"of that age", "known scanned 1000", 60, 61000, "known unsure scanned 1000"},
		{"older", "known scanned 1000", 60, 99000, "known unsure scanned 1000"},
		{"at each login", "known scanned 1000", 0, 1000, "known unsure scanned 1000"},
		{"the clock was set back", "known scanned 9000", 60, 8999,
		 "known unsure scanned 9000"},
		{"just now", "known scanned 9000", 1, 9000, "known scanned 9000"},
		{"before time began", "known scanned MOST-9", 60, INT64_MAX,
		 "known unsure scanned MOST-9"},
		{"unsure before", "known unsure scanned 1", 60, 2, "known unsure scanned 1"},
		{"and old", "known unsure scanned 1", 60, 60001, "known unsure scanned 1"},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(table); i++) {
		struct tally t = tally_of(table[i].tally);
		tally_age(&t, table[i].rescan, table[i].wall);
		assert_tally(table[i].name, &t, table[i].after);
	}
}

/* --- changes --- */

static const struct change {
	const char *name, *tally;
	int64_t bytes, files;
	uint64_t since;
	bool moved, is_one;
	const char *after;
} changes[] = {
	{"none", "used 9 5 known scanning", 0, 0, 1, false, false, "used 9 5 known scanning"},
	{"of what is not known", "used 9 5", 10, 1, 1, true, false, "used 9 5"},
	{"of what comes to be known", "used 9 5 scanning", 10, 1, 1, true, false,
	 "used 9 5 scanning changed moved added 10 1"},
	{"growth after the count", "used 100 5 before 200 6 known until 2000", 10, 1, 2001, false,
	 true, "used 110 6 before 210 7 known until 2000"},
	{"growth from nothing", "known", 10, 1, 1, false, true, "used 10 1 before 10 1 known"},
	{"bytes alone", "used 100 5 known over", -100, 0, 1, false, true, "used 0 5 known over"},
	{"files alone", "used 9 5 known unsure", 0, -5, 1, false, true, "used 9 0 known unsure"},
	{"names after the count", "used 100 5 before 200 6 known until 2000", 0, 0, 2001, true,
	 true, "used 100 5 before 200 6 known until 2000"},
	{"fewer bytes than none", "used 100 5 before 200 6 known", -101, -1, 1, false, true,
	 "used 0 4 before 99 5 known unsure"},
	{"fewer files than none", "used 100 5 before 200 6 known", -1, -6, 1, false, true,
	 "used 99 0 before 199 0 known unsure"},
	{"fewer than none, but not of what holds", "used 100 5 before 9 1 known", -10, -2, 1, false,
	 true, "used 90 3 known"},
	{"the greatest", "used MOST 5 before MOST-1 MOST known", INT64_MAX, INT64_MIN, 1, false,
	 true, "used MOST 0 before MOST 9223372036854775807 known unsure"},
	{"what grew may be in the count", "used 100 5 before 200 6 known until 2000", 10, 1, 2000,
	 false, true, "used 110 6 before 210 7 known over until 2000"},
	{"bytes are not taken away", "used 100 5 before 200 6 known until 2000", -101, 1, 2000,
	 false, true, "used 100 6 before 99 7 known over until 2000"},
	{"nor are files", "used 100 5 before 200 6 known until 2000", 1, -6, 1999, false, true,
	 "used 101 5 before 201 0 known over until 2000"},
	{"names: what was before holds if it is more", "used 100 5 before 200 4 known until 2000",
	 -10, 0, 2000, true, true, "used 190 5 before 190 4 known over until 2000"},
	{"of files too", "used 100 5 before 90 8 known until 2000", 0, 0, 2000, true, true,
	 "used 100 8 before 90 8 known over until 2000"},
	{"bytes that grow while files are counted", "used 100 5 known scanning added 40 3", 10, -1,
	 1, false, true, "used 110 4 before 10 0 known scanning changed added 50 3"},
	{"files that do, where names have changed before",
	 "used 100 5 known scanning moved added 40 3", -10, 1, 1, false, true,
	 "used 90 6 before 0 1 known scanning changed moved added 40 4"},
	{"beyond counting", "scanning added MOST-1 MOST", 2, 1, 1, false, false,
	 "scanning changed added MOST MOST"},
};

static void
changed(void **state)
{
	(void)state;
	for (const struct change *c = changes; c < changes + N_OF(changes); c++) {
		struct tally t = tally_of(c->tally);
		assert_that(c->name, tally_change(&t, c->bytes, c->files, c->since, c->moved),
			    c->is_one);
		assert_tally(c->name, &t, c->after);
	}
}

static const struct released {
	const char *name, *tally;
	struct amount held, release;
	struct {
		int64_t bytes, files;
	} told;
	bool unsure;
	struct amount left;
	const char *after;
} releases[] = {
	{"some", "lost 30 2", {100, 3}, {60, 1}, {50, 0}, false, {40, 2}, "lost 30 2"},
	{"all", "lost 30 2", {100, 3}, {100, 3}, {0, 0}, false, {0, 0}, "lost 30 2"},
	{"more bytes: they are of another process",
	 "lost 30 2",
	 {100, 3},
	 {101, 3},
	 {0, 0},
	 false,
	 {0, 0},
	 "unsure lost 30 2"},
	{"more files", "lost 30 2", {100, 3}, {99, 4}, {0, 0}, false, {1, 0}, "unsure lost 30 2"},
	{"what was unsure", FULL, {100, 3}, {1, 1}, {0, 0}, false, {99, 2}, FULL},
	{"not told: lost", "lost 30 2", {100, 3}, {60, 1}, {50, 0}, true, {40, 2}, "lost 40 3"},
	{"more was told", "lost 30 2", {100, 3}, {60, 1}, {61, 0}, true, {40, 2}, "lost 30 3"},
	{"files too", "lost 30 2", {100, 3}, {60, 3}, {0, 1}, true, {40, 0}, "lost 90 4"},
	{"and more of them", "lost 30 2", {100, 3}, {60, 1}, {0, 2}, true, {40, 2}, "lost 90 2"},
	{"fewer", "lost 30 2", {100, 3}, {0, 1}, {0, -1}, true, {100, 2}, "lost 30 3"},
	{"less than none", "lost 30 2", {100, 3}, {60, 0}, {-50, 0}, true, {40, 3}, "lost 90 2"},
	{"not reserved: not lost",
	 "lost 30 2",
	 {100, 3},
	 {500, 9},
	 {0, 0},
	 true,
	 {0, 0},
	 "unsure lost 130 5"},
	{"beyond counting",
	 "lost 30 2",
	 {MOST, MOST},
	 {MOST, MOST},
	 {0, 0},
	 true,
	 {0, 0},
	 "lost MOST MOST"},
	{"nothing", "lost 30 2", {100, 3}, {0, 0}, {50, 0}, true, {100, 3}, "lost 30 2"},
};

static void
released(void **state)
{
	(void)state;
	for (const struct released *r = releases; r < releases + N_OF(releases); r++) {
		const struct q_change change = {.release_bytes = r->release.bytes,
						.release_files = r->release.files,
						.bytes = r->told.bytes,
						.files = r->told.files,
						.unsure = r->unsure};
		struct tally t = tally_of(r->tally);
		struct amount held = r->held;
		tally_release(&t, &held, &change);
		assert_amount(r->name, held, r->left);
		assert_tally(r->name, &t, r->after);
	}
}

static void
missed_and_lost(void **state)
{
	struct tally t = tally_of("used 100 5 known lost 30 2 lost-until 9");

	(void)state;
	tally_miss(&t, 7);
	assert_tally("missed", &t,
		     "used 100 5 known unsure lost 30 2 lost-until 1000007 changed missed");
	tally_lose(&t, (struct amount){4, 1}, 8);
	assert_tally("lost", &t,
		     "used 100 5 known unsure lost 34 3 lost-until 1000008 changed missed");
	t = tally_of("lost 30 2");
	tally_lose(&t, (struct amount){MOST, MOST}, 7);
	assert_tally("beyond counting", &t,
		     "unsure lost MOST MOST lost-until 1000007 changed missed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amounts),
		cmocka_unit_test(rows),
		cmocka_unit_test(rows_of_tallies),
		cmocka_unit_test(what_is_reserved),
		cmocka_unit_test(granted),
		cmocka_unit_test(when_to_count),
		cmocka_unit_test(what_is_doubtful),
		cmocka_unit_test(counts_that_begin_and_are_dropped),
		cmocka_unit_test(counts_that_fail),
		cmocka_unit_test(counts_that_are_taken),
		cmocka_unit_test(when_to_count_again),
		cmocka_unit_test(age),
		cmocka_unit_test(changed),
		cmocka_unit_test(released),
		cmocka_unit_test(missed_and_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
