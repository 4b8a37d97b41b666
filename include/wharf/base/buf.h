/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A growing row of bytes.  Appending never fails halfway: when memory is out the buffer keeps what
 * it had, remembers the failure, and buf_error() tells at the end, so that a formatter need not
 * check each line.
 */
#ifndef WHARF_BASE_BUF_H
#define WHARF_BASE_BUF_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wharf/base/slice.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	bool failed;
};

#define BUF_INIT ((struct buf){0})

/* Frees the bytes and makes the buffer empty again. */
void buf_deinit(struct buf *b);
/* The same for bytes that nobody may find again in this process's memory: a password. */
void buf_wipe(struct buf *b);
/* Forgets the contents (and a failure) and keeps the memory. */
void buf_reset(struct buf *b);
/* Makes room for n more bytes.  Returns 0 or -ENOMEM. */
int buf_reserve(struct buf *b, size_t n);
/* The same for bytes that buf_wipe() is for: where they move, none stays behind. */
int buf_reserve_secret(struct buf *b, size_t n);
/* Takes the first n bytes away; n is at most b->len. */
void buf_consume(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_byte(struct buf *b, char c);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *s);
/* A decimal number, without printf: listings need many. */
void buf_add_u64(struct buf *b, uint64_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* 0, or -ENOMEM when anything that was appended since the last reset is missing. */
static inline int
buf_error(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

static inline struct slice
buf_slice(const struct buf *b)
{
	return (struct slice){b->data, b->len};
}

#endif
