/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The ledger's database, to be read while wharfd writes it: what `history` and `quota` share.
 */
#ifndef WHARF_SRC_CTL_LEDGER_H
#define WHARF_SRC_CTL_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <sqlite3.h>

#include "ctl.h"

struct ledger {
	char *folder; /* state_directory */
	char *path;   /* of the database */
	sqlite3 *db;
	bool json; /* --format */
};

/* Opens the database that the configuration names, and reads --format.  Returns 0, or the exit code
 * after a complaint. */
int ledger_open(struct ledger *l, const struct arguments *args);
void ledger_close(struct ledger *l);
/* A statement of the SQL text, or NULL after a complaint. */
sqlite3_stmt *ledger_prepare(struct ledger *l, const char *sql);
/* Steps it: true for a row.  What fails is complained of, and *status set to 1. */
bool ledger_step(struct ledger *l, sqlite3_stmt *st, int *status);

/* A column as bytes. */
struct slice ledger_text(sqlite3_stmt *st, int column);
/* Appends a time of milliseconds since 1970 as the log writes it. */
void ledger_add_time(struct buf *out, int64_t milliseconds);
/* Sets a member of an object to a text, as the log shows it. */
void ledger_set(json_t *object, const char *key, struct slice text);
/* Prints an object in a line, and frees it.  0, or 1 after a complaint. */
int ledger_print(json_t *object);

#endif
