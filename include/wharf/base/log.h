/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The log: one line an event, as text or as JSON, on one descriptor that every role of the daemon
 *shares.
 *
 *	LOG(INFO, "logged in", LOG_STR("user", name), LOG_NUM("session", id));
 *
 * A line is at most 4 KiB and written with one system call.  Control characters and bytes that are
 *not UTF-8 are escaped as \xNN, so an event is always one line.  Passwords have no business here.
 *A sink that is full loses lines, never time; the next line that passes says how many were lost.
 */
#ifndef WHARF_BASE_LOG_H
#define WHARF_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wharf/base/slice.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
	const char *key;
	enum { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_REAL } kind;
	struct slice text;
	int64_t number;
	double real;
};

#define LOG_BYTES(key, slice) ((struct log_field){(key), LOG_FIELD_TEXT, (slice), 0, 0})
#define LOG_STR(key, str)     LOG_BYTES(key, slice_of(str))
#define LOG_NUM(key, n)       ((struct log_field){(key), LOG_FIELD_NUMBER, SLICE_NULL, (int64_t)(n), 0})
/* A finite double: three digits behind the point in text, a number in JSON. */
#define LOG_REAL(key, x) ((struct log_field){(key), LOG_FIELD_REAL, SLICE_NULL, 0, (x)})
/* A negative errno as text. */
#define LOG_ERRNO(r) LOG_BYTES("error", log_errno(r))

#define LOG(level, what, ...)                                                    \
	do {                                                                     \
		if (log_wants(LOG_LEVEL_##level)) {                              \
			const struct log_field log_fields_[] = {__VA_ARGS__};    \
			log_write(LOG_LEVEL_##level, (what), log_fields_,        \
				  sizeof(log_fields_) / sizeof(log_fields_[0])); \
		}                                                                \
	} while (0)

/*
 * Names the process in every line ("monitor", "worker 1") and says how and where lines are written.
 * fd stays the caller's.  Before the first call lines go to descriptor 2 as text, at level info.
 */
void log_setup(const char *process, int fd, enum log_level least, bool json);
/* Another descriptor from now on, after the log file was turned over. */
void log_set_fd(int fd);
/*
 * For a role, whose log is descriptor 2: puts a copy of fd in its place, so that nothing holds the
 * old file; fd stays the caller's.  Where that fails the old file stays and gets a line that says
 * so.
 */
void log_replace(int fd);

bool log_wants(enum log_level level);
void log_write(enum log_level level, const char *what, const struct log_field *fields, size_t n);
struct slice log_errno(int negative_errno);

struct buf;
/* Appends the bytes as the log shows them: what is not UTF-8, a control character or a backslash is
 * \xNN. */
void log_escape(struct buf *out, struct slice bytes);

#endif
