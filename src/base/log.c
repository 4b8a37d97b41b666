/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The log's lines; see wharf/base/log.h.  The only state of the process that has no owner: where
 * lines go. */
#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/buf.h>
#include <wharf/base/log.h>

#define LINE_MAX_BYTES 4096
#define LINE_USUAL     256
/* Of a text line, before the last value's last byte. */
#define TEXT_MAX_BYTES (LINE_MAX_BYTES - 96)
#define JSON_MAX_BYTES ((LINE_MAX_BYTES - 512) / 2) /* of all values: JSON may double each byte */

static struct {
	char process[24];
	int fd;
	enum log_level least;
	bool json;
	atomic_bool no_socket; /* that is known */
	atomic_uint_fast64_t lost;
} sink = {"wharfd", STDERR_FILENO, LOG_LEVEL_INFO, false, false, 0};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void
log_setup(const char *process, int fd, enum log_level least, bool json)
{
	snprintf(sink.process, sizeof(sink.process), "%s", process);
	log_set_fd(fd);
	sink.least = least;
	sink.json = json;
	/* libc reads its time zone once, at the first call for a time: not in a jail, where the
	 * file is a client's. */
	tzset();
	/* JSON's hash seed comes from a device, which a jail has not. */
	if (json)
		json_object_seed(0);
}

void
log_set_fd(int fd)
{
	sink.fd = fd;
	atomic_store(&sink.no_socket, false);
}

void
log_replace(int fd)
{
	if (dup3(fd, STDERR_FILENO, 0) < 0)
		LOG(ERROR, "the new log file cannot be used", LOG_ERRNO(-errno));
	atomic_store(&sink.no_socket, false);
}

bool
log_wants(enum log_level level)
{
	return level <= sink.least;
}

struct slice
log_errno(int negative_errno)
{
	const char *text = strerrordesc_np(-negative_errno);

	return slice_of(text ? text : "unknown error");
}

/* The length of the UTF-8 sequence at p that prints, or 0 when the byte must be escaped (RFC 3629
 * §4). */
static size_t
printable(const unsigned char *p, size_t n)
{
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f && p[0] != '\\';

	size_t len = p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, what lies beyond U+10FFFF, and the C1 controls. */
	if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
	    (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* Appends what is in s, escaped, as long as b has no more than max bytes. */
static void
add_escaped(struct buf *b, struct slice s, size_t max)
{
	const unsigned char *p = (const unsigned char *)s.p;

	for (size_t i = 0; i < s.n && b->len < max;) {
		size_t run = 0, most = max - b->len < s.n - i ? max - b->len : s.n - i;
		while (run < most && p[i + run] < 0x80 && printable(p + i + run, 1))
			run++;
		size_t len = run ? run : printable(p + i, s.n - i);
		if (len)
			buf_add(b, p + i, len);
		else
			buf_printf(b, "\\x%02x", p[i]);
		i += len ? len : 1;
	}
}

void
log_escape(struct buf *out, struct slice bytes)
{
	add_escaped(out, bytes, SIZE_MAX);
}

static void
put_digits(char *at, size_t width, int n)
{
	while (width > 0) {
		at[--width] = (char)('0' + n % 10);
		n /= 10;
	}
}

/* printf() would take longer for a line than all else that is done for it. */
static void
add_time(struct buf *b)
{
	char text[] = "0000-00-00T00:00:00.000Z";
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	put_digits(text, 4, tm.tm_year + 1900);
	put_digits(text + 5, 2, tm.tm_mon + 1);
	put_digits(text + 8, 2, tm.tm_mday);
	put_digits(text + 11, 2, tm.tm_hour);
	put_digits(text + 14, 2, tm.tm_min);
	put_digits(text + 17, 2, tm.tm_sec);
	put_digits(text + 20, 3, (int)(now.tv_nsec / 1000000));
	buf_add(b, text, sizeof(text) - 1);
}

static void
add_number(struct buf *b, int64_t n)
{
	if (n < 0)
		buf_add_byte(b, '-');
	buf_add_u64(b, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

static void
add_text(struct buf *b, enum log_level level, const char *what, const struct log_field *fields,
	 size_t n)
{
	add_time(b);
	buf_add_byte(b, ' ');
	buf_add_str(b, level_names[level]);
	buf_add_byte(b, ' ');
	buf_add_str(b, sink.process);
	buf_add_str(b, ": ");
	buf_add_str(b, what);
	for (size_t i = 0; i < n; i++) {
		buf_add_byte(b, ' ');
		buf_add_str(b, fields[i].key);
		buf_add_byte(b, '=');
		if (fields[i].kind == LOG_FIELD_NUMBER) {
			add_number(b, fields[i].number);
			continue;
		}
		if (fields[i].kind == LOG_FIELD_REAL) {
			buf_printf(b, "%.3f", fields[i].real);
			continue;
		}
		bool quoted = !fields[i].text.n ||
			      memchr(fields[i].text.p, ' ', fields[i].text.n) ||
			      memchr(fields[i].text.p, '"', fields[i].text.n);
		if (quoted)
			buf_add_byte(b, '"');
		for (struct slice s = fields[i].text; s.n;) {
			const char *mark = memchr(s.p, '"', s.n);
			size_t run = mark ? (size_t)(mark - s.p) : s.n;
			add_escaped(b, slice_head(s, run), TEXT_MAX_BYTES);
			if (mark && b->len < TEXT_MAX_BYTES)
				buf_add_str(b, "\\\"");
			s = slice_from(s, run + (mark ? 1 : 0));
		}
		if (quoted)
			buf_add_byte(b, '"');
	}
}

static void
add_json(struct buf *b, enum log_level level, const char *what, const struct log_field *fields,
	 size_t n)
{
	json_t *object = json_object();
	struct buf text = BUF_INIT;
	size_t left = JSON_MAX_BYTES;

	add_time(&text);
	json_object_set_new(object, "time", json_stringn(text.data, text.len));
	json_object_set_new(object, "level", json_string(level_names[level]));
	json_object_set_new(object, "process", json_string(sink.process));
	json_object_set_new(object, "event", json_string(what));
	for (size_t i = 0; i < n; i++) {
		json_t *value;
		if (fields[i].kind == LOG_FIELD_NUMBER) {
			value = json_integer(fields[i].number);
		} else if (fields[i].kind == LOG_FIELD_REAL) {
			value = json_real(fields[i].real);
		} else {
			buf_reset(&text);
			add_escaped(&text, fields[i].text, left);
			left -= text.len < left ? text.len : left;
			value = json_stringn(text.len ? text.data : "", text.len);
		}
		json_object_set_new(object, fields[i].key, value);
	}
	char *dump = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (dump)
		buf_add_str(b, dump);
	free(dump);
	json_decref(object);
	buf_deinit(&text);
}

/* One call, which never waits: a sink that is full loses the line. */
static bool
put_line(struct slice line)
{
	bool no_socket = atomic_load_explicit(&sink.no_socket, memory_order_relaxed);
	ssize_t r = no_socket ? -1 : send(sink.fd, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (!no_socket && r < 0 && errno == ENOTSOCK) {
		no_socket = true;
		atomic_store(&sink.no_socket, true);
	}
	if (no_socket)
		r = write(sink.fd, line.p, line.n);
	return r == (ssize_t)line.n;
}

void
log_write(enum log_level level, const char *what, const struct log_field *fields, size_t n)
{
	struct buf line = BUF_INIT;
	int saved = errno;

	buf_reserve(&line, LINE_USUAL);
	uint_fast64_t lost = atomic_exchange(&sink.lost, 0);
	if (lost) {
		const struct log_field field = LOG_NUM("lines", lost);
		(sink.json ? add_json : add_text)(&line, LOG_LEVEL_WARNING, "log lines were lost",
						  &field, 1);
		buf_add_byte(&line, '\n');
	}
	(sink.json ? add_json : add_text)(&line, level, what, fields, n);
	buf_add_byte(&line, '\n');
	if (!put_line(buf_slice(&line)))
		atomic_fetch_add(&sink.lost, lost + 1);
	buf_deinit(&line);
	errno = saved;
}
