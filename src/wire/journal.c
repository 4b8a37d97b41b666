/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Records of the spool; see wharf/wire/journal.h. */
#include <errno.h>
#include <string.h>

#include <wharf/wire/journal.h>

#define HEAD_BYTES 4

static size_t
length_of(const char head[HEAD_BYTES])
{
	size_t n = 0;

	for (size_t i = 0; i < HEAD_BYTES; i++)
		n |= (size_t)(unsigned char)head[i] << 8 * i;
	return n;
}

int
journal_encode(struct buf *out, const struct message *m)
{
	const size_t before = out->len;

	buf_add(out, (char[HEAD_BYTES]){0}, HEAD_BYTES);
	message_encode(out, m);
	const size_t n = out->len - before - HEAD_BYTES;
	if (buf_error(out) < 0)
		return -ENOMEM;
	if (n > WIRE_MAX) {
		out->len = before;
		return -EMSGSIZE;
	}
	for (size_t i = 0; i < HEAD_BYTES; i++)
		out->data[before + i] = (char)(n >> 8 * i & 0xff);
	return 0;
}

ssize_t
journal_decode(struct slice bytes, struct message *m, size_t *skip)
{
	*skip = 0;
	if (bytes.n < HEAD_BYTES)
		return 0;
	const size_t n = length_of(bytes.p);
	if (n > WIRE_MAX)
		return -EPROTO;
	if (bytes.n < HEAD_BYTES + n)
		return 0;
	*skip = HEAD_BYTES + n;
	int r = message_decode(slice_head(slice_from(bytes, HEAD_BYTES), n), m);
	if (r == 0 && m->id != MSG_J_TRANSFER && m->id != MSG_J_CHANGE)
		r = -EPROTO;
	return r < 0 ? r : (ssize_t)*skip;
}
