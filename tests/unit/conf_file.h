/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* wharfd.conf of a test: the file "c" of the working directory, which folder.h makes. */
#ifndef WHARF_TEST_CONF_FILE_H
#define WHARF_TEST_CONF_FILE_H

#include <stddef.h>

#include <wharf/base/slice.h>
#include <wharf/conf/conf.h>

void write_file(const char *name, struct slice text);

/* Read from this text, in which there must be no mistake; the file is gone then. */
struct conf *read_good(const char *text);
/* Reads this text, of which exactly that is said; the file is gone then. */
void expect_report(const char *text, size_t mistakes, size_t warnings, const char *report);

#endif
