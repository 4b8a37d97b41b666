/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The world around a real wharfd-ledger: a test is its monitor and its workers, writes to its
 * spool, reads its database and kills it.  The program is named by the environment's WHARF_LEDGER.
 */
#ifndef WHARF_ROLES_AROUND_LEDGER_H
#define WHARF_ROLES_AROUND_LEDGER_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <wharf/conf/settings.h>
#include <wharf/wire/wire.h>

struct ledger_world {
	char folder[64], database[96], log[96];
	const char *state; /* where it is told to work */
	int spool;
	pid_t pid;
	struct wire monitor, worker[3];
	struct settings settings;
	unsigned records; /* that were appended */
};

extern struct ledger_world world;

/* For cmocka: a folder for one, and its end. */
int set_up_ledger(void **state);
int tear_down_ledger(void **state);

#define LEDGER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up_ledger, tear_down_ledger)

/* Starts one whose files may not be larger, where that is not 0, and returns the error of its
 * K_READY.  It runs when each worker has its channel. */
int start_ledger_with(bool alone, rlim_t largest);
void run_ledger(void);
/* Both, and it must be able to. */
void start_ledger(bool alone);
void kill_ledger(void);
/* As the monitor ends it: returns its exit code. */
int stop_ledger(void);

/* The channels. */
void connect_worker(unsigned i);
int await(struct wire *w, struct message *m);
void say(unsigned i, struct message m);
const struct message *hear(unsigned i);

#define SAY(i, NAME, name, ...) \
	say((i), (struct message){.id = MSG_##NAME, .fd = -1, .name = {__VA_ARGS__}})

/* The spool, and the first number of a question to the database; -1 where there is none. */
void add_message(const struct message *m);
long long query(const char *sql);

void pause_ms(long ms);

#endif
