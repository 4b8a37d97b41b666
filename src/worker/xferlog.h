/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The transfer log in the form that wu-ftpd made customary (xferlog(5)), for the programs that read
 * it, with two fields more at the end of each line: the verdict and the digest.
 */
#ifndef WHARF_WORKER_XFERLOG_H
#define WHARF_WORKER_XFERLOG_H

#include <time.h>

#include "session.h"

/* One transfer, as xferlog has it. */
struct xferlog_entry {
	time_t when; /* its end; shown in UTC */
	struct slice host, user;
	bool anonymous;
	const struct transfer_record *record;
};

/* Appends the line with its LF. */
void xferlog_format(struct buf *out, const struct xferlog_entry *e);
/* Whether it was a transfer of a file, and not of a listing. */
bool transfer_is_of_a_file(const struct transfer_record *record);
/* Writes the line for a transfer of a file. */
void xferlog_write(int fd, struct session *s, const struct transfer_record *record);

#endif
