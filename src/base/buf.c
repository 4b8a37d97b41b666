/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The growing buffer of wharf/base/buf.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/buf.h>

#define BUF_FIRST 128

void
buf_deinit(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

void
buf_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_deinit(b);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

int
buf_reserve(struct buf *b, size_t n)
{
	if (b->cap - b->len >= n)
		return 0;

	size_t cap = b->cap ? b->cap : BUF_FIRST;
	while (cap - b->len < n)
		cap *= 2;
	char *data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return -ENOMEM;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

int
buf_reserve_secret(struct buf *b, size_t n)
{
	struct buf wider = BUF_INIT;

	if (b->cap - b->len >= n)
		return 0;
	if (buf_reserve(&wider, b->len + n) < 0) {
		b->failed = true;
		return -ENOMEM;
	}
	wider.failed = b->failed;
	buf_add_slice(&wider, buf_slice(b));
	buf_wipe(b);
	*b = wider;
	return 0;
}

void
buf_consume(struct buf *b, size_t n)
{
	b->len -= n;
	if (b->len && n)
		memmove(b->data, b->data + n, b->len);
}

void
buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (n == 0 || buf_reserve(b, n) < 0)
		return;
	memcpy(b->data + b->len, bytes, n);
	b->len += n;
}

void
buf_add_byte(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.n);
}

void
buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_add_u64(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap - b->len;
	va_list again;

	va_copy(again, ap);
	int n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, again);
	va_end(again);
	/* One byte more for the terminator that vsnprintf writes and that is not kept. */
	if (n < 0 || buf_reserve(b, (size_t)n + 1) < 0) {
		b->failed = true;
		return;
	}
	if ((size_t)n >= room)
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}
