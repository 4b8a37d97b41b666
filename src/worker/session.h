/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A session in the world: the control connection, and what belongs to it for a while.
 *
 * The protocol session (struct ftp_session) may not be called from within what it calls.  So
 * whatever happens begins with session_enter() and ends with session_settle(), which then does, in
 * order, what became due meanwhile.
 */
#ifndef WHARF_WORKER_SESSION_H
#define WHARF_WORKER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include <wharf/ftp/session.h>

#include "worker.h"

struct data;
struct login;
struct secure;
struct status_pipe;
struct tls_host;

/* What the protocol session shall be told next, or what shall be begun for it. */
enum due {
	DUE_NONE,
	DUE_ANSWER,      /* the agent can't be asked: due_error */
	DUE_REFUSED,     /* the source can't be asked: due_error is an enum login_refusal */
	DUE_SECURE,      /* TLS is to begin */
	DUE_CONNECT,     /* to be begun */
	DUE_CONNECTED,   /* due_error */
	DUE_TRANSFER,    /* to be begun */
	DUE_TRANSFERRED, /* result */
	DUE_PIPED,       /* the end of a pipe */
	DUE_JOB_DONE,
	DUE_RESERVED,   /* without the ledger: due_error */
	DUE_QUOTA_TOLD, /* likewise */
	DUE_COUNT
};

struct session {
	struct ftp_session ftp; /* first: the one is cast to the other */
	uint32_t magic;
	struct worker *worker;
	TAILQ_ENTRY(session) link;
	LIST_ENTRY(session) by_id;
	uint64_t id; /* the monitor's */
	struct listener *listener;
	struct shared *shared;                    /* of the user, or NULL */
	struct shared *before;                    /* before the login; NULL: the listener's */
	struct sockaddr_storage *passive_address; /* or NULL for the local one */

	int fd;
	struct watch watch;
	struct deadline deadline;
	struct buf out;
	uint64_t born, idle_since, out_since, delay_until, linger_until; /* ms; 0: not */
	uint64_t proof_until; /* ms; an upload has ended, and may yet turn out to be broken */
	uint64_t login_since; /* from when on login_timeout counts: the connect, or a logout */
	unsigned inside : 1;  /* between enter and settle */
	unsigned ending : 1;  /* hang up when all is sent */
	unsigned broken : 1;  /* no use to send anything */
	unsigned fin_sent : 1;
	unsigned input_ended : 1;
	unsigned was_busy : 1;
	unsigned closing : 1;  /* nobody is there any more, but what ran may still have to end */
	unsigned told_end : 1; /* ftp_session_end() was called */
	unsigned ended : 1;    /* nothing of it runs any more */
	unsigned anonymous : 1;

	enum due due;
	int due_error;
	struct pump_result result;
	char *digest;        /* of what the result is of, or NULL */
	const char *expires; /* why it ends when the transfer has */

	struct agent *agent;
	uint32_t request; /* to the agent, that has no answer; 0 for none */
	unsigned told;    /* requests without an answer that nobody waits for */
	struct session_quota quota;
	struct login *login;
	uint8_t anonymous_asked, pam_asked,
		active_asked; /* questions to the monitor without an answer */
	uint16_t port;        /* of the last passive listener */
	struct data *data;
	struct pump *pump;
	struct job *job;
	struct status_pipe *pipe;
	struct secure *secure;       /* TLS on the control connection, or NULL */
	const struct tls_host *host; /* that HOST has named, or NULL */
};

/* Takes over the control connection and serves it.  0 or a negative errno; then fd is closed. */
int session_new(struct worker *w, const struct message *m);

void session_enter(struct session *s);
void session_settle(struct session *s);
/* Something is due: does it, now or when the present call has settled. */
void session_due(struct session *s, enum due due, int error);
/*
 * 421 with this text, after ending what runs: a transfer fails by that negative errno of its file,
 * or with 0 because the server ends.
 */
void session_expire(struct session *s, int error, const char *why);
/* The settings in force while nobody is logged in. */
const struct settings *session_settings(const struct session *s);
/*
 * Closes it now, without a word to the client.  An upload that ran may still have bytes to write,
 * and the agent something to be told: then the session ends a little later, by session_may_end().
 */
void session_close(struct session *s);
/* The transfer of a closing session has ended. */
void session_transferred_late(struct session *s);
/* Its deadline has come. */
void session_on_deadline(struct deadline *d);
/* Something has ended that a closing session may have waited for. */
void session_may_end(struct session *s);
/* The worker ends: a closing session waits for nothing any more. */
void session_abandon(struct session *s);

static inline struct session *
session_of(struct ftp_session *ftp)
{
	return (struct session *)ftp;
}

#define SESSION_MAGIC MAGIC('s', 'e', 's', 's')

extern const struct ftp_world session_world;

#endif
