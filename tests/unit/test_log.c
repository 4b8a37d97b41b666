/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The log: an event is one line, whatever is in it (attacks C10), as text and as JSON, and a full
 * sink costs no time. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/log.h>

static int sink[2];

static int
open_sink(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_DGRAM, 0, sink);
}

static int
close_sink(void **state)
{
	(void)state;
	close(sink[0]);
	close(sink[1]);
	log_setup("test", STDERR_FILENO, LOG_LEVEL_INFO, false);
	return 0;
}

static size_t
read_line(char *line, size_t size)
{
	ssize_t n = recv(sink[1], line, size - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	line[n] = 0;
	assert_int_equal(line[n - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + n - 1);
	return (size_t)n;
}

static const struct {
	struct slice in;
	const char *out;
} values[] = {
	{{"plain", 5}, "key=plain"},
	{{"two words", 9}, "key=\"two words\""},
	{{"", 0}, "key=\"\""},
	{{"a\nb\r\x1b[2J", 8}, "key=a\\x0ab\\x0d\\x1b[2J"},
	{{"q\"t\\", 4}, "key=\"q\\\"t\\x5c\""},
	{{"\xc3\xbc\xff", 3}, "key=\xc3\xbc\\xff"},
	{{"\xc0\xaf\xed\xa0\x80\xc2\x9b", 7}, "key=\\xc0\\xaf\\xed\\xa0\\x80\\xc2\\x9b"},
	{{"a\0b", 3}, "key=a\\x00b"},
	{{"%n%s", 4}, "key=%n%s"},
};

static void
test_text(void **state)
{
	char line[8192];

	(void)state;
	log_setup("test", sink[0], LOG_LEVEL_INFO, false);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		LOG(INFO, "event", LOG_BYTES("key", values[i].in), LOG_NUM("n", -5),
		    LOG_REAL("x", 2.0625));
		read_line(line, sizeof(line));
		assert_non_null(strstr(line, " info test: event "));
		assert_non_null(strstr(line, values[i].out));
		assert_non_null(strstr(line, " n=-5 x=2.062\n"));
	}
	LOG(DEBUG, "not wanted", LOG_NUM("n", 1));
	assert_int_equal(recv(sink[1], line, sizeof(line), MSG_DONTWAIT), -1);
}

static void
test_json(void **state)
{
	char line[8192];

	(void)state;
	log_setup("worker 1", sink[0], LOG_LEVEL_DEBUG, true);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		LOG(DEBUG, "event", LOG_BYTES("key", values[i].in), LOG_NUM("n", 1LL << 40),
		    LOG_REAL("x", 0.1), LOG_REAL("y", 3.0));
		read_line(line, sizeof(line));
		json_t *object = json_loads(line, 0, NULL);
		assert_non_null(object);
		assert_string_equal(json_string_value(json_object_get(object, "process")),
				    "worker 1");
		assert_string_equal(json_string_value(json_object_get(object, "level")), "debug");
		assert_string_equal(json_string_value(json_object_get(object, "event")), "event");
		assert_true(json_integer_value(json_object_get(object, "n")) == 1LL << 40);
		assert_true(json_is_real(json_object_get(object, "x")));
		assert_true(json_is_real(json_object_get(object, "y")));
		assert_non_null(strstr(line, ",\"x\":0.1,\"y\":3.0}"));
		assert_true(json_is_string(json_object_get(object, "key")));
		json_decref(object);
	}
}

/* No line is longer than 4 KiB, however long its values are. */
static void
test_long(void **state)
{
	static char huge[65536];
	char line[8192];

	(void)state;
	memset(huge, '\n', sizeof(huge));
	for (int json = 0; json < 2; json++) {
		log_setup("test", sink[0], LOG_LEVEL_INFO, json);
		LOG(INFO, "event", LOG_BYTES("a", ((struct slice){huge, sizeof(huge)})),
		    LOG_BYTES("b", ((struct slice){huge, sizeof(huge)})));
		assert_true(read_line(line, sizeof(line)) <= 4096);
	}
}

/* A sink that nobody reads loses lines, at once; the first that fits again says how many. */
static void
test_full(void **state)
{
	char line[8192];
	int taken = 0;

	(void)state;
	log_setup("test", sink[0], LOG_LEVEL_INFO, false);
	for (int i = 0; i < 5000; i++)
		LOG(INFO, "event", LOG_NUM("i", i));
	while (recv(sink[1], line, sizeof(line), MSG_DONTWAIT) > 0)
		taken++;
	assert_true(taken > 0 && taken < 5000);
	LOG(INFO, "again", LOG_NUM("i", 0));
	ssize_t n = recv(sink[1], line, sizeof(line) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	line[n] = 0;
	assert_non_null(strstr(line, "log lines were lost"));
	assert_non_null(strstr(line, "again"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, open_sink, close_sink),
		cmocka_unit_test_setup_teardown(test_json, open_sink, close_sink),
		cmocka_unit_test_setup_teardown(test_long, open_sink, close_sink),
		cmocka_unit_test_setup_teardown(test_full, open_sink, close_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
