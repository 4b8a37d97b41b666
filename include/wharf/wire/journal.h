/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The journal's spool: a file that workers append records to and the ledger takes them from.  A
 * record is one write(2): its length and its CRC-32 in four bytes each, little-endian, and a
 * message J_* in the form of the wire.  So it survives the end of every process, and no transfer
 * waits for the ledger.  What the ledger has taken it punches out of the file (fallocate(2)); where
 * it stands is in its database.
 */
#ifndef WHARF_WIRE_JOURNAL_H
#define WHARF_WIRE_JOURNAL_H

#include <wharf/wire/wire.h>

#define SPOOL_FILE "spool" /* in state_directory */

/* Appends the record of a J_* message to *out.  0, or -EMSGSIZE or -ENOMEM, and then *out is as it
 * was. */
int journal_encode(struct buf *out, const struct message *m);

/*
 * Reads the first record of the bytes.  Slices in *m point into them.  Returns how many bytes it
 * took, 0 when they end within it, or -EPROTO for what is no record: then *skip is how many bytes
 * to pass by, 0 where that can't be told.
 */
ssize_t journal_decode(struct slice bytes, struct message *m, size_t *skip);

#endif
