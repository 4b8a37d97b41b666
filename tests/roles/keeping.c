/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The rules, ages and counts of keeping.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "keeping.h"

static char *rules[2]; /* of settings.retain */
static size_t n_rules;

int
keeping_setup(void **state)
{
	fixture_setup(state);
	settings.durability = WORD_durability_rename;
	restart();
	return 0;
}

void
retain(const char *first, const char *second)
{
	rules[0] = (char *)first;
	rules[1] = (char *)second;
	n_rules = second ? 2 : 1;
	settings.retain = (struct texts){rules, n_rules};
	restart();
	/* They are not the settings' to free. */
	settings.retain = (struct texts){NULL, 0};
}

void
retain_beside(struct client *other)
{
	settings.retain = (struct texts){rules, n_rules};
	assert_int_equal(client_start(other, &who, &settings), 0);
	settings.retain = (struct texts){NULL, 0};
}

void
make_aged(const char *path, const char *text, time_t age)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = 0}};

	clock_gettime(CLOCK_REALTIME, &times[1]);
	times[1].tv_sec += age;
	make_file_in(inside, path, text, times);
}

struct r_usage
usage(void)
{
	const struct r_usage *u = &ASK(&c, F_USAGE, f_usage)->r_usage;

	assert_int_equal(u->error, 0);
	return *u;
}

void
told_since(const struct r_usage *before)
{
	const struct r_done told = c.answer.r_done;
	const struct r_usage now = usage();

	assert_int_equal((int64_t)(now.bytes - before->bytes), told.bytes);
	assert_int_equal((int64_t)(now.files - before->files), told.files);
}
