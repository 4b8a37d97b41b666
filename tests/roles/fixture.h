/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What each test of an agent begins with: a fresh jail, with a secret outside of it, and a fresh
 * agent.
 */
#ifndef WHARF_TESTS_AGENT_FIXTURE_H
#define WHARF_TESTS_AGENT_FIXTURE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "client.h"

extern struct client_identity who; /* set by run_agent_tests() */
extern struct client c;
extern struct settings settings;
extern int outside; /* the folder that the jail is in */
extern int inside;  /* the jail */
extern char jail[PATH_MAX];

/* For cmocka_unit_test_setup_teardown(). */
int fixture_setup(void **state);
int fixture_teardown(void **state);

#define AGENT_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

/* An agent of the same jail under other settings. */
void restart(void);

/* What a test makes belongs to the agent's user; `times` as futimens(2) has them, or NULL. */
void hand_over(int folder, const char *path);
void make_file_in(int folder, const char *path, const char *text, const struct timespec times[2]);
void make_file(const char *path, const char *text);
void make_folder(const char *path);
void make_link(const char *target, const char *path);

/* Of the jail. */
bool is_there(const char *path);
mode_t mode_of(const char *path);
time_t time_of(const char *path);
/* Asserts that the file has that text, and no more. */
void holds(const char *path, const char *text);
/* How many names there are in the jail itself. */
unsigned names(void);

#endif
