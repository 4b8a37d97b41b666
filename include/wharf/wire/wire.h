/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A channel between two roles: an AF_UNIX SOCK_SEQPACKET socket, one datagram a message, at most
 * one descriptor. What may be sent and received is decided here, from messages.def, by who the two
 * ends are and the channel's phase.
 */
#ifndef WHARF_WIRE_WIRE_H
#define WHARF_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

enum wire_role { WIRE_MONITOR, WIRE_WORKER, WIRE_AUTH, WIRE_AGENT, WIRE_LEDGER };
enum wire_phase { WIRE_START, WIRE_SERVING, WIRE_ANY };

enum message_id {
#define MESSAGE(NAME, name, from, to, phase, fd, fields) MSG_##NAME,
#include <wharf/wire/messages.def>
	MSG_COUNT
};

/* A struct for the fields of each message: struct f_open, ... */
#define U8(f)    uint8_t f;
#define U16(f)   uint16_t f;
#define U32(f)   uint32_t f;
#define U64(f)   uint64_t f;
#define I64(f)   int64_t f;
#define BYTES(f) struct slice f;
#define ADDR(f)  struct sockaddr_storage f;
#define MESSAGE(NAME, name, from, to, phase, fd, fields) \
	struct name {                                    \
		fields                                   \
	};
#include <wharf/wire/messages.def>
#undef U8
#undef U16
#undef U32
#undef U64
#undef I64
#undef BYTES
#undef ADDR

/* A message: which, its descriptor or -1, and its fields under its own name in lower case. */
struct message {
	enum message_id id;
	int fd;
	union {
#define MESSAGE(NAME, name, from, to, phase, fd, fields) struct name name;
#include <wharf/wire/messages.def>
	};
};

/* The longest message in bytes. */
#define WIRE_MAX 65536

struct wire {
	int fd; /* -1 when closed */
	enum wire_role self, peer;
	enum wire_phase phase;
	struct buf in, out;
};

/* What a login comes with (A_LOGIN). */
enum login_proof {
	PROOF_PROMPT,      /* nothing yet: the source asks by L_PROMPT */
	PROOF_SECRET,      /* the password */
	PROOF_CERTIFICATE, /* a client certificate, which the worker has verified: no password is
			      wanted */
};

/* Which of the options of a host a file is of (W_HOST_FILE, M_HOST). */
enum host_file {
	HOST_CERTIFICATE,
	HOST_KEY,
	HOST_OCSP,
	HOST_CLIENT_CA,
	HOST_CLIENT_CRL,
	HOST_SETTINGS, /* none: what is wrong is the setting of tls_ciphers, tls_groups, ... */
	HOST_FILES
};

/* Why a password is not accepted (L_RESULT). */
enum auth_verdict {
	AUTH_OK,
	AUTH_NO,      /* the user is known here and refused */
	AUTH_UNKNOWN, /* ask the next source */
};

/* Why the monitor does not let a user in whose password was right (W_REFUSED). */
enum login_refusal {
	REFUSED_USER_SESSIONS, /* too many sessions of this user */
	REFUSED_ROOT_FOLDER,   /* the jail's root is missing or not accessible */
	REFUSED_POLICY,        /* not allowed here: anonymous is off, ... */
	REFUSED_RESOURCES,     /* no agent could be started */
};

/* F_OPEN how: one of the first two, and flags.  All opens are of regular files. */
enum open_how {
	OPEN_READ = 1,
	OPEN_WRITE = 2,
	OPEN_CREATE = 4,     /* make it when it is missing, with the mode */
	OPEN_WHOLE = 8,      /* an upload from its beginning: nothing is gone on with */
	OPEN_EXCLUSIVE = 16, /* EEXIST when it exists */
	OPEN_UNIQUE = 32,    /* STOU: the path is a folder; choose a name that is free */
	OPEN_STAGE = 64, /* an upload: stage it.  With OPEN_WHOLE a new one; without, go on with the
			    user's own staged part, else with the file.  A file that is opened in
			    place is not cut: who writes does that, in time */
	OPEN_DIGEST = 128, /* to read: with the digest that is kept with the file */
};

/* F_COMMIT how. */
enum commit_how {
	COMMIT_SYNC = 1,    /* on disk, and its name, before the answer */
	COMMIT_REPLACE = 2, /* in the place of a file that is there; else EEXIST then */
};

/* F_LIST form and flags. */
enum list_form { LIST_LONG, LIST_NAMES, LIST_FACTS };
enum list_flag {
	LIST_ALL = 1,       /* names with a leading dot too */
	LIST_RECURSIVE = 2, /* LIST -R: folders below, bounded in depth */
	LIST_BY_TIME = 4,
	LIST_REVERSE = 8,
	LIST_ONLY_FOLDER = 16, /* ENOTDIR when the path is a file (MLSD) */
	LIST_ITSELF = 32,      /* a folder itself, not what is in it (LIST -d) */
};

/* Takes over fd.  It starts in phase START. */
void wire_init(struct wire *w, int fd, enum wire_role self, enum wire_role peer);
/* Closes the socket and frees the buffers. */
void wire_deinit(struct wire *w);

/*
 * Sends one message.  m->fd is sent along where it is not -1, and stays the caller's.  Returns 0;
 * -EAGAIN when the socket is full and does not block; -EPIPE when the peer is gone; -EPROTO when
 * this end may not send that message now.
 */
int wire_send(struct wire *w, const struct message *m);

/*
 * The two halves of wire_send(), for who keeps a queue: after wire_encode() returned 0, w->out
 * holds the datagram until the next call.  wire_send_encoded() sends such bytes, with fd where it
 * is not -1, and tells what wire_send() tells.
 */
int wire_encode(struct wire *w, const struct message *m);
int wire_send_encoded(struct wire *w, struct slice datagram, int fd);

/*
 * Receives one message.  Slices in it point into w->in and hold until the next call; a descriptor
 * in it is the caller's.  Returns 0, or a positive condition: WIRE_CLOSED   the peer is gone
 *   WIRE_FD_LOST  the message came (m is filled in) but its descriptor could not be taken: this
 * process is out of them or -EAGAIN when nothing is there, or -EPROTO when what came is not legal:
 * the channel, and its peer, must be ended.
 */
enum { WIRE_CLOSED = 1, WIRE_FD_LOST = 2 };
int wire_recv(struct wire *w, struct message *m);

/*
 * A message as bytes, whoever may send it; its descriptor is not among them.  Errors show in
 * buf_error().  decode() returns 0, or -EPROTO for bytes that are none; slices in *m point into
 * the bytes.
 */
void message_encode(struct buf *out, const struct message *m);
int message_decode(struct slice bytes, struct message *m);

/* "F_OPEN" */
const char *message_name(enum message_id id);

/* Lists of ids (groups) in a BYTES field. */
void wire_ids_add(struct buf *b, uint32_t id);
size_t wire_ids_count(struct slice ids);
uint32_t wire_ids_get(struct slice ids, size_t i);

#endif
