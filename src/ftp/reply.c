/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Replies (RFC 959 §4.2): how they are formed, and which one an errno deserves. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"

static const struct {
	int error;
	unsigned code;
	const char *text;
} errors[] = {
	{ENOENT, 550, "No such file or folder."},
	{EACCES, 550, "Permission denied."},
	{EPERM, 550, "That is not permitted."},
	{EROFS, 550, "The file system is read-only."},
	{ENOTDIR, 550, "Not a folder."},
	{EISDIR, 550, "Is a folder."},
	{EEXIST, 550, "It exists already."},
	{ENOTEMPTY, 550, "The folder is not empty."},
	{ENXIO, 550, "Not a regular file."},
	{EXDEV, 550, "Not across file systems."},
	{ELOOP, 550, "Too many symbolic links."},
	{EMLINK, 550, "Too many links."},
	{EINVAL, 550, "That is not possible."},
	{EOPNOTSUPP, 550, "The file system can't do that."},
	{ENAMETOOLONG, 550, "The name is too long."},
	{ETXTBSY, 450, "The file is in use."},
	{EBUSY, 450, "It is in use."},
	{EAGAIN, 450, "The file is in use."},
	{ENOSPC, 452, "No space is left."},
	{EDQUOT, 552, "The quota is used up."},
	{EFBIG, 552, "The file is too large."},
	{ETIMEDOUT, 451, "The file system does not answer."},
	{ECANCELED, 451, "Stopped."},
	{EMFILE, 451, "Out of resources, try again later."},
	{ENOMEM, 451, "Out of resources, try again later."},
};

void
reply_raw(struct ftp_session *s, unsigned code, const struct buf *bytes)
{
	s->last_code = code;
	if (buf_error(bytes) < 0)
		s->world->reply(s, SLICE("451 Out of resources, try again later.\r\n"));
	else
		s->world->reply(s, buf_slice(bytes));
}

void
reply(struct ftp_session *s, unsigned code, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	s->last_code = code;
	int head = snprintf(line, sizeof(line), "%03u ", code);
	va_start(ap, fmt);
	int text = vsnprintf(line + head, sizeof(line) - (size_t)head - 2, fmt, ap);
	va_end(ap);
	size_t n = (size_t)head + (size_t)text;
	if (n > sizeof(line) - 3)
		n = sizeof(line) - 3;
	memcpy(line + n, "\r\n", 2);
	s->world->reply(s, (struct slice){line, n + 2});
}

static void
reply_error(struct ftp_session *s, int error, bool naming)
{
	int positive = abs(error);

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].error != positive)
			continue;
		/* What can't be changed any more is not a matter of its name. */
		bool is_name = naming && errors[i].code == 550 && positive != EPERM;
		reply(s, is_name ? 553 : errors[i].code, "%s", errors[i].text);
		return;
	}
	reply(s, 451, "Local error in processing.");
}

void
reply_errno(struct ftp_session *s, int error)
{
	reply_error(s, error, false);
}

void
reply_errno_naming(struct ftp_session *s, int error)
{
	reply_error(s, error, true);
}

void
reply_add_lines(struct buf *b, unsigned code, const char *first, struct slice text,
		const char *last)
{
	buf_printf(b, "%03u-%s\r\n", code, first);
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		buf_add_byte(b, ' ');
		for (size_t i = 0; i < n; i++)
			buf_add_byte(b, (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f
						? '?'
						: text.p[i]);
		buf_add_str(b, "\r\n");
		text = slice_from(text, n + (end ? 1 : 0));
	}
	buf_printf(b, "%03u %s\r\n", code, last);
}
