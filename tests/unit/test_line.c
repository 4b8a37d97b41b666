/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Each conversation is read whole, a byte at a time, and cut at every one and every two places:
 * always the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/ftp/line.h>

#define MAX 16

struct talk {
	struct slice in;
	const char *out; /* lines, TOO_LONG, BAD; "more" where bytes of a line are left */
};

#define TALK(in, out)          \
	{                      \
		SLICE(in), out \
	}

static const struct talk talks[] = {
	TALK("", ""),
	TALK("NOOP\r\n", "NOOP|"),
	TALK("NOOP\n", "NOOP|"),
	TALK("\r\n\n", "||"),
	TALK("USER a\r\nPASS b\nCWD c\r\n", "USER a|PASS b|CWD c|"),
	TALK("NO", "more"),
	TALK("NO\r", "more"),
	TALK("CWD \351\200\r\n", "CWD \351\200|"),
	TALK("  \t x \r\n", "  \t x |"),
	/* too long: exactly MAX is not */
	TALK("0123456789abcdef\r\nA\n", "0123456789abcdef|A|"),
	TALK("0123456789abcdef\nA\n", "0123456789abcdef|A|"),
	TALK("0123456789abcdefg\r\nA\n", "TOO_LONG|A|"),
	TALK("0123456789abcdefMKD pwn and much more of it\r\nA\n", "TOO_LONG|A|"),
	TALK("0123456789abcdef\rMKD\0\xff\xfa pwn\nA\n", "TOO_LONG|A|"),
	TALK("0123456789abcdefg", "TOO_LONG|"),
	TALK("\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\nA\n", "TOO_LONG|A|"),
	TALK("0123456789abcdef\xff\nA\n", "TOO_LONG|A|"),
	TALK("0123456789abcde\xff\nA\n", "0123456789abcde\xff|A|"),
	/* NUL and CR */
	TALK("USER u\0x\r\nA\r\n", "BAD|A|"),
	TALK("\0\r\nA\r\n", "BAD|A|"),
	TALK("MKD a\rb\r\nA\r\n", "BAD|A|"),
	TALK("A\r\r\nB\n", "BAD|B|"),
	TALK("A\r\0\nB\n", "BAD|B|"),
	/* Telnet */
	TALK("\xff\xf4\xff\xf2"
	     "ABOR\r\n",
	     "ABOR|"),
	TALK("\xff\xf4\xf2"
	     "ABOR\r\n",
	     "ABOR|"),
	TALK("\xf2"
	     "ABOR\r\n",
	     "ABOR|"),
	TALK("CWD \xf2\r\n", "CWD \xf2|"),
	TALK("a\xff\xff"
	     "b\n",
	     "a\xff"
	     "b|"),
	TALK("a\xff\xff\xff\xff"
	     "b\n",
	     "a\xff\xff"
	     "b|"),
	TALK("a\xff"
	     "b\n",
	     "a\xff"
	     "b|"),
	TALK("a\xff\r\nB\n", "a\xff|B|"),
	TALK("a\xff\nB\n", "a\xff|B|"),
	TALK("a\xff\0\nB\n", "BAD|B|"),
	TALK("a\r\xff\xf1\nB\n", "a|B|"),
	TALK("a\r\xff\xff\nB\n", "BAD|B|"),
	TALK("\xff\xfb\x01\xff\xfc\x02\xff\xfd\x03\xff\xfe\xffNO\n", "NO|"),
	TALK("\xff\xfd\nA\n", "BAD|A|"),
	TALK("N\xff\xf1O\xff\xf5O\xff\xf9P\n", "NOOP|"),
	TALK("N\xff\xfa\x18\0\rx\xff\xf0O\n", "NO|"),
	TALK("N\xff\xfa\x18\xff\xffx\xff\xf0O\n", "NO|"),
	TALK("N\xff\xfa\x18\nA\n", "BAD|A|"),
	TALK("N\xff\xfa\xff\nA\n", "BAD|A|"),
	TALK("\xff\xfa"
	     "0123456789abcdefghijklmn\nA\n",
	     "TOO_LONG|A|"),
	TALK("\xff\xf1\xff\xf1\xff\xf1\xff\xf1\xff\xf1\xff\xf1\xff\xf1\xff\xf1\xff\xf1\nA\n",
	     "TOO_LONG|A|"),
	TALK("\xff", "more"),
};

static void
feed(struct line_reader *r, struct slice in, struct buf *out)
{
	struct slice line;
	size_t used;

	for (;;) {
		/* A copy of the right size, so that a sanitizer sees a byte too many. */
		char *copy = malloc(in.n ? in.n : 1);
		if (in.n)
			memcpy(copy, in.p, in.n);
		int result = line_reader_feed(r, copy, in.n, &used, &line);
		free(copy);
		assert_true(result >= 0 && used <= in.n);
		in = slice_from(in, used);
		if (result == LINE_MORE) {
			assert_int_equal(in.n, 0);
			return;
		}
		if (result == LINE_READY)
			buf_add_slice(out, line);
		else
			buf_add_str(out, result == LINE_BAD ? "BAD" : "TOO_LONG");
		buf_add_byte(out, '|');
	}
}

/* Reads the talk in pieces that end at a and at b, or a byte at a time when step is set. */
static void
check(const struct talk *t, size_t a, size_t b, bool step)
{
	struct line_reader r;
	struct buf out = BUF_INIT;
	struct slice in = t->in;

	line_reader_init(&r, MAX);
	if (step) {
		for (size_t i = 0; i < in.n; i++)
			feed(&r, slice_head(slice_from(in, i), 1), &out);
	} else {
		feed(&r, slice_head(in, a), &out);
		feed(&r, slice_head(slice_from(in, a), b - a), &out);
		feed(&r, slice_from(in, b), &out);
	}
	if (r.text.len > 0 || r.telnet)
		buf_add_str(&out, "more");
	else
		assert_null(r.text.data);
	buf_add_byte(&out, '\0');
	assert_string_equal(out.data, t->out);
	buf_deinit(&out);
	line_reader_deinit(&r);
}

static void
test_every_segmentation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		for (size_t b = 0; b <= talks[i].in.n; b++)
			for (size_t a = 0; a <= b; a++)
				check(&talks[i], a, b, false);
		check(&talks[i], 0, 0, true);
	}
}

/*
 * A line of any length followed by a command: the tail is never a line of its own (CVE-2008-4242).
 */
static void
test_no_tail_is_executed(void **state)
{
	(void)state;
	for (size_t n = 0; n < 3000; n++) {
		struct line_reader r;
		struct buf out = BUF_INIT;
		char *xs = malloc(n + 1);

		memset(xs, n % 2 ? 'X' : 0xff, n);
		line_reader_init(&r, 1024);
		feed(&r, (struct slice){xs, n}, &out);
		feed(&r, SLICE("MKD pwn\r\nNOOP\r\n"), &out);
		buf_add_byte(&out, '\0');
		if (n > 0)
			assert_true(strncmp(out.data, "MKD", 3) != 0);
		assert_non_null(strstr(out.data, "|NOOP|"));
		/* The 0xff come in pairs, of which each is one byte. */
		size_t bytes = (n % 2 ? n : n / 2) + 7;
		assert_int_equal(strncmp(out.data, "TOO_LONG|", 9) == 0, bytes > 1024);
		buf_deinit(&out);
		line_reader_deinit(&r);
		free(xs);
	}
}

static void
test_endless_line_takes_no_memory(void **state)
{
	(void)state;
	struct line_reader r;
	struct slice line;
	char block[4096];
	size_t used;
	int told = 0;

	memset(block, 'x', sizeof(block));
	line_reader_init(&r, 4096);
	for (int i = 0; i < 2560; i++) {
		for (size_t at = 0; at < sizeof(block); at += used) {
			int result = line_reader_feed(&r, block + at, sizeof(block) - at, &used,
						      &line);
			told += result == LINE_TOO_LONG;
			assert_true(result == LINE_TOO_LONG || result == LINE_MORE);
		}
	}
	assert_int_equal(told, 1);
	assert_null(r.text.data);
	assert_int_equal(line_reader_feed(&r, "\nQUIT\n", 6, &used, &line), LINE_READY);
	assert_true(slice_equal(line, SLICE("QUIT")));
	line_reader_deinit(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_segmentation),
		cmocka_unit_test(test_no_tail_is_executed),
		cmocka_unit_test(test_endless_line_takes_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
