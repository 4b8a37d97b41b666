/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Settings as a value: defaults, copies, and the bytes that the monitor hands to workers and
 * agents.  The bytes are the options in the order of options.def, numbers little-endian: u8 for a
 * flag, a choice and a number of items in an order, u16 for a port, u32 for lengths, u64 for the
 * rest.  Both ends are of the same build.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/check.h>
#include <wharf/conf/options.h>
#include <wharf/conf/settings.h>
#include <wharf/conf/value.h>

static void *
field(struct settings *s, const struct option_row *row)
{
	return (char *)s + row->offset;
}

static const void *
const_field(const struct settings *s, const struct option_row *row)
{
	return (const char *)s + row->offset;
}

int
settings_init(struct settings *s)
{
	struct buf why = BUF_INIT;
	int r = 0;

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < OPTION_COUNT && r == 0; i++) {
		const struct option_row *row = &option_rows[i];
		struct slice standard = slice_of(row->standard);
		r = value_parse(row, &standard, 1, field(s, row), &why);
		REQUIRE(r <= 0); /* a default that is no value is a mistake in options.def */
	}
	buf_deinit(&why);
	if (r < 0)
		settings_deinit(s);
	return r;
}

void
settings_deinit(struct settings *s)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		value_free(&option_rows[i], field(s, &option_rows[i]));
}

int
settings_copy(struct settings *to, const struct settings *from)
{
	memset(to, 0, sizeof(*to));
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		if (value_copy(row, field(to, row), const_field(from, row)) < 0) {
			settings_deinit(to);
			return -ENOMEM;
		}
	}
	return 0;
}

static void
put(struct buf *out, uint64_t n, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buf_add_byte(out, (char)(n >> 8 * i & 0xff));
}

static void
put_text(struct buf *out, const char *text)
{
	struct slice s = slice_of(text);

	put(out, s.n, 4);
	buf_add_slice(out, s);
}

static void
put_list(struct buf *out, const struct texts *list)
{
	put(out, list->n, 4);
	for (size_t i = 0; i < list->n; i++)
		put_text(out, list->item[i]);
}

static void
encode_field(const struct option_row *row, const void *from, struct buf *out)
{
	const struct port_range *ports = from;
	const struct order *order = from;

	switch (row->type) {
	case OPTION_FLAG:
		put(out, *(const bool *)from, 1);
		break;
	case OPTION_NUMBER:
	case OPTION_TIME:
	case OPTION_SIZE:
	case OPTION_MODE:
	case OPTION_WORDS:
		put(out, *(const uint64_t *)from, 8);
		break;
	case OPTION_PORTS:
		put(out, ports->low, 2);
		put(out, ports->high, 2);
		break;
	case OPTION_CHOICE:
		put(out, (uint64_t) * (const int *)from, 1);
		break;
	case OPTION_ORDER:
		put(out, order->n, 1);
		buf_add(out, order->item, order->n);
		break;
	case OPTION_TEXT:
		put_text(out, *(char *const *)from);
		break;
	case OPTION_LIST:
		put_list(out, from);
		break;
	}
}

void
settings_encode(const struct settings *s, struct buf *out)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		encode_field(&option_rows[i], const_field(s, &option_rows[i]), out);
}

/* Takes a number off the front of *in; false when there are too few bytes. */
static bool
take(struct slice *in, size_t bytes, uint64_t *n)
{
	if (in->n < bytes)
		return false;
	*n = 0;
	for (size_t i = 0; i < bytes; i++)
		*n |= (uint64_t)(unsigned char)in->p[i] << 8 * i;
	*in = slice_from(*in, bytes);
	return true;
}

static int
take_text(struct slice *in, char **to)
{
	uint64_t n;

	if (!take(in, 4, &n) || n > in->n || !value_is_text(slice_head(*in, n)))
		return -EBADMSG;
	*to = slice_dup(slice_head(*in, n));
	*in = slice_from(*in, n);
	return *to ? 0 : -ENOMEM;
}

static int
take_list(struct slice *in, struct texts *to)
{
	uint64_t n;

	/* Each text takes four bytes at least, so that a wild number allocates no more than a
	 * message holds. */
	if (!take(in, 4, &n) || n > in->n / 4)
		return -EBADMSG;
	if (n == 0)
		return 0;
	to->item = calloc(n, sizeof(*to->item));
	if (!to->item)
		return -ENOMEM;
	for (; to->n < n; to->n++) {
		int r = take_text(in, &to->item[to->n]);
		if (r < 0)
			return r;
		if (to->item[to->n][0] == '\0') {
			free(to->item[to->n]);
			return -EBADMSG;
		}
	}
	return 0;
}

static int
take_order(struct slice *in, struct order *to, size_t words)
{
	uint64_t n, item;

	if (!take(in, 1, &n) || n == 0 || n > words || n > sizeof(to->item))
		return -EBADMSG;
	for (; to->n < n; to->n++) {
		if (!take(in, 1, &item) || item >= words ||
		    memchr(to->item, (int)item, to->n) != NULL)
			return -EBADMSG;
		to->item[to->n] = (uint8_t)item;
	}
	return 0;
}

static int
take_ports(struct slice *in, struct port_range *to, const struct option_row *row)
{
	uint64_t low, high;

	if (!take(in, 2, &low) || !take(in, 2, &high) || low < row->low || low > high ||
	    high > row->high)
		return -EBADMSG;
	*to = (struct port_range){(uint16_t)low, (uint16_t)high};
	return 0;
}

static int
decode_field(const struct option_row *row, void *to, struct slice *in)
{
	uint64_t n;
	size_t words;

	option_words(row->set, &words);
	switch (row->type) {
	case OPTION_FLAG:
		if (!take(in, 1, &n) || n > 1)
			return -EBADMSG;
		*(bool *)to = n;
		return 0;
	case OPTION_WORDS:
		if (!take(in, 8, &n) || n >> words != 0)
			return -EBADMSG;
		*(uint64_t *)to = n;
		return 0;
	case OPTION_CHOICE:
		if (!take(in, 1, &n) || n >= words)
			return -EBADMSG;
		*(int *)to = (int)n;
		return 0;
	case OPTION_PORTS:
		return take_ports(in, to, row);
	case OPTION_ORDER:
		return take_order(in, to, words);
	case OPTION_TEXT:
		return take_text(in, to);
	case OPTION_LIST:
		return take_list(in, to);
	default:
		if (!take(in, 8, &n) || n < row->low || n > row->high)
			return -EBADMSG;
		*(uint64_t *)to = n;
		return 0;
	}
}

int
settings_decode(struct settings *s, struct slice bytes)
{
	int r = 0;

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < OPTION_COUNT && r == 0; i++)
		r = decode_field(&option_rows[i], field(s, &option_rows[i]), &bytes);
	if (r == 0 && bytes.n != 0)
		r = -EBADMSG;
	if (r < 0)
		settings_deinit(s);
	return r;
}
