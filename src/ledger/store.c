/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The database; see store.h. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <wharf/base/check.h>
#include <wharf/base/log.h>
#include <wharf/wire/ledger.h>

#include "store.h"

#define STRINGIFY(x) #x
#define NUMBER(x)    STRINGIFY(x)

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE spool (one INTEGER PRIMARY KEY CHECK (one = 1), taken INTEGER NOT NULL,"
	" cutting INTEGER NOT NULL);"
	"INSERT INTO spool VALUES (1, 0, 0);"
	"CREATE TABLE journal (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, session INTEGER NOT "
	"NULL,"
	" kind INTEGER NOT NULL, user TEXT NOT NULL, peer TEXT NOT NULL, command TEXT NOT NULL,"
	" path TEXT NOT NULL, other TEXT, ascii INTEGER, tls INTEGER, published INTEGER, bytes "
	"INTEGER,"
	" size INTEGER, milliseconds INTEGER, verdict TEXT, digest TEXT, error TEXT);"
	"CREATE INDEX journal_time ON journal (time);"
	"CREATE INDEX journal_user ON journal (user, time);"
	"CREATE TABLE quota (user TEXT PRIMARY KEY, bytes INTEGER NOT NULL, files INTEGER NOT NULL,"
	" reserved_bytes INTEGER NOT NULL, reserved_files INTEGER NOT NULL, scanned INTEGER NOT "
	"NULL,"
	" open INTEGER NOT NULL) WITHOUT ROWID;"
	"PRAGMA user_version = " NUMBER(LEDGER_SCHEMA) ";"
						       "COMMIT;";

static const char *const texts[STORE_STATEMENTS] = {
	[STORE_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_COMMIT] = "COMMIT",
	[STORE_ROLLBACK] = "ROLLBACK",
	[STORE_SPOOL_GET] = "SELECT taken, cutting FROM spool",
	[STORE_SPOOL_SET] = "UPDATE spool SET taken = ?, cutting = ?",
	[STORE_JOURNAL] =
		"INSERT INTO journal (time, session, kind, user, peer, command, path, other,"
		" ascii, tls, published, bytes, size, milliseconds, verdict, digest, error)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[STORE_QUOTA_GET] =
		"SELECT bytes, files, reserved_bytes, reserved_files, scanned, open FROM quota"
		" WHERE user = ?",
	[STORE_QUOTA_SET] =
		"INSERT INTO quota (user, bytes, files, reserved_bytes, reserved_files, scanned,"
		" open) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user) DO UPDATE SET"
		" bytes = excluded.bytes, files = excluded.files,"
		" reserved_bytes = excluded.reserved_bytes,"
		" reserved_files = excluded.reserved_files, scanned = excluded.scanned,"
		" open = excluded.open",
	[STORE_QUOTA_DISTRUST] =
		"UPDATE quota SET open = 1, reserved_bytes = 0, reserved_files = 0",
};

static int
errno_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
		return -EACCES;
	default:
		return -EIO;
	}
}

/* Logs it, and ends the transaction. */
static int
failed(struct store *s, int code)
{
	LOG(ERROR, "the ledger's database fails", LOG_STR("file", s->path),
	    LOG_STR("error", s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code)),
	    LOG_NUM("code", s->db ? sqlite3_extended_errcode(s->db) : code));
	store_rollback(s);
	return errno_of(code);
}

static int
prepare(struct store *s)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++) {
		int code = sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					      &s->statements[i], NULL);
		if (code != SQLITE_OK)
			return failed(s, code);
	}
	return 0;
}

static int
run(struct store *s, const char *sql)
{
	int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : failed(s, code);
}

static int
read_version(struct store *s, int *version)
{
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &st, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*version = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return code == SQLITE_ROW ? 0 : failed(s, code);
}

/* A commit is on the disk when it returns: what was taken of the spool is punched out then. */
static int
open_database(struct store *s)
{
	int version = 0;
	int code = sqlite3_open_v2(s->path, &s->db,
				   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
					   SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
				   NULL);

	if (code != SQLITE_OK)
		return failed(s, code);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, 5000);
	int r = run(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		       " PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;");
	if (r == 0)
		r = read_version(s, &version);
	if (r == 0 && version == 0)
		r = run(s, schema);
	if (r == 0 && version != 0 && version != LEDGER_SCHEMA) {
		LOG(ERROR, "the ledger's database is of another version", LOG_STR("file", s->path),
		    LOG_NUM("version", version), LOG_NUM("meant", LEDGER_SCHEMA));
		r = -EPROTONOSUPPORT;
	}
	return r == 0 ? prepare(s) : r;
}

static void
close_database(struct store *s)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++) {
		sqlite3_finalize(s->statements[i]);
		s->statements[i] = NULL;
	}
	sqlite3_close(s->db);
	s->db = NULL;
}

int
store_open(struct store *s, const char *folder)
{
	*s = (struct store){0};
	if (asprintf(&s->path, "%s/%s", folder, LEDGER_FILE) < 0)
		return -ENOMEM;
	int r = open_database(s);
	return r == -EUCLEAN ? store_renew(s) : r;
}

void
store_close(struct store *s)
{
	close_database(s);
	free(s->path);
	s->path = NULL;
}

/* The database's file, or one that SQLite keeps beside it. */
static int
move_aside(const char *path, const char *tail, long long now)
{
	char *from = NULL, *to = NULL;
	int r = asprintf(&from, "%s%s", path, tail) < 0 ||
				asprintf(&to, "%s.damaged-%lld%s", path, now, tail) < 0
			? -ENOMEM
			: 0;

	if (r == 0 && rename(from, to) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && !*tail)
		LOG(ERROR, "the ledger's database is damaged: a new one is begun",
		    LOG_STR("file", path), LOG_STR("kept_as", to));
	free(from);
	free(to);
	return r;
}

int
store_renew(struct store *s)
{
	const long long now = (long long)time(NULL);
	/* To be read, the log has to keep the name of what it belongs to. */
	int r = 0;

	/* SQLite's end of work would write to what shall be looked at as it is. */
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	close_database(s);
	for (size_t i = 0; r == 0 && i < 3; i++)
		r = move_aside(s->path, (const char *const[]){"-wal", "-shm", ""}[i], now);
	if (r < 0) {
		LOG(ERROR, "the ledger's damaged database cannot be moved aside",
		    LOG_STR("file", s->path), LOG_ERRNO(r));
		return r;
	}
	return open_database(s);
}

/* Runs a statement that was bound.  0, STORE_NONE without a row where it is one that reads, or an
 * error. */
static int
step(struct store *s, enum store_statement which)
{
	sqlite3_stmt *st = s->statements[which];
	int code = sqlite3_step(st);

	if (code == SQLITE_ROW)
		return 0; /* the caller reads it, and resets */
	int r = code == SQLITE_DONE ? (sqlite3_column_count(st) ? STORE_NONE : 0) : failed(s, code);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r;
}

static void
done(struct store *s, enum store_statement which)
{
	sqlite3_reset(s->statements[which]);
	sqlite3_clear_bindings(s->statements[which]);
}

int
store_begin(struct store *s)
{
	return step(s, STORE_BEGIN);
}

int
store_commit(struct store *s)
{
	return step(s, STORE_COMMIT);
}

void
store_rollback(struct store *s)
{
	if (!s->db || sqlite3_get_autocommit(s->db))
		return;
	sqlite3_step(s->statements[STORE_ROLLBACK]);
	sqlite3_reset(s->statements[STORE_ROLLBACK]);
}

int
store_get_spool(struct store *s, struct spool_mark *mark)
{
	int r = step(s, STORE_SPOOL_GET);
	sqlite3_stmt *st = s->statements[STORE_SPOOL_GET];

	*mark = (struct spool_mark){0};
	if (r != 0)
		return r == STORE_NONE ? -EUCLEAN : r;
	mark->taken = (uint64_t)sqlite3_column_int64(st, 0);
	mark->cutting = sqlite3_column_int(st, 1) != 0;
	done(s, STORE_SPOOL_GET);
	return 0;
}

int
store_set_spool(struct store *s, const struct spool_mark *mark)
{
	sqlite3_stmt *st = s->statements[STORE_SPOOL_SET];

	sqlite3_bind_int64(st, 1, (sqlite3_int64)mark->taken);
	sqlite3_bind_int(st, 2, mark->cutting);
	return step(s, STORE_SPOOL_SET);
}

/* Binds the values in their order. */
struct binder {
	sqlite3_stmt *st;
	int next;
};

static void
bind_number(struct binder *b, uint64_t n)
{
	sqlite3_bind_int64(b->st, b->next++, n > INT64_MAX ? INT64_MAX : (sqlite3_int64)n);
}

/* Bytes of a client, whatever they are: the slice holds until the statement was run. */
static void
bind_text(struct binder *b, struct slice text)
{
	sqlite3_bind_text(b->st, b->next++, text.n ? text.p : "", (int)text.n, SQLITE_STATIC);
}

static void
bind_transfer(struct binder *b, const struct j_transfer *t)
{
	bind_number(b, t->time);
	bind_number(b, t->session);
	bind_number(b, t->upload ? LEDGER_UPLOAD : LEDGER_DOWNLOAD);
	bind_text(b, t->user);
	bind_text(b, t->peer);
	bind_text(b, t->command);
	bind_text(b, t->path);
	b->next++; /* other */
	bind_number(b, t->ascii != 0);
	bind_number(b, t->tls != 0);
	bind_number(b, t->published != 0);
	bind_number(b, t->bytes);
	bind_number(b, t->size);
	bind_number(b, t->milliseconds);
	bind_text(b, t->verdict);
	bind_text(b, t->digest);
	bind_text(b, t->error);
}

static void
bind_change(struct binder *b, const struct j_change *c)
{
	bind_number(b, c->time);
	bind_number(b, c->session);
	bind_number(b, LEDGER_CHANGE);
	bind_text(b, c->user);
	bind_text(b, c->peer);
	bind_text(b, c->command);
	bind_text(b, c->path);
	bind_text(b, c->other);
}

int
store_record(struct store *s, const struct message *m)
{
	struct binder b = {s->statements[STORE_JOURNAL], 1};

	REQUIRE(m->id == MSG_J_TRANSFER || m->id == MSG_J_CHANGE);
	if (m->id == MSG_J_TRANSFER)
		bind_transfer(&b, &m->j_transfer);
	else
		bind_change(&b, &m->j_change);
	return step(s, STORE_JOURNAL);
}

int
store_get_quota(struct store *s, struct slice user, struct quota_row *row)
{
	sqlite3_stmt *st = s->statements[STORE_QUOTA_GET];
	struct binder b = {st, 1};

	*row = (struct quota_row){0};
	bind_text(&b, user);
	int r = step(s, STORE_QUOTA_GET);
	if (r != 0)
		return r;
	row->bytes = (uint64_t)sqlite3_column_int64(st, 0);
	row->files = (uint64_t)sqlite3_column_int64(st, 1);
	row->reserved_bytes = (uint64_t)sqlite3_column_int64(st, 2);
	row->reserved_files = (uint64_t)sqlite3_column_int64(st, 3);
	row->scanned = sqlite3_column_int64(st, 4);
	row->open = sqlite3_column_int(st, 5) != 0;
	done(s, STORE_QUOTA_GET);
	return 0;
}

int
store_set_quota(struct store *s, struct slice user, const struct quota_row *row)
{
	struct binder b = {s->statements[STORE_QUOTA_SET], 1};

	bind_text(&b, user);
	bind_number(&b, row->bytes);
	bind_number(&b, row->files);
	bind_number(&b, row->reserved_bytes);
	bind_number(&b, row->reserved_files);
	bind_number(&b, (uint64_t)row->scanned);
	bind_number(&b, row->open);
	return step(s, STORE_QUOTA_SET);
}

int
store_distrust_quotas(struct store *s)
{
	return step(s, STORE_QUOTA_DISTRUST);
}
