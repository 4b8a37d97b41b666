/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What the tests of what an agent keeps begin with: rules of retention, ages of files, their count.
 */
#ifndef WHARF_TESTS_AGENT_KEEPING_H
#define WHARF_TESTS_AGENT_KEEPING_H

#include <time.h>

#include "fixture.h"

#define DAY 86400
#define OLD (-31 * DAY)
/* The name of a part of an upload. */
#define PART ".wharfd-abcdefghijklmnopqrstuvwxyz"

/* As fixture_setup(), with names that need not be on disk: there are many in these tests. */
int keeping_setup(void **state);

#define KEEPING_TEST(f) cmocka_unit_test_setup_teardown(f, keeping_setup, fixture_teardown)

/* An agent of the same jail under these rules of retention, of which the second may be NULL; and
 * another one beside it. */
void retain(const char *first, const char *second);
void retain_beside(struct client *other);

/* A file that is as old as its time from now says. */
void make_aged(const char *path, const char *text, time_t age);

/* F_USAGE, which must be possible. */
struct r_usage usage(void);
/* Asserts that the last answer told what has changed since then. */
void told_since(const struct r_usage *before);

#endif
