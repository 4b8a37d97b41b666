/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The exact bytes of MLSD's facts, for each type, and the lists of their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <wharf/ftp/facts.h>

static void
expect(const struct entry *e, unsigned wanted, const char *text)
{
	struct buf out = BUF_INIT;

	facts_format(&out, e, wanted);
	if (!slice_equal(buf_slice(&out), slice_of(text)))
		fail_msg("%.*s is not %s", SLICE_FMT(buf_slice(&out)), text);
	buf_deinit(&out);
}

static void
test_format(void **state)
{
	(void)state;
	struct entry e = {
		.name = SLICE(" a;b=c d"),
		.owner = SLICE("o;w n"),
		.gid = 100,
		.mode = S_IFREG | 0644,
		.size = 1234,
		.mtime = 1772719320,
		.dev = 0xfd01,
		.ino = 0xabc,
		.perm = ~0u,
	};

	expect(&e, FACT_ALL,
	       "type=file;size=1234;modify=20260305140200;perm=adfrw;unique=fd01gabc;"
	       "UNIX.mode=0644;UNIX.owner=o_w_n;UNIX.group=100;  a;b=c d");
	expect(&e, 0, "  a;b=c d");
	expect(&e, FACT_MODIFY | FACT_SIZE, "size=1234;modify=20260305140200;  a;b=c d");
	e.name = SLICE("d");
	e.type = ENTRY_DIR;
	e.mode = S_IFDIR | 07755;
	expect(&e, FACT_TYPE | FACT_SIZE | FACT_PERM | FACT_UNIX_MODE,
	       "type=dir;perm=cdeflmp;UNIX.mode=7755; d");
	e.perm = PERM_ENTER | PERM_LIST | PERM_RETRIEVE;
	e.type = ENTRY_CDIR;
	expect(&e, FACT_TYPE | FACT_PERM, "type=cdir;perm=el; d");
	e.type = ENTRY_PDIR;
	expect(&e, FACT_TYPE, "type=pdir; d");
	e.type = ENTRY_FILE;
	expect(&e, FACT_TYPE | FACT_PERM, "type=file;perm=r; d");
	e.type = ENTRY_SYMLINK;
	e.perm = ~0u;
	expect(&e, FACT_TYPE | FACT_SIZE | FACT_PERM, "type=OS.unix=symlink;perm=df; d");
	e.target = SLICE("../a b");
	expect(&e, FACT_TYPE | FACT_PERM, "type=OS.unix=slink:../a b;perm=df; d");
	e.target = SLICE("a;b");
	expect(&e, FACT_TYPE, "type=OS.unix=symlink; d");
	e.target = SLICE("a\r\nb");
	expect(&e, FACT_TYPE, "type=OS.unix=symlink; d");
	e.type = ENTRY_SPECIAL;
	e.dev = UINT64_MAX;
	e.ino = 0;
	expect(&e, FACT_TYPE | FACT_UNIQUE, "type=OS.unix=special;unique=ffffffffffffffffg0; d");
}

static void
test_each_perm(void **state)
{
	(void)state;
	static const struct {
		unsigned perm;
		enum entry_type type;
		const char *text;
	} rows[] = {
		{PERM_APPEND, ENTRY_FILE, "perm=a; x"},   {PERM_CREATE, ENTRY_DIR, "perm=c; x"},
		{PERM_DELETE, ENTRY_DIR, "perm=d; x"},    {PERM_ENTER, ENTRY_DIR, "perm=e; x"},
		{PERM_RENAME, ENTRY_FILE, "perm=f; x"},   {PERM_LIST, ENTRY_DIR, "perm=l; x"},
		{PERM_MKDIR, ENTRY_DIR, "perm=m; x"},     {PERM_PURGE, ENTRY_DIR, "perm=p; x"},
		{PERM_RETRIEVE, ENTRY_FILE, "perm=r; x"}, {PERM_STORE, ENTRY_FILE, "perm=w; x"},
		{PERM_STORE, ENTRY_DIR, "perm=; x"},      {PERM_ENTER, ENTRY_FILE, "perm=; x"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct entry e = {.name = SLICE("x"), .perm = rows[i].perm, .type = rows[i].type};
		expect(&e, FACT_PERM, rows[i].text);
	}
}

static void
test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *arg;
		int result;
		unsigned wanted;
	} rows[] = {
		{"", 0, 0},
		{";", 0, 0},
		{"size;", 0, FACT_SIZE},
		{"size", 0, FACT_SIZE},
		{"SIZE;Modify;", 0, FACT_SIZE | FACT_MODIFY},
		{"type;size;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;", 0, FACT_ALL},
		{"unix.mode;size;size", 0, FACT_SIZE | FACT_UNIX_MODE},
		{"create;sizes;siz;lang;type;", 0, FACT_TYPE},
		{"create;", 0, 0},
		{";;type;;", 0, FACT_TYPE},
		{"type; size;", FACTS_BAD, 0},
		{" ", FACTS_BAD, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned wanted = 0xdead;
		assert_int_equal(facts_parse(slice_of(rows[i].arg), &wanted), rows[i].result);
		assert_int_equal(wanted, rows[i].result ? 0xdead : rows[i].wanted);
	}
}

static void
test_names(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;

	facts_format_names(&out, FACT_ALL, FACT_ALL);
	assert_true(
		slice_equal(buf_slice(&out), SLICE("type*;size*;modify*;perm*;unique*;UNIX.mode*;"
						   "UNIX.owner*;UNIX.group*;")));
	buf_reset(&out);
	facts_format_names(&out, FACT_TYPE | FACT_SIZE | FACT_PERM, FACT_SIZE | FACT_MODIFY);
	assert_true(slice_equal(buf_slice(&out), SLICE("type;size*;perm;")));
	buf_reset(&out);
	facts_format_names(&out, 0, FACT_ALL);
	assert_int_equal(out.len, 0);
	buf_deinit(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_each_perm),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
