/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Patterns for the last part of a listing's path: "*" any bytes, "?" one byte, "[a-z]" one of a
 * set, "[!a-z]" none of it, "\x" the byte x itself.  A "[" that no "]" closes is an ordinary byte;
 * the first byte of a set is its member even if it is "]".  There are no braces and no tilde.  A
 * byte is a byte: a dot at the front and "/" are not special.
 */
#ifndef WHARF_FTP_GLOB_H
#define WHARF_FTP_GLOB_H

#include <stdbool.h>

#include <wharf/base/slice.h>

/*
 * Does the whole name match the pattern?  Takes no memory, and at most in the order of name.n *
 * pattern.n steps for any pattern (CVE-2011-0762).
 */
bool glob_match(struct slice pattern, struct slice name);

/* Is there anything in s but bytes that stand for themselves? */
bool glob_has_magic(struct slice s);

#endif
