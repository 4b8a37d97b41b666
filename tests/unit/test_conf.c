/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* wharfd.conf without mistakes: what overrides what, and how it is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/base/address.h>
#include <wharf/conf/options.h>

#include "conf_file.h"
#include "folder.h"

static void
test_forms(void **state)
{
	static const char *const texts[] = {
		"sources = {users, pam} hidden = {\".git\", \"*.key\"} log_format = json",
		"sources = \"users, pam\" hidden = { \".git\" , \"*.key\" } log_format = \"json\"",
		"sources = {\"users\", 'pam'}\nhidden = {.git}\nhidden += "
		"{\"*.key\"}\nlog_format=json",
		"sources = users sources += pam hidden = {} hidden += {.git} 'hidden'+="
		"\"*.key\" log_format = json welcome = \"hidden += {a}\" # hidden += {a}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct conf *conf = read_good(texts[i]);
		const struct settings *s = conf_server(conf);
		assert_int_equal(s->sources.n, 2);
		assert_int_equal(s->sources.item[1], WORD_source_pam);
		assert_int_equal(s->hidden.n, 2);
		assert_string_equal(s->hidden.item[0], ".git");
		assert_string_equal(s->hidden.item[1], "*.key");
		assert_int_equal(s->log_format, WORD_log_format_json);
		conf_free(&conf);
	}
}

static void
assert_listener(const struct conf_listener *l, const char *name, const char *address)
{
	struct buf text = BUF_INIT;

	address_format(&text, &l->address);
	buf_add_byte(&text, '\0');
	assert_string_equal(l->name, name);
	assert_string_equal(text.data, address);
	buf_deinit(&text);
}

static void
test_listeners(void **state)
{
	const struct conf_listener *l;
	struct conf *conf = read_good("");

	(void)state;
	assert_int_equal(conf_listeners(conf, &l), 1);
	assert_listener(&l[0], "default", "[::]:21");
	conf_free(&conf);

	conf = read_good("listener a { }\n"
			 "listener b { port = 2121 address = \"192.0.2.1\" }\n"
			 "listener c { address = \"2001:db8::1\" }\n"
			 "listener d { address = \"*\" port = 2122 }\n");
	assert_int_equal(conf_listeners(conf, &l), 4);
	/* Blocks without anything in them are known when they end. */
	assert_listener(&l[0], "a", "[::]:21");
	assert_listener(&l[1], "b", "192.0.2.1:2121");
	assert_listener(&l[2], "c", "[2001:db8::1]:21");
	assert_listener(&l[3], "d", "[::]:2122");
	conf_free(&conf);
}

static const char overrides[] = "umask = 001\nbanner = server\nwelcome = server\nrights = {read}\n"
				"max_sessions = 7\nmax_sessions_per_user = 3\n"
				"listener a { umask = 002 banner = listener welcome = listener }\n"
				"listener b { port = 22 }\n"
				"client \"10.0.0.0/8\" { umask = 006 welcome = wide }\n"
				"client \"10.1.0.0/16\" { welcome = narrow banner = narrow }\n"
				"client \"::1\" { umask = 007 }\n"
				"group one { umask = 003 welcome = one }\n"
				"group two { umask = 004 hidden = {x} }\n"
				"user u { umask = 005 hidden = {} }\n"
				"user anonymous { max_sessions_per_user = 2 }\n";

static void
test_overrides(void **state)
{
	static const struct slice both[] = {{"two", 3}, {"one", 3}};
	static const struct {
		size_t listener;
		const char *address, *user;
		const struct slice *groups;
		size_t n_groups;
		const char *banner, *welcome;
		uint64_t umask, n_hidden;
		bool client;
	} rows[] = {
		{1, NULL, "", NULL, 0, "server", "server", 01, 0, false},
		{0, NULL, "", NULL, 0, "listener", "listener", 02, 0, false},
		{0, NULL, "x", &both[1], 1, "listener", "one", 03, 0, false},
		/* in the order of the file, not of the subject */
		{0, NULL, "x", both, 2, "listener", "one", 04, 1, false},
		{1, NULL, "u", both, 2, "server", "one", 05, 0, false},
		/* by address: all that hold it, in the order of the file, over the listener's,
		 * under the groups' */
		{0, "192.0.2.1", "", NULL, 0, "listener", "listener", 02, 0, false},
		{0, "10.2.0.1", "", NULL, 0, "listener", "wide", 06, 0, true},
		{0, "10.1.0.1", "", NULL, 0, "narrow", "narrow", 06, 0, true},
		{0, "::ffff:10.1.0.1", "", NULL, 0, "narrow", "narrow", 06, 0, true},
		{1, "::1", "", NULL, 0, "server", "server", 07, 0, true},
		{1, "::2", "", NULL, 0, "server", "server", 01, 0, false},
		{0, "10.1.0.1", "x", &both[1], 1, "narrow", "one", 03, 0, true},
		{0, "10.1.0.1", "u", both, 2, "narrow", "one", 05, 0, true},
	};
	struct conf *conf = read_good(overrides);
	struct settings s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf_subject who = {.listener = rows[i].listener,
					   .user = slice_of(rows[i].user),
					   .groups = rows[i].groups,
					   .n_groups = rows[i].n_groups};
		struct network net;
		if (rows[i].address) {
			assert_int_equal(network_parse(slice_of(rows[i].address), &net), 0);
			assert_int_equal(conf_has_client(conf, &net.address), rows[i].client);
			who.address = &net.address;
		}
		assert_int_equal(conf_settings_for(conf, &who, &s), 0);
		assert_string_equal(s.banner, rows[i].banner);
		assert_string_equal(s.welcome, rows[i].welcome);
		assert_int_equal(s.umask, rows[i].umask);
		assert_int_equal(s.hidden.n, rows[i].n_hidden);
		assert_int_equal(s.max_sessions_per_user, 3);
		settings_deinit(&s);
	}
	assert_int_equal(conf_server(conf)->umask, 01);
	conf_free(&conf);
}

static void
test_anonymous(void **state)
{
	const struct conf_subject who = {.user = SLICE("anonymous")};
	struct conf *conf = read_good("max_sessions = 7\n");
	struct settings s;

	(void)state;
	assert_int_equal(conf_settings_for(conf, &who, &s), 0);
	assert_int_equal(s.rights, RIGHT(read) | RIGHT(list));
	assert_int_equal(s.max_sessions_per_user, 7);
	settings_deinit(&s);
	conf_free(&conf);

	conf = read_good("rights = {read, write}\nuser anonymous { max_sessions_per_user = 5 }\n");
	assert_int_equal(conf_settings_for(conf, &who, &s), 0);
	assert_int_equal(s.rights, RIGHT(read));
	assert_int_equal(s.max_sessions_per_user, 5);
	settings_deinit(&s);
	conf_free(&conf);

	conf = read_good("user anonymous { rights = \"write, list\" }\n");
	assert_int_equal(conf_settings_for(conf, &who, &s), 0);
	assert_int_equal(s.rights, RIGHT(write) | RIGHT(list));
	settings_deinit(&s);
	conf_free(&conf);
}

/* What is printed names its place, and is a configuration again that means the same. */
static void
test_print(void **state)
{
	const struct conf_subject who = {.listener = 0, .user = SLICE("u")};
	struct buf out = BUF_INIT, again = BUF_INIT;
	struct conf *conf = read_good(overrides);

	(void)state;
	conf_print(conf, &who, &out);
	buf_add_byte(&out, '\0');
	assert_non_null(strstr(out.data, "\numask = 005  # c:14\n"));
	assert_non_null(strstr(out.data, "\nbanner = \"listener\"  # c:7\n"));
	assert_non_null(strstr(out.data, "\nhidden = {}  # c\n"));
	assert_non_null(strstr(out.data, "\nidle_timeout = 5m  # default\n"));
	assert_non_null(strstr(out.data, "\nrights = {read}  # c:4\n"));
	conf_free(&conf);

	conf = read_good(out.data);
	conf_print(conf, &(struct conf_subject){0}, &again);
	buf_add_byte(&again, '\0');
	char *rest_a = NULL, *rest_b = NULL;
	const char *a = strtok_r(out.data, "\n", &rest_a);
	const char *b = strtok_r(again.data, "\n", &rest_b);
	size_t lines = 0;
	for (; a && b; a = strtok_r(NULL, "\n", &rest_a), b = strtok_r(NULL, "\n", &rest_b)) {
		const char *end = strstr(a, "  # ");
		assert_non_null(end);
		assert_memory_equal(a, b, end - a);
		lines++;
	}
	assert_int_equal(lines, OPTION_COUNT);
	conf_free(&conf);
	buf_deinit(&out);
	buf_deinit(&again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),     cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_overrides), cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
