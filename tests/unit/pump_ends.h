/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A pump between a TCP connection over the loopback interface, whose other end the test holds, and
 * a file, with all that a worker has for it.
 */
#ifndef WHARF_TESTS_PUMP_ENDS_H
#define WHARF_TESTS_PUMP_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pump.h"

#define STALL_MS 60000
/* The longest file of the tests. */
#define MOST 3000001

extern uv_loop_t loop;
extern struct pool *pool;
extern struct digests digests;
extern struct pumps pumps;

/* What the owner of a pump was told, and the client's end. */
struct transfer_seen {
	int client;
	int file; /* another descriptor of the plan's */
	int told;
	struct pump_result result; /* its descriptor is closed already */
	char digest[HASH_TEXT];
	bool has_file; /* there was one */
	bool aside;    /* the pool read, at last */
	struct pump *pump;
	/* How much is left of the quota, how much of it is granted at a time, and what is said when
	 * it is spent. */
	uint64_t left, at_a_time;
	int refusal;
	bool asked; /* and not answered */
};

/* Lengths about those of blocks, up to MOST, and every kind of file system that the pump tells
 * apart. */
#define SIZES   13
#define CLASSES 4
extern const size_t sizes[SIZES];
extern const enum file_class classes[CLASSES];

/* Set-up and tear-down of a test, which fails where anything is left: a handle, a descriptor, a
 * byte. */
int pump_set_up(void **state);
int pump_tear_down(void **state);
/* A file in memory that is taken for one of that class. */
int file_of_class(enum file_class class);
/* Lines of all lengths, with CRs that must stay. */
void make_text(char *p, size_t n);

/* A plan, whose row says what is not usual: a part of the file, a quota. */
#define RECEIVE(...) ((struct transfer_plan){.kind = TRANSFER_RECEIVE, __VA_ARGS__})
#define SEND(...)    ((struct transfer_plan){.kind = TRANSFER_SEND_FILE, __VA_ARGS__})

/* Begins a transfer by that plan; and one that may stand still for no longer than `stall`. */
struct pump *start(struct transfer_seen *seen, struct transfer_plan plan);
struct pump *start_within(struct transfer_seen *seen, struct transfer_plan plan, uint64_t stall);
/* Closes the test's ends. */
void close_ends(struct transfer_seen *seen);
/* Answers what the pump has asked of the quota, where it waits for that. */
void answer_more(struct transfer_seen *seen);
/* Sends to the pump in pieces of odd sizes; then FIN. */
void feed(struct transfer_seen *seen, const char *p, size_t n);
/* Runs the loop until the owner is told; the client reads into `got` meanwhile, where that is not
 * NULL, and with `fin` to the end of the connection.  Returns what it read. */
size_t run(struct transfer_seen *seen, char *got, size_t room, bool *fin);
/* Both, for an upload. */
void feed_and_run(struct transfer_seen *seen, const char *p, size_t n);
/* The file has these bytes and no others. */
void assert_file_is(int fd, const char *want, size_t n);
uint64_t now_ms(void);

#define PUMP_TEST(f) cmocka_unit_test_setup_teardown(f, pump_set_up, pump_tear_down)

#endif
