/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The ledger's database for reading; see ledger.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/log.h>
#include <wharf/conf/conf.h>
#include <wharf/wire/ledger.h>

#include "ledger.h"

#define BUSY_MS 5000

/* The folder that the configuration names, in fresh memory; NULL after a complaint. */
static char *
state_directory(const char *file)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;
	char *folder = NULL;
	int r = conf_read(file, &conf, &report);

	fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&report.text)));
	if (r == 0)
		folder = strdup(conf_server(conf)->state_directory);
	else if (r < 0)
		complain("%s: %s", file, strerror(-r));
	else
		complain("%s: %zu mistakes", file, report.mistakes);
	conf_report_deinit(&report);
	conf_free(&conf);
	return folder;
}

static int
read_format(const char *format, bool *json)
{
	*json = format && strcmp(format, "json") == 0;
	if (!format || *json || strcmp(format, "text") == 0)
		return 0;
	return misused("%s is no format: text or json", format);
}

static int
check_schema(struct ledger *l)
{
	sqlite3_stmt *st = ledger_prepare(l, "PRAGMA user_version");
	int status = st ? 0 : 1, version = 0;

	if (st && ledger_step(l, st, &status))
		version = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	if (status == 0 && version != LEDGER_SCHEMA)
		status = complain("%s: of version %d, and this wharfctl reads %d", l->path, version,
				  LEDGER_SCHEMA);
	return status;
}

int
ledger_open(struct ledger *l, const struct arguments *args)
{
	*l = (struct ledger){.db = NULL};
	int status = read_format(args->format, &l->json);

	if (status)
		return status;
	l->folder = state_directory(args->config);
	if (!l->folder)
		return 1;
	if (asprintf(&l->path, "%s/%s", l->folder, LEDGER_FILE) < 0) {
		l->path = NULL;
		return complain("%s", strerror(ENOMEM));
	}
	if (access(l->path, R_OK) < 0)
		return complain("%s: %s", l->path, strerror(errno));
	int code = sqlite3_open_v2(l->path, &l->db, SQLITE_OPEN_READONLY, NULL);
	if (code != SQLITE_OK)
		return complain("%s: %s", l->path, sqlite3_errstr(code));
	sqlite3_busy_timeout(l->db, BUSY_MS);
	return check_schema(l);
}

void
ledger_close(struct ledger *l)
{
	sqlite3_close(l->db);
	free(l->path);
	free(l->folder);
	*l = (struct ledger){.db = NULL};
}

sqlite3_stmt *
ledger_prepare(struct ledger *l, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(l->db, sql, -1, &st, NULL) != SQLITE_OK)
		complain("%s: %s", l->path, sqlite3_errmsg(l->db));
	return st;
}

bool
ledger_step(struct ledger *l, sqlite3_stmt *st, int *status)
{
	int code = sqlite3_step(st);

	if (code != SQLITE_ROW && code != SQLITE_DONE)
		*status = complain("%s: %s", l->path, sqlite3_errmsg(l->db));
	return code == SQLITE_ROW;
}

struct slice
ledger_text(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);
	const int n = sqlite3_column_bytes(st, column);

	return (struct slice){text, text && n > 0 ? (size_t)n : 0};
}

void
ledger_add_time(struct buf *out, int64_t milliseconds)
{
	const time_t seconds = (time_t)(milliseconds / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof(tm));
	buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(milliseconds % 1000));
}

void
ledger_set(json_t *object, const char *key, struct slice text)
{
	struct buf shown = BUF_INIT;

	log_escape(&shown, text);
	json_object_set_new(object, key, json_stringn(shown.len ? shown.data : "", shown.len));
	buf_deinit(&shown);
}

int
ledger_print(json_t *object)
{
	char *line = json_dumps(object, JSON_COMPACT);
	int status = line && puts(line) >= 0 ? 0 : complain("%s", strerror(line ? errno : ENOMEM));

	free(line);
	json_decref(object);
	return status;
}
