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
	bool started; /* 150 was sent */
	char *said;   /* STOU: the name that 150 tells */
	/* Uploads */
	bool appends;
	unsigned how, mode;            /* F_OPEN, asked when the data connection is there */
	uint64_t allocated;            /* ALLO */
	char *stage;                   /* the staging file's name; empty in place */
	bool one_more;                 /* there will be a file more: it, or a version */
	bool replaces;                 /* there is a file that is replaced, or written over */
	bool made;                     /* what is open was made for this */
	uint64_t size;                 /* when it was opened */
	uint64_t version;              /* bytes that a version of it takes */
	struct transfer_result result; /* from the end of the stream on */
	char *digest;                  /* result.digest's */
	bool publishes;                /* the verdict makes it the file */
	bool ended;                    /* the commit is answered, and logged */
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
/* Whether REST and RANG fit the TYPE; when not, the reply was sent. */
bool transfer_may_restart(struct ftp_session *s);
/* The bytes can go: 150, and the pump. */
void transfer_start(struct ftp_session *s);
/* For the log.  whole: see transfer_record.  error: of what came behind the stream, or 0. */
void transfer_log(struct ftp_session *s, const struct transfer_result *result, bool whole,
		  int error);
/* The last reply to an end, but for TRANSFER_FILE_ERROR; none where nobody is there. */
void transfer_reply_end(struct ftp_session *s, enum transfer_end end);
/* 426 for what was ended before 150, and 226 for each ABOR. */
void reply_aborted(struct ftp_session *s);
/* An upload's data connection is there; its stream has ended. */
void upload_connected(struct ftp_session *s);
void upload_transferred(struct ftp_session *s, const struct transfer_result *result);
/* Waits for the data connection; ftp_session_connected() goes on. */
void transfer_connect(struct ftp_session *s);
/* The transfer is over, its last reply sent: what belonged to it is gone. */
void transfer_end(struct ftp_session *s);

#endif
