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

struct conf *
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
