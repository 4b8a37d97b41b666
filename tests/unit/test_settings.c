/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Settings: every default, the bytes there and back, and bytes that somebody cut or bent. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/conf/options.h>
#include <wharf/conf/settings.h>
#include <wharf/conf/value.h>

static void
set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	assert_non_null(*field);
}

/* Settings of which every type holds something else than its default. */
static void
make_unusual(struct settings *s)
{
	assert_int_equal(settings_init(s), 0);
	s->allow_root = true;
	s->idle_timeout = 86400;
	s->download_rate = 1099511627776;
	s->umask = 0777;
	s->passive_ports = (struct port_range){1, 65535};
	s->log_level = WORD_log_level_debug;
	s->rights = RIGHT(read) | RIGHT(chmod);
	s->sources = (struct order){{WORD_source_anonymous, WORD_source_users}, 2};
	set_text(&s->banner, "\xc3\xa4 \"quoted\" \xff");
	s->hidden.item = calloc(2, sizeof(char *));
	s->hidden.n = 2;
	set_text(&s->hidden.item[0], "*.key");
	set_text(&s->hidden.item[1], ".git");
}

static void
assert_same(const struct settings *a, const struct settings *b)
{
	struct buf left = BUF_INIT, right = BUF_INIT;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		value_print(&option_rows[i], (const char *)a + option_rows[i].offset, &left);
		value_print(&option_rows[i], (const char *)b + option_rows[i].offset, &right);
	}
	assert_int_equal(left.len, right.len);
	assert_memory_equal(left.data, right.data, left.len);
	buf_deinit(&left);
	buf_deinit(&right);
}

static void
test_defaults(void **state)
{
	struct settings s;

	(void)state;
	assert_int_equal(settings_init(&s), 0);
	assert_string_equal(s.run_as, "wharfd");
	assert_true(s.active);
	assert_false(s.allow_root);
	assert_int_equal(s.idle_timeout, 300);
	assert_int_equal(s.idle_timeout_max, 3600);
	assert_int_equal(s.passive_ports.low, 49152);
	assert_int_equal(s.passive_ports.high, 65534);
	assert_int_equal(s.umask, 022);
	assert_int_equal(s.rights, 0xff);
	assert_int_equal(s.sources.n, 2);
	assert_int_equal(s.sources.item[0], WORD_source_users);
	assert_int_equal(s.sources.item[1], WORD_source_pam);
	assert_int_equal(s.log_level, WORD_log_level_info);
	assert_int_equal(s.hidden.n, 0);
	assert_string_equal(s.xferlog, "");
	settings_deinit(&s);
}

static void
test_round_trip(void **state)
{
	struct settings s, back, copy;
	struct buf bytes = BUF_INIT;

	(void)state;
	make_unusual(&s);
	settings_encode(&s, &bytes);
	assert_int_equal(buf_error(&bytes), 0);
	assert_int_equal(settings_decode(&back, buf_slice(&bytes)), 0);
	assert_same(&s, &back);
	assert_string_equal(back.hidden.item[1], ".git");
	assert_int_equal(back.rights, RIGHT(read) | RIGHT(chmod));
	assert_int_equal(settings_copy(&copy, &back), 0);
	settings_deinit(&back);
	assert_same(&s, &copy);
	settings_deinit(&copy);
	settings_deinit(&s);
	buf_deinit(&bytes);
}

static void
test_cut(void **state)
{
	struct settings s, back;
	struct buf bytes = BUF_INIT;

	(void)state;
	make_unusual(&s);
	settings_encode(&s, &bytes);
	for (size_t n = 0; n < bytes.len; n++) {
		/* A copy of that size, so that a sanitizer sees a read behind it. */
		char *cut = malloc(n + !n);
		assert_non_null(cut);
		memcpy(cut, bytes.data, n);
		assert_int_equal(settings_decode(&back, (struct slice){cut, n}), -EBADMSG);
		free(cut);
	}
	buf_add_byte(&bytes, 0);
	assert_int_equal(settings_decode(&back, buf_slice(&bytes)), -EBADMSG);
	settings_deinit(&s);
	buf_deinit(&bytes);
}

/* Whatever a byte becomes, the answer is either an error or settings whose own bytes are the same.
 */
static void
test_garbage(void **state)
{
	struct settings s, back;
	struct buf bytes = BUF_INIT, again = BUF_INIT;
	size_t refused = 0;

	(void)state;
	make_unusual(&s);
	settings_encode(&s, &bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		static const char bent[] = {0, 1, 5, 0x7f, (char)0x80, (char)0xff};
		char was = bytes.data[i];
		for (size_t k = 0; k < sizeof(bent); k++) {
			bytes.data[i] = bent[k];
			int r = settings_decode(&back, buf_slice(&bytes));
			if (r < 0) {
				assert_int_equal(r, -EBADMSG);
				refused++;
				continue;
			}
			buf_reset(&again);
			settings_encode(&back, &again);
			assert_int_equal(again.len, bytes.len);
			assert_memory_equal(again.data, bytes.data, bytes.len);
			settings_deinit(&back);
		}
		bytes.data[i] = was;
	}
	assert_true(refused > bytes.len);
	settings_deinit(&s);
	buf_deinit(&bytes);
	buf_deinit(&again);
}

/* One field out of its range each; the encoder does not check, the decoder must. */
static void
test_ranges(void **state)
{
	struct settings s, back;
	struct buf bytes = BUF_INIT;

	(void)state;
	for (int i = 0; i < 9; i++) {
		assert_int_equal(settings_init(&s), 0);
		switch (i) {
		case 0:
			s.idle_timeout = 9;
			break;
		case 1:
			s.idle_timeout = 86401;
			break;
		case 2:
			s.umask = 01000;
			break;
		case 3:
			s.rights = 1U << 8;
			break;
		case 4:
			s.log_level = 4;
			break;
		case 5:
			s.passive_ports = (struct port_range){2000, 1999};
			break;
		case 6:
			s.sources = (struct order){{1, 1}, 2};
			break;
		case 7:
			s.sources = (struct order){{3}, 1};
			break;
		case 8:
			set_text(&s.banner, "two\nlines");
			break;
		}
		buf_reset(&bytes);
		settings_encode(&s, &bytes);
		assert_int_equal(settings_decode(&back, buf_slice(&bytes)), -EBADMSG);
		settings_deinit(&s);
	}
	buf_deinit(&bytes);
}

/* The enums in settings.h stand in the order of words.def. */
static void
test_words(void **state)
{
	static const struct {
		const char *set, *word;
		size_t value;
	} rows[] = {
#define WORD_AS(set, name, spelling, text) {#set, spelling, WORD_##set##_##name},
#define WORD(set, name, text)              WORD_AS(set, name, #name, text)
#include <wharf/conf/words.def>
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n;
		const struct word_row *words = option_words(rows[i].set, &n);
		assert_true(rows[i].value < n);
		assert_string_equal(words[rows[i].value].name, rows[i].word);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut),      cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_ranges),   cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
