/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Files of the configuration as text: reading a whole one, and looking for what libconfuse would
 * pass over in silence.
 */
#ifndef WHARF_SRC_CONF_TEXT_H
#define WHARF_SRC_CONF_TEXT_H

#include "raw.h"

/* More than any configuration; a device or a log by mistake is more. */
#define CONF_TEXT_MAX (16U << 20)

/* Fills an empty buffer with the whole file, wherever the descriptor's offset stands.  0 or a
 * negative errno: -EFBIG for one above CONF_TEXT_MAX, -EINVAL for no regular file. */
int conf_text_read(const char *path, struct buf *out);
int conf_text_read_fd(int fd, struct buf *out);

/*
 * libconfuse skips a "*" and a "+" outside of quotes, so that `hidden = *.key` would hide ".key",
 * is content with a block or a comment that does not end, miscounts lines in comments, takes the
 * ";" that others' files have behind a value for a part of it, and ends at `include = "file"`.
 * Reports all but the third, quotes that do not end, and NUL bytes, and turns comments, that ";"
 * and that include into blanks.  Returns 0;
 * TEXT_OPEN when something does not end, so that the text may be read for what else is in it; or
 * TEXT_UNFIT.
 */
enum { TEXT_OPEN = 1, TEXT_UNFIT };
int conf_text_check(struct buf *text, const char *file, struct conf_report *report);

#endif
