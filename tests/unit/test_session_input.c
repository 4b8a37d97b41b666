/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What a session makes of its input: segments, lines that can't be, a client that ends or does not
 * read, and lines that wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plain.h"

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
	run_script(SETUP{PLAIN}, SCRIPT{HELLO, "> ", "< 500 *", "> \xe9\xe8\xff x", "< 500 *",
					"> NOOP", "< 200 *", NULL});
	run_script(SETUP{PLAIN},
		   SCRIPT{HELLO, "> USER a\rb", "< 501 *", "> NOOP", "< 200 *", NULL});
	const char *script[] = {HELLO,    "> ",      "< 500 The command line is too long.",
				"> NOOP", "< 200 *", NULL};
	char *line = malloc(20010);
	snprintf(line, 20010, "> %s", longest);
	script[1] = line;
	run_script(SETUP{PLAIN}, script);
	world_init(&w, SETUP{PLAIN});
	buf_reset(&w.out);
	ftp_session_input(&w.s, "USER u\0x\r\nNOOP\r\n", 16);
	world_expect(&w, "501 *", "it");
	world_expect(&w, "200 *", "it");
	world_deinit(&w);
	free(line);
	free(longest);
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

/* Replies that nobody reads: commands wait, and so does the end of input; then all are answered, in
 * order, and none twice. */
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
		cmocka_unit_test(test_segments),   cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_half_close), cmocka_unit_test(test_long_queue),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
