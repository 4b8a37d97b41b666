/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The patterns of wharf/ftp/glob.h.  The matcher goes forward and remembers one place to go back
 * to, the last star: an earlier star never needs another try, because what it took is the shortest
 * that let the pattern come so far.
 */
#include <stdint.h>

#include <wharf/ftp/glob.h>

/* One step of a pattern: what stands at a place and where the next begins. */
struct element {
	enum { ELEMENT_BYTE, ELEMENT_ANY, ELEMENT_SET, ELEMENT_STAR } kind;
	char byte;     /* of an ELEMENT_BYTE */
	size_t length; /* in the pattern */
};

/* The byte at *at, where a backslash gives the byte after it; *at goes behind it. */
static char
set_byte(struct slice pattern, size_t *at)
{
	if (pattern.p[*at] == '\\' && *at + 1 < pattern.n)
		(*at)++;
	return pattern.p[(*at)++];
}

/* The length of the set that begins with the "[" at a place, or 0 when it has no end. */
static size_t
set_length(struct slice pattern, size_t start)
{
	size_t at = start + 1;

	if (at < pattern.n && pattern.p[at] == '!')
		at++;
	for (size_t first = at; at < pattern.n;) {
		if (pattern.p[at] == ']' && at > first)
			return at + 1 - start;
		set_byte(pattern, &at);
	}
	return 0;
}

/* Is c in the set, which is whole: from "[" to "]"? */
static bool
set_has(struct slice set, char c)
{
	size_t at = 1, end = set.n - 1;
	bool wanted = true, found = false;

	if (set.p[at] == '!') {
		wanted = false;
		at++;
	}
	while (at < end && !found) {
		unsigned char low = (unsigned char)set_byte(set, &at), high = low;
		if (at + 1 < end && set.p[at] == '-') {
			at++;
			high = (unsigned char)set_byte(set, &at);
		}
		found = low <= (unsigned char)c && (unsigned char)c <= high;
	}
	return found == wanted;
}

/*
 * *unclosed is a place from which on no "[" is closed.  When one is not, none after it is either,
 * and so the search for the end is in vain only once a pattern.
 */
static struct element
element_at(struct slice pattern, size_t at, size_t *unclosed)
{
	char c = pattern.p[at];

	if (c == '*')
		return (struct element){ELEMENT_STAR, c, 1};
	if (c == '?')
		return (struct element){ELEMENT_ANY, c, 1};
	if (c == '\\' && at + 1 < pattern.n)
		return (struct element){ELEMENT_BYTE, pattern.p[at + 1], 2};
	if (c == '[' && at < *unclosed) {
		size_t length = set_length(pattern, at);
		if (length > 0)
			return (struct element){ELEMENT_SET, c, length};
		*unclosed = at;
	}
	return (struct element){ELEMENT_BYTE, c, 1};
}

static bool
element_matches(struct slice pattern, size_t at, struct element e, char c)
{
	switch (e.kind) {
	case ELEMENT_BYTE:
		return e.byte == c;
	case ELEMENT_SET:
		return set_has(slice_head(slice_from(pattern, at), e.length), c);
	default:
		return true;
	}
}

bool
glob_match(struct slice pattern, struct slice name)
{
	size_t p = 0, n = 0, unclosed = SIZE_MAX;
	size_t back_p = SIZE_MAX, back_n = 0; /* behind the last star, and what it has taken */

	while (n < name.n || p < pattern.n) {
		if (p < pattern.n) {
			struct element e = element_at(pattern, p, &unclosed);
			if (e.kind == ELEMENT_STAR) {
				p += e.length;
				if (p == pattern.n)
					return true;
				back_p = p;
				back_n = n;
				continue;
			}
			if (n < name.n && element_matches(pattern, p, e, name.p[n])) {
				p += e.length;
				n++;
				continue;
			}
		}
		if (back_p == SIZE_MAX || back_n >= name.n)
			return false;
		p = back_p;
		n = ++back_n;
	}
	return true;
}

bool
glob_has_magic(struct slice s)
{
	size_t unclosed = SIZE_MAX;
	struct element e;

	for (size_t at = 0; at < s.n; at += e.length) {
		e = element_at(s, at, &unclosed);
		if (e.kind != ELEMENT_BYTE || e.length != 1)
			return true;
	}
	return false;
}
