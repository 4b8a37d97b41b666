/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What transfers of files and listings share. */
#ifndef WHARF_FTP_TRANSFER_H
#define WHARF_FTP_TRANSFER_H

#include "command.h"

/* A transfer command, from its line to its last reply; a listing is one too. */
struct transfer {
	struct transfer_plan plan;
	char *path;     /* virtual; what the log says */
	uint64_t began; /* ms */
	bool upload;
	bool appends;
	bool started; /* 150 was sent */
	unsigned how; /* F_OPEN for an upload, asked when its connection is there; else 0 */
	char *said;   /* STOU: the name that 150 tells */
	/* Listings */
	enum list_form form;
	unsigned flags;
	char *wanted;    /* the argument without options */
	bool to_control; /* STAT <path> */
	unsigned code;   /* STAT: 212 or 213 */
	struct buf line; /* STAT: the line that has not ended yet */
};

/* Makes the session's transfer.  NULL when memory is out, and 451 was replied. */
struct transfer *transfer_begin(struct ftp_session *s, bool upload);
/* Takes the answer's descriptor into the plan; or replies, ends the transfer and returns false. */
bool transfer_goes_on(struct ftp_session *s, struct message *m);
/* Waits for the data connection; ftp_session_connected() goes on. */
void transfer_connect(struct ftp_session *s);
/* The transfer is over, its last reply sent: what belonged to it is gone. */
void transfer_end(struct ftp_session *s);

#endif
