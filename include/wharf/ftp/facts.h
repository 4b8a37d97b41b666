/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * MLSD's and MLST's facts about an entry (RFC 3659 §7), and the list of them in FEAT and OPTS MLST.
 */
#ifndef WHARF_FTP_FACTS_H
#define WHARF_FTP_FACTS_H

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>
#include <wharf/ftp/entry.h>

/* A set of these is an unsigned. */
enum fact {
	FACT_TYPE = 1 << 0,
	FACT_SIZE = 1 << 1, /* of files only */
	FACT_MODIFY = 1 << 2,
	FACT_PERM = 1 << 3,
	FACT_UNIQUE = 1 << 4,
	FACT_UNIX_MODE = 1 << 5,
	FACT_UNIX_OWNER = 1 << 6,
	FACT_UNIX_GROUP = 1 << 7,
	FACT_ALL = (1 << 8) - 1,
};

enum facts_error {
	FACTS_BAD = 1,
};

/*
 * Appends "type=file;size=1234;…; name": the wanted facts, one blank, the name as it is; without
 * the blank before it that MLST wants and without a line end.
 */
void facts_format(struct buf *out, const struct entry *e, unsigned wanted);

/*
 * Reads OPTS MLST's list of names, "size;modify;".  Unknown facts are ignored, case too, the last
 * ";" may be missing, and an empty list asks for no facts (RFC 3659 §7.9).  Returns 0, or FACTS_BAD
 * when there is a blank in it, which no fact has; *wanted is set only by 0.
 */
int facts_parse(struct slice arg, unsigned *wanted);

/*
 * Appends the names of the facts in all, each with a ";", and those in wanted with a "*" before
 * it.  FEAT's line takes the session's set as wanted; the reply to OPTS MLST takes the session's
 * set as all, and 0 as wanted.
 */
void facts_format_names(struct buf *out, unsigned all, unsigned wanted);

#endif
