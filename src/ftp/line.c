/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The control connection's line reader of wharf/ftp/line.h. */
#include <wharf/ftp/line.h>

enum telnet_byte {
	TELNET_SE = 0xf0, /* the first command; everything below is no command */
	TELNET_DM = 0xf2,
	TELNET_SB = 0xfa,
	TELNET_WILL = 0xfb, /* WILL, WONT, DO and DONT follow each other up to IAC */
	TELNET_IAC = 0xff,
};

enum telnet_state {
	AT_DATA,
	AT_COMMAND, /* after IAC */
	AT_OPTION,  /* after IAC WILL, WONT, DO or DONT */
	AT_SUB,     /* after IAC SB */
	AT_SUB_IAC, /* after an IAC in there */
};

void
line_reader_init(struct line_reader *r, size_t max)
{
	*r = (struct line_reader){.max = max < UINT32_MAX / 2 ? (uint32_t)max : UINT32_MAX / 2};
}

void
line_reader_deinit(struct line_reader *r)
{
	buf_wipe(&r->text);
}

bool
line_reader_is_between(const struct line_reader *r)
{
	return r->ended || (r->seen == 0 && r->telnet == AT_DATA && !r->cr && !r->swallow);
}

static void
line_begin(struct line_reader *r)
{
	buf_reset(&r->text);
	r->seen = 0;
	r->telnet = AT_DATA;
	r->cr = r->bad = r->swallow = r->ended = false;
}

/* How many bytes at the front have no meaning of their own. */
static size_t
plain_run(const char *bytes, size_t n)
{
	size_t i = 0;

	while (i < n && bytes[i] != '\n' && bytes[i] != '\r' && bytes[i] != '\0' &&
	       (unsigned char)bytes[i] != TELNET_IAC)
		i++;
	return i;
}

/* Any line may have a password. */
static void
line_add(struct line_reader *r, const char *bytes, size_t n)
{
	if (buf_reserve_secret(&r->text, n) == 0)
		buf_add(&r->text, bytes, n);
}

/* A byte that belongs to the line. */
static void
line_data(struct line_reader *r, char c)
{
	if (r->cr) {
		/* The CR was not a part of the line's end, so it counts. */
		r->bad = true;
		r->seen++;
	}
	r->cr = c == '\r';
	if (r->cr)
		return;
	r->seen++;
	if (c == '\0')
		r->bad = true;
	if (!r->bad && !((unsigned char)c == TELNET_DM && r->text.len == 0))
		line_add(r, &c, 1);
}

/* The byte after an IAC. */
static void
line_command(struct line_reader *r, unsigned char c)
{
	r->telnet = AT_DATA;
	if (c == TELNET_IAC) {
		line_data(r, (char)TELNET_IAC);
	} else if (c == TELNET_SB) {
		r->telnet = AT_SUB;
		r->seen += 2;
	} else if (c >= TELNET_WILL) {
		r->telnet = AT_OPTION;
		r->seen += 2;
	} else if (c >= TELNET_SE) {
		r->seen += 2;
	} else {
		line_data(r, (char)TELNET_IAC);
		line_data(r, (char)c);
	}
}

/* Any byte but LF. */
static void
line_byte(struct line_reader *r, unsigned char c)
{
	switch ((enum telnet_state)r->telnet) {
	case AT_DATA:
		if (c == TELNET_IAC)
			r->telnet = AT_COMMAND;
		else
			line_data(r, (char)c);
		return;
	case AT_COMMAND:
		line_command(r, c);
		return;
	case AT_OPTION:
		r->telnet = AT_DATA;
		break;
	case AT_SUB:
		if (c == TELNET_IAC)
			r->telnet = AT_SUB_IAC;
		break;
	case AT_SUB_IAC:
		r->telnet = c == TELNET_SE ? AT_DATA : AT_SUB;
		break;
	}
	r->seen++;
}

/* The LF.  Returns what the line is. */
static enum line_result
line_end(struct line_reader *r)
{
	if (r->telnet == AT_COMMAND)
		line_data(r, (char)TELNET_IAC);
	else if (r->telnet != AT_DATA)
		r->bad = true;
	r->ended = true;
	if (r->seen > r->max)
		return LINE_TOO_LONG;
	return r->bad ? LINE_BAD : LINE_READY;
}

/* Takes what may be taken at once from a line's middle: at least one byte, none of them LF. */
static size_t
line_take(struct line_reader *r, const char *bytes, size_t n)
{
	/* A line's first byte, and one after a CR, is looked at by itself. */
	if (r->telnet == AT_DATA && !r->cr && r->text.len > 0) {
		size_t run = plain_run(bytes, n);
		size_t room = (size_t)r->max - r->seen + 1;

		if (run > room)
			run = room;
		if (run > 0) {
			if (!r->bad)
				line_add(r, bytes, run);
			r->seen += (uint32_t)run;
			return run;
		}
	}
	line_byte(r, (unsigned char)bytes[0]);
	return 1;
}

int
line_reader_feed(struct line_reader *r, const char *bytes, size_t n, size_t *used,
		 struct slice *line)
{
	size_t at = 0;
	enum line_result result = LINE_MORE;

	*line = SLICE_NULL;
	if (r->ended)
		line_begin(r);
	else if (r->swallow)
		buf_wipe(&r->text);
	while (at < n && result == LINE_MORE) {
		if (r->swallow) {
			const char *lf = memchr(bytes + at, '\n', n - at);
			at = lf ? (size_t)(lf - bytes) + 1 : n;
			if (lf)
				line_begin(r);
			continue;
		}
		if (bytes[at] == '\n') {
			result = line_end(r);
			at++;
			continue;
		}
		at += line_take(r, bytes + at, n - at);
		if (r->seen > r->max) {
			r->swallow = true;
			result = LINE_TOO_LONG;
		}
	}
	*used = at;
	if (buf_error(&r->text) < 0)
		return -ENOMEM;
	if (result == LINE_READY)
		*line = buf_slice(&r->text);
	else if (result != LINE_MORE)
		*line = slice_head(buf_slice(&r->text),
				   r->text.len < LINE_HEAD ? r->text.len : LINE_HEAD);
	else if (r->text.len == 0)
		buf_wipe(&r->text);
	return result;
}
