/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* One value by its type: what is taken, how it is printed again, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/conf/settings.h>
#include <wharf/conf/suggest.h>
#include <wharf/conf/value.h>

union value {
	struct settings any; /* as large as anything */
	uint64_t number;
};

/* An option, what stands behind it, and what is printed of it; or NULL when it is refused. */
static const struct {
	const char *option, *text, *printed;
} rows[] = {
	{"active", "yes", "yes"},
	{"active", " no ", "no"},
	{"active", "YES", NULL},
	{"active", "", NULL},
	{"max_sessions", "1", "1"},
	{"max_sessions", "1000000", "1000000"},
	{"max_sessions", "1000001", NULL},
	{"max_sessions", "0", NULL},
	{"max_sessions", "+1", NULL},
	{"max_sessions", "1k", NULL},
	{"max_sessions", "", NULL},
	{"max_sessions", "18446744073709551617", NULL},
	{"minimum_uid", "4294967294", "4294967294"},
	{"idle_timeout", "10", "10s"},
	{"idle_timeout", "90s", "90s"},
	{"idle_timeout", "120", "2m"},
	{"idle_timeout", "24h", "1d"},
	{"idle_timeout", "1d", "1d"},
	{"idle_timeout", "2d", NULL},
	{"idle_timeout", "1h30m", NULL},
	{"idle_timeout", "h", NULL},
	{"idle_timeout", "307445734561825861m", NULL}, /* times 60 it would be 44 */
	{"idle_timeout", "1 day", "1d"},
	{"idle_timeout", " 90 seconds ", "90s"},
	{"idle_timeout", "12hours", "12h"},
	{"idle_timeout", "30 minutes", "30m"},
	{"idle_timeout", "minutes", NULL},
	{"idle_timeout", "1 day s", NULL},
	{"idle_timeout", "1 dayss", NULL},
	{"idle_timeout", "1 d", NULL},
	{"idle_timeout", "1 Day", NULL},
	{"idle_timeout", "-1 day", NULL},
	{"idle_timeout", "307445734561825861 minutes", NULL},
	{"login_delay", "0", "0"},
	{"download_rate", "1048576", "1M"},
	{"download_rate", "3K", "3K"},
	{"download_rate", "1T", "1T"},
	{"download_rate", "2T", NULL},
	{"download_rate", "16777216T", NULL},
	{"umask", "0", "000"},
	{"umask", "0777", "777"},
	{"umask", "7", "007"},
	{"umask", "02", "002"},
	{"umask", "022", "022"},
	{"umask", "0022", "022"},
	{"umask", "22", NULL},
	{"umask", "77", NULL},
	{"umask", "1777", NULL},
	{"umask", "8", NULL},
	{"passive_ports", "1-65535", "1-65535"},
	{"passive_ports", "50 - 60", "50-60"},
	{"passive_ports", "60-60", "60-60"},
	{"passive_ports", "60-59", NULL},
	{"passive_ports", "0-59", NULL},
	{"passive_ports", "1-65536", NULL},
	{"passive_ports", "-5", NULL},
	{"log_level", "debug", "debug"},
	{"log_level", "Debug", NULL},
	{"rights", "chmod,read", "{read, chmod}"},
	{"rights", "", "{}"},
	{"rights", "read,", NULL},
	{"rights", "read, read", NULL},
	{"sources", " anonymous , users ", "{anonymous, users}"},
	{"sources", "", NULL},
	{"banner", " a \"b\" \\ \xff", "\" a \\\"b\\\" \\\\ \xff\""},
	{"banner", "", "\"\""},
	{"banner", "a\tb", NULL},
	{"banner", "a\x7f", NULL},
	{"hidden", "a, b", "{\"a, b\"}"},
	{"hidden", "", "{}"},
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct option_row *row = option_find(slice_of(rows[i].option));
		struct slice item = slice_of(rows[i].text);
		struct buf out = BUF_INIT;
		union value value, copy;

		assert_non_null(row);
		int r = value_parse(row, &item, 1, &value, &out);
		assert_int_equal(r, rows[i].printed ? 0 : VALUE_WRONG);
		if (r) {
			assert_true(out.len > 0);
			buf_deinit(&out);
			continue;
		}
		assert_int_equal(out.len, 0);
		assert_int_equal(value_copy(row, &copy, &value), 0);
		value_free(row, &value);
		value_print(row, &copy, &out);
		buf_add_byte(&out, '\0');
		assert_string_equal(out.data, rows[i].printed);
		value_free(row, &copy);
		buf_deinit(&out);
	}
}

static void
test_long_text(void **state)
{
	char text[VALUE_TEXT_MAX + 2];
	union value value;
	struct buf why = BUF_INIT;
	const struct option_row *row = &option_rows[OPTION_NR_banner];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(value_parse(row, &(struct slice){text, VALUE_TEXT_MAX}, 1, &value, &why),
			 0);
	value_free(row, &value);
	assert_int_equal(
		value_parse(row, &(struct slice){text, VALUE_TEXT_MAX + 1}, 1, &value, &why),
		VALUE_WRONG);
	buf_deinit(&why);
}

static void
test_suggest(void **state)
{
	static const struct {
		const char *word, *best;
	} words[] = {
		{"umsk", "umask"},   {"umaks", "umask"},
		{"UMASK", "umask"},  {"root", "root"},
		{"rot", "root"},     {"x", NULL},
		{"", NULL},          {"passive", NULL},
		{"hiden", "hidden"}, {"a_very_long_word_that_is_longer_than_any_option_is", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct suggest s = SUGGEST(slice_of(words[i].word));
		suggest_try(&s, "hidden");
		suggest_try(&s, "root");
		suggest_try(&s, "umask");
		if (words[i].best)
			assert_string_equal(s.best, words[i].best);
		else
			assert_null(s.best);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_suggest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
