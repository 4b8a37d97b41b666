/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * One value of an option: from the words of the file to the field of struct settings and back. What
 * a field holds is said by the type of its row in options.def.  Pure: no file, no world.
 */
#ifndef WHARF_CONF_VALUE_H
#define WHARF_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>
#include <wharf/conf/options.h>

/* The longest text that an option takes, in bytes. */
#define VALUE_TEXT_MAX 4095

/*
 * Reads the n items that stand in the file behind the option's name, and sets *field, which must
 * hold nothing that needs freeing.  Returns 0; -ENOMEM; or VALUE_WRONG, with what is wrong and what
 * is allowed appended to `why`, and nothing in *field.
 */
enum { VALUE_WRONG = 1 };
int value_parse(const struct option_row *row, const struct slice *items, size_t n, void *field,
		struct buf *why);

/*
 * Reads a time: seconds, or a number with s, m, h, d or the name of such a unit behind it, as "30
 * days", without blanks around.  Returns 0 or VALUE_WRONG.
 */
int value_time(struct slice text, uint64_t *seconds);

/* Appends the value as it may stand in the file, quoted where it needs to be. */
void value_print(const struct option_row *row, const void *field, struct buf *out);

/* Copies a value to *to, which must hold nothing.  Returns 0 or -ENOMEM (then *to holds nothing).
 */
int value_copy(const struct option_row *row, void *to, const void *from);
/* Frees what *to holds, and gives it what *from holds; *from is nobody's then. */
void value_move(const struct option_row *row, void *to, const void *from);
/* Frees what the field points to and zeroes it. */
void value_free(const struct option_row *row, void *field);

/* Whether bytes may be a text: short enough, and without control characters. */
bool value_is_text(struct slice text);

/* Appends a text in double quotes, as libconfuse reads it. */
void value_quote(struct slice text, struct buf *out);

#endif
