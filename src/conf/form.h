/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The form of wharfd.conf, for people: where libconfuse could read no further, it tells of a token,
 * often of one behind the mistake or of the end of the file.  Here is told which line is not a
 * statement, a block or an include, and what was meant.
 */
#ifndef WHARF_SRC_CONF_FORM_H
#define WHARF_SRC_CONF_FORM_H

#include <stdbool.h>

#include <wharf/base/buf.h>

/*
 * Looks for the first mistake of form in a text that conf_text_check() went over.  False when it
 * knows of none; else its line is set, and what is wrong added to *why.
 */
bool conf_form_explain(struct slice text, int *line, struct buf *why);

/*
 * Copies such a text with a call of FORM_ADDITION before each statement that has a "+=", on the
 * same line: libconfuse tells nobody whether a value was set or added.  Errors show in buf_error().
 */
#define FORM_ADDITION "+"
void conf_form_mark_additions(struct slice text, struct buf *out);

#endif
