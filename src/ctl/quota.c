/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* `wharfctl quota`: what the ledger has counted of users with a quota. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <wharf/base/log.h>

#include "ledger.h"

enum { USER, BYTES, FILES, RESERVED_BYTES, RESERVED_FILES, SCANNED, OPEN };

static const char sql[] = "SELECT user, bytes, files, reserved_bytes, reserved_files, scanned, open"
			  " FROM quota WHERE ?1 IS NULL OR user = ?1 ORDER BY user";

/* The columns that are numbers, by their names in JSON. */
static const char *const names[] = {[BYTES] = "bytes",
				    [FILES] = "files",
				    [RESERVED_BYTES] = "reserved_bytes",
				    [RESERVED_FILES] = "reserved_files"};

static int
print_json(sqlite3_stmt *st)
{
	json_t *object = json_object();
	struct buf time = BUF_INIT;
	const int64_t scanned = sqlite3_column_int64(st, SCANNED);

	ledger_set(object, "user", ledger_text(st, USER));
	for (int i = BYTES; i <= RESERVED_FILES; i++)
		json_object_set_new(object, names[i], json_integer(sqlite3_column_int64(st, i)));
	ledger_add_time(&time, scanned);
	json_object_set_new(object, "counted",
			    scanned ? json_stringn(time.data, time.len) : json_null());
	json_object_set_new(object, "open", json_boolean(sqlite3_column_int(st, OPEN)));
	buf_deinit(&time);
	return ledger_print(object);
}

static int
print_text(sqlite3_stmt *st)
{
	struct buf line = BUF_INIT;
	const int64_t scanned = sqlite3_column_int64(st, SCANNED);

	log_escape(&line, ledger_text(st, USER));
	buf_printf(&line, ": %" PRId64 " bytes in %" PRId64 " files",
		   (int64_t)sqlite3_column_int64(st, BYTES),
		   (int64_t)sqlite3_column_int64(st, FILES));
	buf_printf(&line, "; reserved %" PRId64 " bytes, %" PRId64 " files",
		   (int64_t)sqlite3_column_int64(st, RESERVED_BYTES),
		   (int64_t)sqlite3_column_int64(st, RESERVED_FILES));
	buf_add_str(&line, scanned ? "; counted " : "; not counted yet");
	if (scanned)
		ledger_add_time(&line, scanned);
	if (sqlite3_column_int(st, OPEN))
		buf_add_str(&line, "; open");
	buf_add_byte(&line, '\n');
	int status = fwrite(line.data, 1, line.len, stdout) == line.len
			     ? 0
			     : complain("%s", strerror(errno));
	buf_deinit(&line);
	return status;
}

int
quota_show(const struct arguments *args)
{
	struct ledger l;
	bool any = false;
	int status = ledger_open(&l, args);
	sqlite3_stmt *st = status == 0 ? ledger_prepare(&l, sql) : NULL;

	if (status == 0 && !st)
		status = 1;
	if (st && args->user)
		sqlite3_bind_text(st, 1, args->user, -1, SQLITE_STATIC);
	while (status == 0 && ledger_step(&l, st, &status)) {
		any = true;
		status = l.json ? print_json(st) : print_text(st);
	}
	if (status == 0 && args->user && !any)
		status = complain("nothing was counted of %s", args->user);
	sqlite3_finalize(st);
	ledger_close(&l);
	return status == 0 && fflush(stdout) != 0 ? complain("%s", strerror(errno)) : status;
}
