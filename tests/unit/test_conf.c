/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* wharfd.conf: every kind of mistake with its exact report, what overrides what, and how it is
 * shown. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/address.h>
#include <wharf/conf/conf.h>
#include <wharf/conf/options.h>

static char folder[] = "/tmp/wharf-conf-XXXXXX";

static int
enter_folder(void **state)
{
	(void)state;
	return !mkdtemp(folder) || chdir(folder) < 0;
}

static int
leave_folder(void **state)
{
	(void)state;
	return chdir("/") < 0 || rmdir(folder) < 0;
}

static void
write_file(const char *name, struct slice text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	fclose(f);
}

static struct conf *
read_good(const char *text)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;

	write_file("c", slice_of(text));
	int r = conf_read("c", &conf, &report);
	buf_add_byte(&report.text, '\0');
	assert_string_equal(report.text.data, "");
	assert_int_equal(r, 0);
	assert_int_equal(report.mistakes, 0);
	conf_report_deinit(&report);
	unlink("c");
	return conf;
}

struct bad {
	const char *text;
	const char *report;
	const char *included; /* as the file "inc", or NULL */
};

static const struct bad bads[] = {
	/* unknown names */
	{"umsk = 022\n", "c:1: \"umsk\" is no option; did you mean umask?\n", NULL},
	{"\n\nquux = {a, b}\nlogin_trys = 2\n",
	 "c:3: \"quux\" is no option\n"
	 "c:4: \"login_trys\" is no option; did you mean login_tries?\n",
	 NULL},
	{"lisener a { port = 1 }\n",
	 "c:1: \"lisener\" is no block; listener, group and user are; did you mean listener?\n",
	 NULL},
	{"stuff {\n x = 1\n}\n", "c:2: \"stuff\" is no block; listener, group and user are\n",
	 NULL},
	{"listener a {\n prt = 1\n}\n", "c:2: \"prt\" is no option; did you mean port?\n", NULL},
	{"user a { listener b { port = 1 } umask = 9 }\n",
	 "c:1: listener: a block does not stand in a block\n"
	 "c:1: umask: \"9\" is not an octal number from 000 to 777\n",
	 NULL},
	/* values: all of them in one run */
	{"umask = 1000\nactive = on\nlog_format = jsn\nidle_timeout = 5x\ndownload_rate = -1\n"
	 "max_sessions = 0\npassive_ports = 100\nsources = users, pam\n",
	 "c:8: unexpected token ','; nothing behind this was read\n"
	 "c:1: umask: \"1000\" is not an octal number from 000 to 777\n"
	 "c:2: active: \"on\" is not yes or no\n"
	 "c:3: log_format: \"jsn\" is not one of text, json; did you mean json?\n"
	 "c:4: idle_timeout: \"5x\" is not a time (seconds, or with s, m, h or d behind) "
	 "from 10 to 86400 seconds\n"
	 "c:5: download_rate: \"-1\" is not a size (bytes, or with K, M, G or T behind) "
	 "from 0 to 1099511627776 bytes a second\n"
	 "c:6: max_sessions: \"0\" is not a whole number from 1 to 1000000 sessions\n"
	 "c:7: passive_ports: \"100\" is not a range of ports, low-high, from 1 to 65535\n",
	 NULL},
	{"passive_ports = 200-100\nsources = {users, pam, users}\nrights = {read,\n raed}\n"
	 "umask = {022, 022}\nhidden = {\"a\", \"\"}\n",
	 "c:1: passive_ports: \"200-100\" is not a range of ports, low-high, from 1 to 65535\n"
	 "c:2: sources: \"users\" stands there twice\n"
	 "c:3: rights: \"raed\" is not one of read, write, overwrite, delete, rename, mkdir, "
	 "list, chmod; did you mean read?\n"
	 "c:5: umask: it takes one value, not a list\n"
	 "c:6: hidden: an item of the list is empty\n",
	 NULL},
	{"banner = \"a\\nb\"\nsources = \"\"\n",
	 "c:1: banner: a text has no control characters\n"
	 "c:2: sources: it needs at least one word\n",
	 NULL},
	{"umask = {}\n", "c: umask: it takes one value, not a list\n", NULL},
	/* places */
	{"user a {\n run_as = x\n banner = x\n port = 1\n}\ngroup g { workers = 1 }\n"
	 "listener l { workers = 1 }\nport = 21\n",
	 "c:2: run_as: this does not stand in a user block, but outside of all\n"
	 "c:3: banner: this does not stand in a user block, but in a listener block or outside "
	 "of all\n"
	 "c:4: port: this stands in a listener block only\n"
	 "c:6: workers: this does not stand in a group block, but outside of all\n"
	 "c:7: workers: this does not stand in a listener block, but outside of all\n"
	 "c:8: port: this stands in a listener block only\n",
	 NULL},
	{"umask = 1\numask = 2\nlistener a { port = 1\n port = 2 }\n",
	 "c:2: umask: it was set at c:1 already\n"
	 "c:4: port: it was set at c:3 already\n",
	 NULL},
	{"user a { umask = 1 }\nuser a { umask = 2 }\n",
	 "c:2: user \"a\": there is a block of that name at c:1\n", NULL},
	{"listener a { port = 0 }\nlistener b { address = \"localhost\" port = 1 }\n",
	 "c:1: port: \"0\" is not a whole number from 1 to 65535\n"
	 "c:2: address: \"localhost\" is not \"*\", nor an IPv4 or IPv6 address\n",
	 NULL},
	{"listener a { port = 21 }\nlistener b { address = \"::\" }\n",
	 "c:2: listener \"b\" has the address and port of listener \"a\"\n", NULL},
	/* form, and what was found before */
	{"umask = x\nuser a { umask = 1\n",
	 "c:2: a brace opens here and does not close\n"
	 "c:1: umask: \"x\" is not an octal number from 000 to 777\n",
	 NULL},
	{"umask = \"022\n", "c:1: a quote opens here and does not close\n", NULL},
	{"umask = 022 }\n", "c:1: unexpected closing brace; nothing behind this was read\n", NULL},
	{"banner = Hello there\nactive = maybe\n",
	 "c:2: \"there\" is no option and no block; a text with blanks needs quotes; nothing "
	 "behind this was read\n",
	 NULL},
	{"hidden = *.key\n", "c:1: a text with * needs quotes\n", NULL},
	{"# * and\n/* * \n */ banner = \"*\" // *\nwelcome = '*'\nactive = 'a\\'*'\n",
	 "c:5: active: \"a'*\" is not yes or no\n", NULL},
	{"umask = 022\n/* umask = 9\n", "c:2: a comment opens here and does not close\n", NULL},
	{"a|b = 3\n", "c:1: no sub-section title/index for 'a'; nothing behind this was read\n",
	 NULL},
	/* includes */
	{"include(\"inc\")\numask = 9\n",
	 "inc:2: \"ative\" is no option; did you mean active?\n"
	 "inc:3: umask: \"8\" is not an octal number from 000 to 777\n"
	 "c:2: umask: \"9\" is not an octal number from 000 to 777\n",
	 "\native = 1\numask = 8\n"},
	{"include(\"inc\")\numask = 022\n", "c:2: umask: it was set at inc:1 already\n",
	 "umask = 022\n"},
	{"include(\"inc\")\numask = 9\n",
	 "inc:1: unexpected closing brace; nothing behind this was read\n", "}"},
	{"include(\"inc\")\n", "inc:1: files include each other too deeply\n", "include(\"inc\")"},
	{"include(\"nowhere\")\numask = 9\n",
	 "c:1: include: nowhere: No such file or directory\n"
	 "c:2: umask: \"9\" is not an octal number from 000 to 777\n",
	 NULL},
	{"include = \"inc\"\numask = 9\n",
	 "c:1: include is written as include(\"file\")\n"
	 "c:2: umask: \"9\" is not an octal number from 000 to 777\n",
	 NULL},
	{"umask=022 include=inc\nworkers = 9999 include ='a b' umsk = 1\ninclude =",
	 "c:1: include is written as include(\"file\")\n"
	 "c:2: include is written as include(\"file\")\n"
	 "c:3: include is written as include(\"file\")\n"
	 "c:2: workers: \"9999\" is not a whole number from 0 to 256 processes\n"
	 "c:2: \"umsk\" is no option; did you mean umask?\n",
	 NULL},
	{"include(\"a\", \"b\")\n", "c:1: include takes one file, as include(\"file\")\n", NULL},
	/* across options */
	{"idle_timeout = 2h\nuser a {\n idle_timeout_max = 60\n}\nuser b { idle_timeout = 3h }\n",
	 "c:1: idle_timeout is 7200s, more than idle_timeout_max, 3600s\n"
	 "c:3: idle_timeout is 7200s, more than idle_timeout_max, 60s\n"
	 "c:5: idle_timeout is 10800s, more than idle_timeout_max, 3600s\n",
	 NULL},
	{"allow_root = yes\n", "c:1: allow_root: it needs minimum_uid = 0, which is 1000\n", NULL},
	{"hidden = {\".git\", \"a/b\"}\n",
	 "c:1: hidden: \"a/b\" is not a pattern for one name: it has a \"/\"\n", NULL},
	{"root = srv\nuser a { root = \"/srv/%x\" }\ngroup b { root = \"%h/ftp/%\" }\n",
	 "c:1: root: \"srv\" is not an absolute path, and does not begin with %h\n"
	 "c:3: root: \"%h/ftp/%\" is not a path where each % is %u or %h\n"
	 "c:2: root: \"/srv/%x\" is not a path where each % is %u or %h\n",
	 NULL},
	{"log = syslog\nxferlog = x\nusers_file = \"\"\npam_service = \"../x\"\nrun_as = \"\"\n",
	 "c:5: run_as: \"\" is not a name\n"
	 "c:3: users_file: \"\" is not an absolute path\n"
	 "c:4: pam_service: \"../x\" is not a name\n"
	 "c:1: log: \"syslog\" is not stderr, nor an absolute path\n"
	 "c:2: xferlog: \"x\" is not an absolute path\n",
	 NULL},
	{"passive_address = {\"* = 0.0.0.0\"}\nlistener l { passive_address = \"10.0.0.0/33 = "
	 "10.0.0.1\" }\n"
	 "listener m { port = 22 passive_address = {\"* = ::1\", \"10.0.0.5\"} }\n",
	 "c:1: passive_address: \"* = 0.0.0.0\" is not \"network = IPv4 address\", as "
	 "\"10.0.0.0/8 = 10.0.0.5\" or \"* = 192.0.2.7\"\n"
	 "c:2: passive_address: \"10.0.0.0/33 = 10.0.0.1\" is not \"network = IPv4 address\", as "
	 "\"10.0.0.0/8 = 10.0.0.5\" or \"* = 192.0.2.7\"\n"
	 "c:3: passive_address: \"* = ::1\" is not \"network = IPv4 address\", as "
	 "\"10.0.0.0/8 = 10.0.0.5\" or \"* = 192.0.2.7\"\n"
	 "c:3: passive_address: \"10.0.0.5\" is not \"network = IPv4 address\", as "
	 "\"10.0.0.0/8 = 10.0.0.5\" or \"* = 192.0.2.7\"\n",
	 NULL},
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct conf_report report = {0};
		struct conf *conf = NULL;
		size_t lines = 0;

		write_file("c", slice_of(bads[i].text));
		if (bads[i].included)
			write_file("inc", slice_of(bads[i].included));
		assert_int_equal(conf_read("c", &conf, &report), CONF_MISTAKES);
		assert_null(conf);
		buf_add_byte(&report.text, '\0');
		assert_string_equal(report.text.data, bads[i].report);
		for (const char *p = report.text.data; *p; p++)
			lines += *p == '\n';
		assert_int_equal(report.mistakes, lines);
		conf_report_deinit(&report);
		unlink("inc");
		unlink("c");
	}
}

/* A mistake before must not leave libconfuse's lexer in a state that the next reading would meet,
 * as after a HUP. */
static void
test_good_after_bad(void **state)
{
	for (int i = 0; i < 20; i++) {
		struct conf *conf = read_good("umask = 027\n");
		assert_int_equal(conf_server(conf)->umask, 027);
		conf_free(&conf);
		assert_null(conf);
		test_bad(state);
	}
}

static void
test_no_file(void **state)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;

	(void)state;
	assert_int_equal(conf_read("nowhere", &conf, &report), -ENOENT);
	assert_int_equal(conf_read(".", &conf, &report), -EISDIR);
	assert_int_equal(conf_read("/dev/null", &conf, &report), -EINVAL);
	write_file("c", SLICE("umask = \0 022"));
	assert_int_equal(conf_read("c", &conf, &report), CONF_MISTAKES);
	assert_null(conf);
	unlink("c");
	conf_report_deinit(&report);
}

static void
test_forms(void **state)
{
	static const char *const texts[] = {
		"sources = {users, pam} hidden = {\".git\", \"*.key\"} log_format = json",
		"sources = \"users, pam\" hidden = { \".git\" , \"*.key\" } log_format = \"json\"",
		"sources = {\"users\", 'pam'}\nhidden = {.git}\nhidden += "
		"{\"*.key\"}\nlog_format=json",
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
				"group one { umask = 003 welcome = one }\n"
				"group two { umask = 004 hidden = {x} }\n"
				"user u { umask = 005 hidden = {} }\n"
				"user anonymous { max_sessions_per_user = 2 }\n";

static void
test_overrides(void **state)
{
	static const struct slice both[] = {{"two", 3}, {"one", 3}};
	static const struct {
		struct conf_subject who;
		const char *banner, *welcome;
		uint64_t umask, n_hidden;
	} rows[] = {
		{{1, {"", 0}, NULL, 0}, "server", "server", 01, 0},
		{{0, {"", 0}, NULL, 0}, "listener", "listener", 02, 0},
		{{0, {"x", 1}, &both[1], 1}, "listener", "one", 03, 0},
		/* in the order of the file, not of the subject */
		{{0, {"x", 1}, both, 2}, "listener", "one", 04, 1},
		{{1, {"u", 1}, both, 2}, "server", "one", 05, 0},
	};
	struct conf *conf = read_good(overrides);
	struct settings s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(conf_settings_for(conf, &rows[i].who, &s), 0);
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
	assert_non_null(strstr(out.data, "\numask = 005  # c:11\n"));
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
		cmocka_unit_test(test_bad),       cmocka_unit_test(test_good_after_bad),
		cmocka_unit_test(test_no_file),   cmocka_unit_test(test_forms),
		cmocka_unit_test(test_listeners), cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_anonymous), cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
