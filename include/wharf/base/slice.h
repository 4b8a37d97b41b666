/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A run of bytes that belongs to somebody else: a pointer and a length, never a terminator.  Names
 * in FTP are bytes, so nothing here knows a character set.
 */
#ifndef WHARF_BASE_SLICE_H
#define WHARF_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE_NULL ((struct slice){NULL, 0})
/* A string literal as a slice. */
#define SLICE(text) ((struct slice){(text), sizeof(text) - 1})
/* For printf's "%.*s". */
#define SLICE_FMT(s) (int)(s).n, (s).p

/* s: a NUL-terminated string, or NULL for an empty slice. */
static inline struct slice
slice_of(const char *s)
{
	return (struct slice){s, s ? strlen(s) : 0};
}

static inline bool
slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case is ignored, as RFC 959 §5.3 wants of verbs. */
static inline bool
slice_equal_nocase(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool
slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* The slice without its first n bytes; n is at most s.n. */
static inline struct slice
slice_from(struct slice s, size_t n)
{
	return (struct slice){s.p + n, s.n - n};
}

/* The first n bytes; n is at most s.n. */
static inline struct slice
slice_head(struct slice s, size_t n)
{
	return (struct slice){s.p, n};
}

/* The slice without the blanks and tabs around it. */
static inline struct slice
slice_trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_from(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* A fresh NUL-terminated copy, or NULL when memory is out.  The caller frees it. */
static inline char *
slice_dup(struct slice s)
{
	return s.n ? strndup(s.p, s.n) : strdup("");
}

#endif
