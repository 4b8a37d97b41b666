/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The database: how far the spool was taken, the journal's rows, and the quotas' tallies.  All SQL
 * that writes is here.
 *
 * Functions return 0 or a negative errno, which was logged: -EUCLEAN for a database that is damaged
 * and wants store_renew(), -ENOSPC for a disk without room; after either, and after any other
 * error, the transaction is over and nothing of it was written.
 */
#ifndef WHARF_LEDGER_STORE_H
#define WHARF_LEDGER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/base/slice.h>
#include <wharf/wire/wire.h>

struct sqlite3;
struct sqlite3_stmt;

enum store_statement {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_SPOOL_GET,
	STORE_SPOOL_SET,
	STORE_JOURNAL,
	STORE_QUOTA_GET,
	STORE_QUOTA_SET,
	STORE_QUOTA_DISTRUST,
	STORE_STATEMENTS
};

struct store {
	char *path;
	struct sqlite3 *db;
	struct sqlite3_stmt *statements[STORE_STATEMENTS];
};

/* Opens the database of the folder, and makes it where it is missing.  -EPROTONOSUPPORT for one of
 * another schema.  A damaged one is moved aside. */
int store_open(struct store *s, const char *folder);
void store_close(struct store *s);
/* Moves a damaged database aside, and begins a new one. */
int store_renew(struct store *s);

int store_begin(struct store *s);
int store_commit(struct store *s);
/* Does nothing where no transaction is open. */
void store_rollback(struct store *s);

/* How far the spool was taken.  cutting: it was about to be cut to nothing. */
struct spool_mark {
	uint64_t taken;
	bool cutting;
};
int store_get_spool(struct store *s, struct spool_mark *mark);
int store_set_spool(struct store *s, const struct spool_mark *mark);

/* A record J_* as a row. */
int store_record(struct store *s, const struct message *m);

/* A user's tally.  open: it may not be right any more when it is read at another time. */
struct quota_row {
	uint64_t bytes, files, reserved_bytes, reserved_files;
	int64_t scanned; /* milliseconds since 1970; 0: never */
	bool open;
};
/* 0, or STORE_NONE where there is no row yet. */
enum { STORE_NONE = 1 };
int store_get_quota(struct store *s, struct slice user, struct quota_row *row);
int store_set_quota(struct store *s, struct slice user, const struct quota_row *row);
/* Every row is open from now on. */
int store_distrust_quotas(struct store *s);

#endif
