/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The files of conf_file.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf_file.h"

void
write_file(const char *name, struct slice text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	fclose(f);
}

static struct conf *
read_text(const char *text, size_t mistakes, size_t warnings, const char *expected)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;

	write_file("c", slice_of(text));
	int r = conf_read("c", &conf, &report);
	buf_add_byte(&report.text, '\0');
	assert_string_equal(report.text.data, expected);
	assert_int_equal(r, mistakes ? CONF_MISTAKES : 0);
	assert_int_equal(report.mistakes, mistakes);
	assert_int_equal(report.warnings, warnings);
	conf_report_deinit(&report);
	unlink("c");
	return conf;
}

struct conf *
read_good(const char *text)
{
	return read_text(text, 0, 0, "");
}

void
expect_report(const char *text, size_t mistakes, size_t warnings, const char *report)
{
	struct conf *conf = read_text(text, mistakes, warnings, report);

	conf_free(&conf);
}
