/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * One entry of a folder, as listings (wharf/ftp/listing.h) and facts (wharf/ftp/facts.h) show it.
 */
#ifndef WHARF_FTP_ENTRY_H
#define WHARF_FTP_ENTRY_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

/* What the "type" fact says (RFC 3659 §7.5.1). */
enum entry_type {
	ENTRY_FILE,
	ENTRY_DIR,
	ENTRY_CDIR,    /* the listed folder itself */
	ENTRY_PDIR,    /* its parent */
	ENTRY_SYMLINK, /* one that dangles or is not followed */
	ENTRY_SPECIAL, /* a FIFO, a socket, a device: listed, never transferred */
};

/*
 * What the client may do with the entry (RFC 3659 §7.5.5); each bit is a letter of the "perm" fact.
 */
enum entry_perm {
	PERM_APPEND = 1 << 0,   /* a: APPE to the file */
	PERM_CREATE = 1 << 1,   /* c: STOR in the folder */
	PERM_DELETE = 1 << 2,   /* d: DELE or RMD it */
	PERM_ENTER = 1 << 3,    /* e: CWD to the folder */
	PERM_RENAME = 1 << 4,   /* f: RNFR it */
	PERM_LIST = 1 << 5,     /* l: LIST, NLST, MLSD the folder */
	PERM_MKDIR = 1 << 6,    /* m: MKD in the folder */
	PERM_PURGE = 1 << 7,    /* p: delete what is in the folder */
	PERM_RETRIEVE = 1 << 8, /* r: RETR the file */
	PERM_STORE = 1 << 9,    /* w: STOR to the file */
};

struct entry {
	struct slice name;         /* without CR, LF and NUL where facts are made */
	struct slice target;       /* of a symbolic link, or empty */
	struct slice owner, group; /* names; empty for the number */
	enum entry_type type;      /* for facts */
	mode_t mode;               /* st_mode, the file's type with it */
	unsigned perm;             /* enum entry_perm; what does not fit the type is not shown */
	uint32_t uid, gid;
	uint64_t size, nlink, dev, ino;
	time_t mtime;
};

/* Room for all that is in an entry's line but its name, target, owner and group. */
#define ENTRY_LINE 256

/* Makes room in *out for an entry's line.  Where it begins, or NULL: then buf_error() tells. */
char *entry_reserve(struct buf *out, const struct entry *e);

/*
 * Writes the name of a user or group, or the number when there is no name.  Blanks, control
 * characters and ";" become "_", since each of them would end the column or the fact.  Returns what
 * follows.
 */
char *entry_put_owner(char *p, struct slice name, uint32_t id);

#endif
