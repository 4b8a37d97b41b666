/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The reader of the control connection: bytes in, command lines out (RFC 959 §5.3), whatever the
 * segmentation, with Telnet's sequences (RFC 854) taken away.
 *
 * A line ends with LF, and a CR right before it goes with it.  An LF ends the line in every state,
 * in the middle of a Telnet sequence too, so that no sequence can hide the end of a command or
 * swallow the next one; a line whose last sequence is unfinished is LINE_BAD.  An IAC that is not
 * followed by a Telnet command (a byte of 240 and more) is a byte of a name that the client did not
 * double, and stays.  A DM (0xf2) that stands first in a line is dropped: it lost its IAC to the
 * urgent data before it, and no verb begins with it.
 */
#ifndef WHARF_FTP_LINE_H
#define WHARF_FTP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

/* How much is told of a line that can't be one. */
#define LINE_HEAD 16

enum line_result {
	LINE_MORE,     /* everything was used, no line has ended */
	LINE_READY,    /* a line, without its end */
	LINE_TOO_LONG, /* more than max bytes; told at once and once, the rest is swallowed */
	LINE_BAD,      /* a NUL, a bare CR, an unfinished Telnet sequence; told at the end */
};

struct line_reader {
	struct buf text; /* of the line so far; no memory while there is none */
	uint32_t max;
	uint32_t seen; /* bytes of this line, dropped ones included, line end not */
	uint8_t telnet;
	bool cr; /* the last byte was a CR */
	bool bad;
	bool swallow; /* the line was told to be too long */
	bool ended;   /* text was handed out: the next feed begins a line */
};

/*
 * max: the most bytes that a line may have, its end not counted, dropped Telnet sequences counted.
 */
void line_reader_init(struct line_reader *r, size_t max);
void line_reader_deinit(struct line_reader *r);

/* Whether no byte of a line has come that is not handed out yet. */
bool line_reader_is_between(const struct line_reader *r);

/*
 * Takes bytes up to the end of at most one line.  *used is how many of the n were taken; the caller
 * feeds the rest again.  *line is the line; for LINE_TOO_LONG and LINE_BAD it is up to LINE_HEAD
 * bytes of what came before it was that, so that a client of another protocol can be told by its
 * first word.  It is valid until the next feed.
 * Memory that no line needs is freed when LINE_MORE is returned, so a caller that feeds until
 * LINE_MORE (n may be 0) keeps nothing for an idle session.  Returns an enum line_result, or
 * -ENOMEM.
 */
int line_reader_feed(struct line_reader *r, const char *bytes, size_t n, size_t *used,
		     struct slice *line);

#endif
