/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The transfer log; see xferlog.h. */
#include <string.h>
#include <unistd.h>

#include <wharf/base/address.h>

#include "xferlog.h"

/* A field: its readers split at blanks, so a blank becomes _; what would break a line is written as
 * \xNN. */
static void
add_field(struct buf *out, struct slice s)
{
	buf_add_byte(out, ' ');
	if (s.n == 0)
		buf_add_byte(out, '*');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == ' ')
			buf_add_byte(out, '_');
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_add_byte(out, (char)c);
	}
}

void
xferlog_format(struct buf *out, const struct xferlog_entry *e)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const struct transfer_record *r = e->record;
	struct tm tm;

	gmtime_r(&e->when, &tm);
	buf_printf(out, "%.3s %.3s %2d %02d:%02d:%02d %d %llu", days + 3 * tm.tm_wday,
		   months + 3 * tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		   tm.tm_year + 1900, (unsigned long long)((r->milliseconds + 500) / 1000));
	add_field(out, e->host);
	buf_printf(out, " %llu", (unsigned long long)r->bytes);
	add_field(out, r->path);
	/* type, no special action, direction, access mode */
	buf_printf(out, " %c _ %c %c", r->ascii ? 'a' : 'b', r->upload ? 'i' : 'o',
		   e->anonymous ? 'a' : 'r');
	add_field(out, e->user);
	/* service, no RFC 931 identification, its user, complete or incomplete */
	buf_printf(out, " ftp 0 * %c", r->whole ? 'c' : 'i');
	add_field(out, slice_of(r->verdict));
	add_field(out, r->digest);
	buf_add_byte(out, '\n');
}

bool
transfer_is_of_a_file(const struct transfer_record *record)
{
	static const char *const verbs[] = {"RETR", "STOR", "STOU", "APPE"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (slice_equal_nocase(record->command, slice_of(verbs[i])))
			return true;
	return false;
}

void
xferlog_write(int fd, struct session *s, const struct transfer_record *record)
{
	struct sockaddr_storage peer = endpoint_address(&s->ftp.peer);
	struct buf host = BUF_INIT, line = BUF_INIT;

	address_format_host(&host, &peer);
	struct xferlog_entry e = {time(NULL), buf_slice(&host), slice_of(s->ftp.user), s->anonymous,
				  record};
	xferlog_format(&line, &e);
	/* One call a line; a line that can't be written is lost, and no session waits for it. */
	if (buf_error(&line) == 0 && write(fd, line.data, line.len) < 0)
		s->worker->xferlog_lost++;
	buf_deinit(&line);
	buf_deinit(&host);
}
