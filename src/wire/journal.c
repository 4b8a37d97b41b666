/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Records of the spool; see wharf/wire/journal.h. */
#include <errno.h>
#include <string.h>

#include <isa-l/crc.h>

#include <wharf/wire/journal.h>

#define NUMBER_BYTES 4
#define HEAD_BYTES   (2 * NUMBER_BYTES) /* the length, the checksum */

static uint32_t
number_at(const char bytes[NUMBER_BYTES])
{
	uint32_t n = 0;

	for (size_t i = 0; i < NUMBER_BYTES; i++)
		n |= (uint32_t)(unsigned char)bytes[i] << 8 * i;
	return n;
}

static void
put_number(char bytes[NUMBER_BYTES], uint32_t n)
{
	for (size_t i = 0; i < NUMBER_BYTES; i++)
		bytes[i] = (char)(n >> 8 * i & 0xff);
}

static uint32_t
checksum(struct slice bytes)
{
	return crc32_gzip_refl(0, (const unsigned char *)bytes.p, bytes.n);
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
	char *head = out->data + before;
	put_number(head, (uint32_t)n);
	put_number(head + NUMBER_BYTES, checksum((struct slice){head + HEAD_BYTES, n}));
	return 0;
}

ssize_t
journal_decode(struct slice bytes, struct message *m, size_t *skip)
{
	*skip = 0;
	if (bytes.n < HEAD_BYTES)
		return 0;
	const size_t n = number_at(bytes.p);
	if (n > WIRE_MAX)
		return -EPROTO;
	if (bytes.n < HEAD_BYTES + n)
		return 0;
	*skip = HEAD_BYTES + n;
	struct slice message = slice_head(slice_from(bytes, HEAD_BYTES), n);
	int r = message_decode(message, m);
	if (r == 0 && m->id != MSG_J_TRANSFER && m->id != MSG_J_CHANGE)
		r = -EPROTO;
	/* The end of one that was broken off may be another one. */
	if (r == 0 && checksum(message) != number_at(bytes.p + NUMBER_BYTES))
		r = -EPROTO;
	return r < 0 ? r : (ssize_t)*skip;
}
