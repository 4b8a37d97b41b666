/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What is on disk when an upload is answered, by the system calls of the agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent_tests.h"
#include "part.h"
#include "requests.h"

static char trace[PATH_MAX + 16];

/* Whether all threads of the agent are traced. */
static bool
is_traced(void)
{
	char command[128];

	snprintf(command, sizeof(command), "! grep -q 'TracerPid:.0$' /proc/%d/task/*/status",
		 (int)c.pid);
	return system(command) == 0;
}

/* Begins to trace the agent's calls, and changes the results of some, by one or two rules; see
 * strace(1). */
static pid_t
trace_begin(const char *inject, const char *also)
{
	char pid[16];
	const struct timespec moment = {.tv_nsec = 10000000};

	snprintf(trace, sizeof(trace), "%.*s/trace", (int)(strrchr(jail, '/') - jail), jail);
	snprintf(pid, sizeof(pid), "%d", (int)c.pid);
	pid_t tracer = fork();
	assert_true(tracer >= 0);
	if (tracer == 0) {
		execlp("strace", "strace", "-f", "-qq", "-o", trace, "-e",
		       "trace=fsync,renameat2,unlinkat,sendmsg", "-e", inject, "-p", pid,
		       also ? "-e" : NULL, also, NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && !is_traced(); i++) {
		/* There is none, or it may not. */
		if (waitpid(tracer, NULL, WNOHANG) == tracer)
			skip();
		nanosleep(&moment, NULL);
	}
	assert_true(is_traced());
	return tracer;
}

static void
trace_end(pid_t tracer)
{
	kill(tracer, SIGTERM);
	assert_int_equal(waitpid(tracer, NULL, 0), tracer);
}

/* Attacks E20, G05: a sync that fails once has failed, and all is as it was. */
static void
undoes_what_is_not_on_disk(void **state)
{
	static const struct {
		const char *inject;
		bool folder;
	} rows[] = {
		{"inject=fsync:error=EIO:when=1", false},
		{"inject=fsync:error=EIO:when=2", true},
	};
	struct part p;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const bool replaces = i % 2, folder = rows[i / 2].folder;
		if (replaces)
			make_file("file", "old");
		assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
		part_put(&p, "12345");
		pid_t tracer = trace_begin(rows[i / 2].inject, NULL);
		assert_int_equal(part_end(&p), EIO);
		counts(folder ? 0 : -5, folder ? 0 : -1);
		trace_end(tracer);
		if (replaces)
			holds("file", "old");
		assert_int_equal(is_there("file"), replaces);
		/* What the kernel may have forgotten is not gone on with. */
		assert_int_equal(is_there(p.name), folder);
		assert_int_equal(names(), replaces + folder);
		(void)unlinkat(inside, "file", 0);
		(void)unlinkat(inside, p.name, 0);
	}
	assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
	part_put(&p, "12345");
	assert_int_equal(part_end(&p), 0);
}

/* A file system that can't exchange two names, or sync a folder, is no worse off: there is the old
 * file or the new one. */
static void
leaves_one_of_both(void **state)
{
	static const struct {
		const char *inject, *also;
		uint32_t error;
	} rows[] = {
		{"inject=renameat2:error=EINVAL:when=2", NULL, 0},
		{"inject=renameat2:error=EINVAL:when=2", "inject=fsync:error=EIO:when=2", EIO},
		{"inject=fsync:error=EINVAL:when=2", NULL, 0},
	};
	struct part p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_file("file", "old");
		assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
		part_put(&p, "12345");
		pid_t tracer = trace_begin(rows[i].inject, rows[i].also);
		assert_int_equal(part_end(&p), rows[i].error);
		trace_end(tracer);
		holds("file", "12345");
		assert_int_equal(names(), 1);
		(void)unlinkat(inside, "file", 0);
	}
}

/* Attack G03: the file, its name, the folder; only then the answer. */
static void
answers_when_it_is_on_disk(void **state)
{
	static const struct {
		uint32_t how;
		const char *calls;
	} rows[] = {
		{COMMIT_SYNC, "fsync renameat2 fsync sendmsg "},
		{COMMIT_SYNC | COMMIT_REPLACE, "fsync renameat2 renameat2 fsync unlinkat sendmsg "},
		{COMMIT_REPLACE, "renameat2 sendmsg "},
	};
	char line[512];
	struct part p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char calls[128] = "";
		assert_int_equal(part_begin(&p, "/file", WHOLE), 0);
		pid_t tracer = trace_begin("signal=none", NULL);
		assert_int_equal(part_end_as(&p, rows[i].how, 0644, ""), 0);
		trace_end(tracer);
		FILE *file = fopen(trace, "re");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file)) {
			char *call = strchr(line, ' ') + strspn(strchr(line, ' '), " ");
			char *bracket = strchr(call, '(');
			if (bracket && *call != '<')
				strncat(calls, call, (size_t)(bracket - call)), strcat(calls, " ");
		}
		fclose(file);
		assert_string_equal(calls, rows[i].calls);
	}
}

int
run_durability(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(undoes_what_is_not_on_disk),
		AGENT_TEST(leaves_one_of_both),
		AGENT_TEST(answers_when_it_is_on_disk),
	};

	return cmocka_run_group_tests_name("durability", tests, NULL, NULL);
}
