/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A transfer: bytes between one data connection and one file or pipe, without blocking, a bounded
 *slice a turn.  The pump owns both ends.  It tells its owner once how it ended, and closes and
 *frees itself.
 *
 *	pump.c          its life, waiting, limits, the end
 *	pump_tls.c      TLS on the data connection: its beginning, bytes through it, its end
 *	pump_send.c     file or pipe to connection
 *	pump_receive.c  connection to file
 */
#ifndef WHARF_WORKER_PUMP_H
#define WHARF_WORKER_PUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include <wharf/ftp/ascii.h>
#include <wharf/ftp/session.h>
#include <wharf/tls/stream.h>

#include "file.h"
#include "pool.h"
#include "turns.h"
#include "watch.h"

struct pump;

/* What all pumps of a worker share. */
struct pumps {
	uv_loop_t *loop;
	struct pool *pool;
	struct watcher *watcher;
	struct turns *turns; /* of handshakes */
	const struct digests *digests;
	struct file_classes classes;
	char *in, *out; /* scratch of FILE_BLOCK each (and a little more), which holds nothing
			   between two turns */
	unsigned running;
	LIST_HEAD(, pump) all; /* those that linger too */
};

/* 0 or -ENOMEM. */
int pumps_init(struct pumps *ps, uv_loop_t *loop, struct watcher *watcher, struct pool *pool,
	       struct turns *turns, const struct digests *digests);
/* Closes all pumps, at once and without a word to anybody; the loop must run for their handles. */
void pumps_close(struct pumps *ps);
void pumps_deinit(struct pumps *ps);

struct pump_result {
	enum transfer_end end;
	int error; /* a negative errno with TRANSFER_FILE_ERROR, else 0 */
	uint64_t bytes;
	bool protected, resumed; /* there was TLS, of the control connection's session */
	const char *why;         /* with TRANSFER_TLS_FAILED: what TLS has to say, a static text */
	/*
	 * Receive: the file, all of it written and nothing at work on it, which becomes the
	 * owner's; -1 where a write hangs.  How many bytes it has, and by how many it has grown, as
	 * far as that is known (sure).
	 */
	int fd;
	uint64_t size;
	int64_t grown;
	bool sure, may_hang; /* may_hang: even close() of it may, or takes its time */
	bool lost;           /* a sync has failed: nobody knows what of it is on disk */
};

/* How long a transfer and its TLS handshake may stand still, and what an upload's end must be. */
struct pump_terms {
	uint64_t stall_ms, handshake_ms;
	bool lenient; /* an upload over TLS may end without close_notify */
};

struct pump_calls {
	/* The handshake is done: whether that is who is wanted. */
	bool (*secured)(void *owner);
	/* Exactly once, unless pump_free() came first; also from within pump_begin() and
	 * pump_stop().  digest: "crc32:9ae0daaf", or empty. */
	void (*ended)(void *owner, const struct pump_result *result, const char *digest);
	/* An upload wants so many bytes more than plan.reserved and what was granted since:
	 * pump_granted() answers, also from within. */
	void (*more)(void *owner, uint64_t bytes);
};

struct pump {
	uint32_t magic;
	struct pumps *all;
	LIST_ENTRY(pump) link;
	const struct pump_calls *calls;
	void *owner; /* NULL: it has been told */
	struct transfer_plan plan;
	struct pump_terms terms;
	void (*step)(struct pump *p);

	struct tls *tls; /* or NULL */
	struct turn turn;
	uint64_t secure_by; /* ms: when the handshake must be done; 0: it is, or there is none */
	size_t piece;       /* send: bytes that are encrypted at once */

	int socket;
	struct watch socket_watch, pipe_watch;
	uv_timer_t timer;
	bool begun, ended, lingers, closing, held; /* held: by the rate, until the timer */
	bool winds_up; /* receive: ended, but the file is still at work */

	struct file *file;   /* not for a pipe */
	uint64_t position;   /* in the file: the next byte to read or to write */
	uint64_t end, floor; /* send: the position to end at; it is a failure when the file ends
				before floor */
	uint64_t warm;       /* send: the file is in memory up to here */
	bool by_block;       /* send: not by sendfile, whoever reads */
	bool reads_aside;    /* send: the pool reads */
	bool has_ahead;      /* send: the block next holds n_ahead bytes (or the file's end) */
	ssize_t n_ahead;
	unsigned next; /* the block to fill */
	struct ascii ascii;
	char *text; /* send: encoded bytes */
	const char *unsent;
	size_t n_unsent;
	size_t filled; /* receive: bytes of the block next that are not written */
	bool eof;      /* receive: FIN came; send: the source has ended */
	bool synced, flushed, reads_again; /* receive: after FIN */
	uint64_t size_before;              /* receive: of the file */
	uint64_t limit;             /* receive: the file may grow so far, by what is reserved */
	bool asks, asking, refused; /* for more of the quota; asking: right now */
	struct pump_result result;  /* receive: when it has ended */
	char digest[HASH_TEXT];     /* "crc32:9ae0daaf", or empty */

	uint64_t moved;
	uint64_t last_moved; /* ms */
	int64_t tokens;
	uint64_t tokens_at; /* ms */
};

/*
 * Takes over the connected socket, the TLS on it (or NULL), and plan->fd.  Nothing moves before
 * pump_begin().  NULL: memory or descriptors are out; then all are closed.
 */
struct pump *pump_new(struct pumps *all, int socket, struct tls *tls,
		      const struct transfer_plan *plan, const struct pump_terms *terms,
		      const struct pump_calls *calls, void *owner);
void pump_begin(struct pump *p);
/* Whether all of it goes at once as a rule, before pump_begin() returns. */
bool pump_is_short(const struct pump *p);
/* Ends it so, with a negative errno where it is TRANSFER_FILE_ERROR, else 0; nothing happens when
 * it has ended already. */
void pump_stop(struct pump *p, enum transfer_end end, int error);
/* So much more of the quota is reserved; error: -EDQUOT, or another negative errno where nobody
 * knows. */
void pump_granted(struct pump *p, int error, uint64_t bytes);
/* Closes it without telling its owner. */
void pump_free(struct pump *p);

static inline uint64_t
pump_moved(const struct pump *p)
{
	return p->moved;
}

/* For the other sources of the pump. */

/* Waits for the socket (UV_READABLE, UV_WRITABLE, or 0 for not at all). */
void pump_wait_socket(struct pump *p, int events);
void pump_wait_pipe(struct pump *p, bool on);
void pump_end(struct pump *p, enum transfer_end end, int error);
/* Ends it by a negative errno of the socket: by its nature a reset or a time-out. */
void pump_end_by_socket(struct pump *p, int error);
bool pump_is_socket_error(int error);
/* How many of n bytes may move now; 0: none until the timer. */
size_t pump_allowance(struct pump *p, size_t n);
void pump_count(struct pump *p, size_t n);
/* Bytes that one turn may move: less when many pumps run. */
size_t pump_slice(const struct pump *p);

/* Begins the transfer itself. */
void pump_go(struct pump *p);
/* Looks at the rest of what TLS has in hand in the next turn of the loop. */
void pump_again(struct pump *p);

/* Waits for the handshake. */
void pump_tls_begin(struct pump *p);
/* Its next step, when it is this pump's turn; and now. */
void pump_tls_ready(struct pump *p);
void pump_tls_step(struct pump *p);
/* Receives up to n bytes, through TLS where there is some: bytes, 0 at the proved end, -EAGAIN, or
 * another negative errno of the socket; -ECANCELED when the transfer was ended here. */
ssize_t pump_receive(struct pump *p, void *to, size_t n);
/* Encrypts and sends n bytes.  Whether to go on at once. */
bool pump_tls_send(struct pump *p, const void *bytes, size_t n);
/* Sends what is encrypted already.  Whether all of it has left. */
bool pump_tls_flush(struct pump *p);

void pump_send_step(struct pump *p);
void pump_send_task_done(struct pump *p);
void pump_receive_step(struct pump *p);
void pump_receive_task_done(struct pump *p);
/* Before the first byte. */
int pump_receive_init(struct pump *p);
/* It has ended: writes what was received.  Whether nothing is at work on the file any more. */
bool pump_receive_rest(struct pump *p);
/* What was received and not written; it belongs at p->position. */
size_t pump_receive_unwritten(const struct pump *p, char **block);
/* The digest of all of the file, where it is known, to p->digest. */
void pump_receive_digest(struct pump *p);
int pump_send_init(struct pump *p);

#endif
