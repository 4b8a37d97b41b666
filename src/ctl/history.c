/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* `wharfctl history`: the journal of transfers and changes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <wharf/base/log.h>
#include <wharf/conf/suggest.h>
#include <wharf/ftp/glob.h>
#include <wharf/ftp/session.h>
#include <wharf/wire/journal.h>
#include <wharf/wire/ledger.h>

#include "ledger.h"

/* So long it waits for the ledger to take what stands in the spool. */
#define WAIT_MS 2000
#define STEP_MS 20

enum {
	TIME,
	SESSION,
	KIND,
	USER,
	PEER,
	COMMAND,
	PATH,
	OTHER,
	ASCII,
	TLS,
	PUBLISHED,
	BYTES,
	SIZE,
	MILLISECONDS,
	VERDICT,
	DIGEST,
	ERROR,
};

static const char sql[] =
	"SELECT time, session, kind, user, peer, command, path, other, ascii, tls, published, "
	"bytes,"
	" size, milliseconds, verdict, digest, error FROM journal WHERE time >= ?1"
	" AND (?2 IS NULL OR user = ?2) AND (?3 IS NULL OR verdict = ?3) ORDER BY time, id";

static const char *const kinds[] = {
	[LEDGER_DOWNLOAD] = "download", [LEDGER_UPLOAD] = "upload", [LEDGER_CHANGE] = "change"};

/* "90s", "30m", "12h", "2d": that long ago. */
static bool
read_ago(const char *text, int64_t *since)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	char *end = NULL;

	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (errno || end == text || n < 0 || n > 1000000000 || !*end || end[1])
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].unit == *end) {
			*since = (time(NULL) - n * units[i].seconds) * 1000;
			return true;
		}
	return false;
}

/* "2026-11-22", "2026-11-22T13:30". */
static bool
read_day(const char *text, int64_t *since)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%d", &tm);

	if (end && *end == 'T')
		end = strptime(end, "T%H:%M", &tm);
	if (!end || *end)
		return false;
	*since = (int64_t)timegm(&tm) * 1000;
	return true;
}

static uint64_t
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Where the ledger stands in the spool, or -1 after a complaint. */
static int64_t
taken(struct ledger *l)
{
	sqlite3_stmt *st = ledger_prepare(l, "SELECT taken FROM spool");
	int status = 0;
	int64_t n = -1;

	if (st && ledger_step(l, st, &status))
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* Waits until what stands in the spool now is in the database. */
static int
await_spool(struct ledger *l)
{
	const uint64_t until = monotonic() + WAIT_MS;
	char *path = NULL;
	struct stat st = {0};

	if (asprintf(&path, "%s/%s", l->folder, SPOOL_FILE) < 0)
		return complain("%s", strerror(ENOMEM));
	/* Without a journal there is none. */
	const bool there = stat(path, &st) == 0;
	free(path);
	while (there) {
		const int64_t n = taken(l);
		if (n < 0)
			return 1;
		if (n >= st.st_size)
			return 0;
		if (monotonic() >= until)
			break;
		nanosleep(&(struct timespec){0, STEP_MS * 1000000L}, NULL);
	}
	if (there)
		complain("the newest records are missing: the ledger has not taken them yet");
	return 0;
}

/* Whether the path begins so, or is matched by the pattern. */
static bool
is_meant(const char *wanted, struct slice path)
{
	const struct slice w = slice_of(wanted);

	return glob_has_magic(w) ? glob_match(w, path) : slice_starts(path, w);
}

static int
print_json(sqlite3_stmt *st)
{
	static const struct {
		const char *name;
		int column;
	} numbers[] = {{"bytes", BYTES}, {"size", SIZE}, {"milliseconds", MILLISECONDS}},
	  flags[] = {{"whole", PUBLISHED}, {"tls", TLS}, {"ascii", ASCII}},
	  texts[] = {{"user", USER}, {"peer", PEER}, {"command", COMMAND}, {"path", PATH}},
	  ends[] = {{"verdict", VERDICT}, {"digest", DIGEST}, {"error", ERROR}};
	const int kind = sqlite3_column_int(st, KIND);
	json_t *object = json_object();
	struct buf time = BUF_INIT;

	ledger_add_time(&time, sqlite3_column_int64(st, TIME));
	ledger_set(object, "time", buf_slice(&time));
	buf_deinit(&time);
	json_object_set_new(object, "kind",
			    json_string(kind >= 0 && kind <= LEDGER_CHANGE ? kinds[kind] : ""));
	json_object_set_new(object, "session", json_integer(sqlite3_column_int64(st, SESSION)));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ledger_set(object, texts[i].name, ledger_text(st, texts[i].column));
	if (kind == LEDGER_CHANGE) {
		ledger_set(object, "other", ledger_text(st, OTHER));
		return ledger_print(object);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(object, numbers[i].name,
				    json_integer(sqlite3_column_int64(st, numbers[i].column)));
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		json_object_set_new(object, flags[i].name,
				    json_boolean(sqlite3_column_int(st, flags[i].column)));
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		ledger_set(object, ends[i].name, ledger_text(st, ends[i].column));
	return ledger_print(object);
}

/* A path in quotation marks. */
static void
add_path(struct buf *line, struct slice path)
{
	buf_add_byte(line, '"');
	for (size_t i = 0; i < path.n; i++) {
		size_t n = 1;
		if (path.p[i] == '"') {
			buf_add_str(line, "\\\"");
			continue;
		}
		while (i + n < path.n && path.p[i + n] != '"')
			n++;
		log_escape(line, (struct slice){path.p + i, n});
		i += n - 1;
	}
	buf_add_byte(line, '"');
}

static void
add_transfer(struct buf *line, sqlite3_stmt *st)
{
	buf_printf(line, " %" PRId64 " bytes, %s, ", (int64_t)sqlite3_column_int64(st, BYTES),
		   sqlite3_column_int(st, PUBLISHED) ? "whole" : "not whole");
	log_escape(line, ledger_text(st, VERDICT));
	if (ledger_text(st, DIGEST).n) {
		buf_add_str(line, ", ");
		log_escape(line, ledger_text(st, DIGEST));
	}
	if (ledger_text(st, ERROR).n) {
		buf_add_str(line, ", ");
		log_escape(line, ledger_text(st, ERROR));
	}
}

static int
print_text(sqlite3_stmt *st)
{
	struct buf line = BUF_INIT;

	ledger_add_time(&line, sqlite3_column_int64(st, TIME));
	for (int column = USER; column <= COMMAND; column++) {
		buf_add_byte(&line, ' ');
		log_escape(&line, ledger_text(st, column).n ? ledger_text(st, column) : SLICE("-"));
	}
	buf_add_byte(&line, ' ');
	add_path(&line, ledger_text(st, PATH));
	if (sqlite3_column_int(st, KIND) != LEDGER_CHANGE) {
		add_transfer(&line, st);
	} else if (ledger_text(st, OTHER).n) {
		buf_add_byte(&line, ' ');
		add_path(&line, ledger_text(st, OTHER));
	}
	buf_add_byte(&line, '\n');
	int status = fwrite(line.data, 1, line.len, stdout) == line.len
			     ? 0
			     : complain("%s", strerror(errno));
	buf_deinit(&line);
	return status;
}

static bool
is_wanted(const struct arguments *args, sqlite3_stmt *st)
{
	return !args->path || is_meant(args->path, ledger_text(st, PATH)) ||
	       (sqlite3_column_int(st, KIND) == LEDGER_CHANGE &&
		is_meant(args->path, ledger_text(st, OTHER)));
}

/* 0, or EX_USAGE after what is wrong. */
static int
check_verdict(const char *word)
{
	struct suggest near = SUGGEST(slice_of(word));
	struct buf text = BUF_INIT;
	const char *name;

	for (size_t i = 0; (name = transfer_verdict_name(i)); i++) {
		if (strcmp(word, name) == 0)
			break;
		suggest_try(&near, name);
		buf_printf(&text, "%s%s", i ? ", " : "", name);
	}
	suggest_add(&near, &text);
	int r = name ? 0
		     : misused("%s is no verdict, which is one of %.*s", word,
			       SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
	return r;
}

int
history_show(const struct arguments *args)
{
	int64_t since = INT64_MIN;
	sqlite3_stmt *st = NULL;
	struct ledger l;

	if (args->since && !read_ago(args->since, &since) && !read_day(args->since, &since))
		return misused("%s is no time: 30m, 2d, YYYY-MM-DD or YYYY-MM-DDTHH:MM",
			       args->since);
	if (args->verdict && check_verdict(args->verdict))
		return EX_USAGE;
	int status = ledger_open(&l, args);
	if (status == 0)
		status = await_spool(&l);
	if (status == 0 && !(st = ledger_prepare(&l, sql)))
		status = 1;
	if (st) {
		sqlite3_bind_int64(st, 1, since);
		if (args->user)
			sqlite3_bind_text(st, 2, args->user, -1, SQLITE_STATIC);
		if (args->verdict)
			sqlite3_bind_text(st, 3, args->verdict, -1, SQLITE_STATIC);
	}
	while (status == 0 && ledger_step(&l, st, &status))
		if (is_wanted(args, st))
			status = l.json ? print_json(st) : print_text(st);
	sqlite3_finalize(st);
	ledger_close(&l);
	return status == 0 && fflush(stdout) != 0 ? complain("%s", strerror(errno)) : status;
}
