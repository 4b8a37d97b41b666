/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The monitor's own files in state_directory, which others may write to as well: only what belongs
 * to us, and is ours alone, is read; and a file is written whole or not at all.
 */
#ifndef WHARF_MONITOR_STATE_FILE_H
#define WHARF_MONITOR_STATE_FILE_H

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

/*
 * Appends what the file `name` of the folder has.  Returns 0; -ENOENT when there is none; -EPERM
 * when it is not ours alone (another owner, or a mode that lets others read or write); -EINVAL when
 * it is no regular file; -EFBIG above max bytes; or another negative errno.
 */
int state_file_read(int folder, const char *name, size_t max, struct buf *out);

/*
 * Puts a file of mode 0600 with these bytes in the place of what has that name, synced to disk with
 * its name.  Returns 0 or a negative errno; then the old file is there.
 */
int state_file_write(int folder, const char *name, struct slice bytes);

/* Appends to such a file, or makes it; synced to disk.  Returns 0, or what state_file_read()
 * returns; then something of the bytes may be there. */
int state_file_append(int folder, const char *name, struct slice bytes);

#endif
