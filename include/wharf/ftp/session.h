/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A session as the protocol sees it: bytes of the control connection go in, replies come out, and
 * what needs the world (files, data connections, identities, time) is asked of a struct ftp_world.
 * Nothing here does I/O, so a test is two arrays of strings and a world that answers from a table.
 *
 * One question at a time: while an answer is awaited, lines wait in a queue.  During a transfer
 * ABOR and STAT are answered as they come; everything else waits for the transfer's last reply (RFC
 * 959 §4.1.3).
 */
#ifndef WHARF_FTP_SESSION_H
#define WHARF_FTP_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <wharf/base/address.h>
#include <wharf/base/buf.h>
#include <wharf/base/slice.h>
#include <wharf/conf/settings.h>
#include <wharf/ftp/line.h>
#include <wharf/wire/wire.h>

struct ftp_session;

/* How a transfer, or the attempt at one, ended: the verdict. */
enum transfer_end {
	TRANSFER_COMPLETE,     /* all of the file was handed to the network, or FIN was received */
	TRANSFER_ABORTED,      /* ABOR */
	TRANSFER_RESET,        /* the data connection broke */
	TRANSFER_STALLED,      /* nothing moved for stall_timeout */
	TRANSFER_FILE_ERROR,   /* reading or writing the file failed: see the errno */
	TRANSFER_FILE_SHRANK,  /* the file became shorter while it was sent */
	TRANSFER_CONTROL_LOST, /* the control connection broke */
	TRANSFER_SHUT_DOWN,    /* the server ends */
	TRANSFER_TRUNCATED,    /* FIN came without TLS's close_notify (RFC 8446 §6.1) */
	TRANSFER_TLS_FAILED,   /* there was no TLS on the data connection, or it broke */
	TRANSFER_TLS_REFUSED,  /* its TLS session was not the control connection's */
	TRANSFER_SHORT,        /* an upload: complete, but fewer bytes than ALLO said */
	TRANSFER_QUOTA,        /* an upload: the user's quota was spent */
};

/* What the pump shall do.  The world takes fd over. */
struct transfer_plan {
	enum { TRANSFER_SEND_FILE, TRANSFER_SEND_PIPE, TRANSFER_RECEIVE } kind;
	int fd;
	bool ascii; /* translate (RFC 959 §3.1.1.1); never for a pipe, whose lines have CRLF already
		     */
	uint64_t offset; /* where in the file to begin */
	uint64_t length; /* how many bytes of the file at most; UINT64_MAX for all */
	bool cut;        /* receive: cut the file at offset before the first byte */
	bool protect;    /* PROT P: TLS on the data connection */
	uint64_t rate;   /* bytes a second, 0 for no limit */
	enum word_digest
		digest;    /* to be computed: of an upload's file, of the bytes of a download */
	bool sync;         /* receive: on disk before the end is told, where it is no small file */
	uint64_t reserved; /* receive: bytes of the quota that were reserved; see
			      ftp_session_reserved(); UINT64_MAX where there is none */
};

/* What became of it. */
struct transfer_result {
	enum transfer_end end;
	int error;      /* a negative errno with TRANSFER_FILE_ERROR, else 0 */
	uint64_t bytes; /* on the data connection */
	/*
	 * Receive: the file, all of it written, and readable where it was opened so; the session
	 * takes it over.  -1 where a write still hangs, or nothing was begun.
	 */
	int fd;
	uint64_t size;       /* receive: of that file */
	struct slice digest; /* "crc32:9ae0daaf", or empty */
	bool protected;      /* there was TLS */
	bool lost; /* receive: a sync has failed, and nobody knows what of the file is on disk */
};

/* What ended, for the log and the xferlog. */
struct transfer_record {
	struct slice path;    /* virtual */
	struct slice command; /* "RETR" */
	bool upload, ascii;
	uint64_t bytes; /* on the data connection */
	uint64_t size;  /* of the file, after an upload */
	uint64_t milliseconds;
	const char
		*verdict; /* "fin", "close-notify", "abor", "disk-full", ...: transfer_verdict() */
	bool whole;       /* a download was sent to its end; an upload is published */
	struct slice digest; /* "crc32:9ae0daaf", or empty */
	int error; /* a negative errno of the file, also where publishing failed; else 0 */
};

/*
 * The verdict's name: of a complete upload "fin", or "close-notify" where it came over TLS; of a
 * complete download "complete"; of a full disk "disk-full".
 */
const char *transfer_verdict(const struct transfer_result *result, bool upload);
/* Every name that it may return, by number from 0; NULL behind the last. */
const char *transfer_verdict_name(size_t i);

/* A change of files by a command that has succeeded, for the journal. */
struct change_record {
	struct slice command; /* "DELE", "SITE CHMOD" */
	struct slice path;    /* virtual */
	struct slice other;   /* the new name of what was renamed, the mode or time that was set; or
				 empty */
};

/* What a user has and may have; UINT64_MAX for no limit. */
struct quota {
	uint64_t bytes, files;                   /* that are there */
	uint64_t reserved_bytes, reserved_files; /* for uploads that run */
	uint64_t limit_bytes, limit_files;
};

/* Digests and copies run in the worker's pool on descriptors that an agent opened. */
struct job_plan {
	/*
	 * A copy empties its target first, which was opened without O_TRUNC: where that is the
	 * source itself the job fails with -EEXIST, and nothing was touched.
	 */
	enum { JOB_DIGEST, JOB_COPY } kind;
	int from, to;          /* taken over; to is -1 for a digest */
	const char *algorithm; /* as digest.h names it */
	uint64_t start,
		end; /* bytes of the file: end is not included; UINT64_MAX for the file's end */
	enum word_digest digest; /* a copy: to be computed of it */
	bool sync;               /* a copy: on disk before the end is told */
};

/* Who is at the other end of TLS on the control connection. */
struct tls_client {
	struct slice user; /* whom a valid client certificate names; p is NULL where none does */
};

/* What a session may ask of the world.  None of these may call back into the session before it
 * returns. */
struct ftp_world {
	/* Sends a reply, or several, whole lines with CRLF. */
	void (*reply)(struct ftp_session *s, struct slice bytes);
	/* Whether so many replies wait for the client to read them that no command is to be run;
	 * when that is over, the world calls ftp_session_go_on(). */
	bool (*is_full)(struct ftp_session *s);
	/* Ends the session when all replies are sent (at once when graceful is false). */
	void (*hang_up)(struct ftp_session *s, bool graceful);
	/* Monotonic milliseconds. */
	uint64_t (*now)(struct ftp_session *s);
	/* Calls ftp_session_delayed() after so many milliseconds. */
	void (*delay)(struct ftp_session *s, uint64_t milliseconds);

	/* Whether there is a certificate to serve. */
	bool (*can_secure)(struct ftp_session *s);
	/*
	 * TLS begins on the control connection behind what was replied.  Answered by
	 * ftp_session_secured(); where the handshake fails, the world ends the session.
	 */
	void (*secure)(struct ftp_session *s);
	/* TLS ends there, by close_notify behind what was replied (CCC, REIN); what comes behind
	 * the client's is clear. */
	void (*unsecure)(struct ftp_session *s);
	/* Gives the client one more ticket, for the data connection to come. */
	void (*ticket)(struct ftp_session *s);
	/*
	 * The client means the host of that name (RFC 7151), which is well-formed and written as he
	 * wrote it, an address in brackets too.  false: nobody serves it, or SNI has said another
	 * one.  An empty name: he means none any more (REIN).
	 */
	bool (*host)(struct ftp_session *s, struct slice name);
	/* What require_tls says in the block of that user, an enum word_require_tls; -1 where there
	 * is none. */
	int (*required)(struct ftp_session *s, struct slice user);

	/*
	 * Asks the session's agent; the world sets the message's id.  Answered by
	 * ftp_session_answered() exactly once, also when the agent is gone or too slow.  Slices in
	 * m need not outlive the call; the world takes m->fd over, which is -1 for none.
	 */
	void (*ask)(struct ftp_session *s, struct message *m);
	/* The same where nobody waits for the answer, also in a session that ends. */
	void (*tell)(struct ftp_session *s, struct message *m);
	/* Closes a file that the agent has opened: even that may take its time where a file system
	 * hangs. */
	void (*close)(struct ftp_session *s, int fd);

	/*
	 * Tries one source.  secret.p is NULL when the source shall ask for it itself (PAM).
	 * Answered by ftp_session_prompted() or ftp_session_judged(), and after a verdict of
	 * AUTH_OK by ftp_session_logged_in() or ftp_session_refused().  For the source anonymous
	 * there is no verdict, only one of the last two.  A source that
	 * can't be asked, or is gone, has no verdict either: ftp_session_refused().
	 */
	void (*login)(struct ftp_session *s, enum word_source source, struct slice user,
		      struct slice secret);
	/* The same for whom a client certificate names: no secret is wanted (232). */
	void (*login_certified)(struct ftp_session *s, enum word_source source, struct slice user);
	/* The client's answer to a prompt. */
	void (*login_answer)(struct ftp_session *s, struct slice secret);
	/* Forgets the login, or the attempt at one (REIN, a new USER). */
	void (*logout)(struct ftp_session *s);

	/*
	 * Opens a passive listener of that family (AF_INET, AF_INET6; it must be the control
	 * connection's), in place of any other, and tells the address to announce.  0, or
	 * -EADDRINUSE when the range is spent, or another errno.
	 */
	int (*passive)(struct ftp_session *s, int family, struct sockaddr_storage *announce);
	/* The next data connection goes there (checked already). */
	void (*active)(struct ftp_session *s, const struct sockaddr_storage *to);
	/* Accepts or makes the data connection; answered by ftp_session_connected(). */
	void (*connect)(struct ftp_session *s);
	/* Closes the listener, the data connection and what was to come of them. */
	void (*disconnect)(struct ftp_session *s);

	/* Moves bytes on the open data connection; ended by ftp_session_transferred(), which also
	 * closes it. */
	void (*transfer)(struct ftp_session *s, const struct transfer_plan *plan);
	/*
	 * Reserves so much of the user's quota for an upload that is about to begin: `bytes` (or
	 * what is left of it, but `least`), and a file where there will be one_more; where one is
	 * replaced and none is more, that needs no room.  Answered by ftp_session_reserved(), at
	 * once where the user has no quota.  The world asks for more by itself while the transfer
	 * runs, and releases what was not used at its end.  release() releases what is still
	 * reserved, if anything is: where no transfer came of it, and after a copy.
	 */
	void (*reserve)(struct ftp_session *s, uint64_t bytes, uint64_t least, bool one_more,
			bool replaces);
	void (*release)(struct ftp_session *s);
	/* What the user has: answered by ftp_session_quota_told(). */
	void (*ask_quota)(struct ftp_session *s);
	/* Ends a running transfer; ftp_session_transferred() comes later, with the end that was
	 * given here. */
	void (*stop)(struct ftp_session *s, enum transfer_end end);
	/* Bytes that the running transfer has moved. */
	uint64_t (*moved)(struct ftp_session *s);
	/* Reads a pipe for the control connection (STAT of a folder): ftp_session_piped() until it
	 * has n = 0. */
	void (*read_pipe)(struct ftp_session *s, int fd);

	/* Runs a job; ended by ftp_session_job_done(). While it runs, ftp_session_job_runs() every
	 * 5 s. */
	void (*job)(struct ftp_session *s, const struct job_plan *plan);
	void (*job_stop)(struct ftp_session *s);

	/* For the log: a command with its reply's code (the argument of PASS is hidden already), a
	 * login, a transfer. */
	void (*log_command)(struct ftp_session *s, struct slice line, unsigned code);
	void (*log_login)(struct ftp_session *s, struct slice user, bool accepted, const char *why);
	void (*log_transfer)(struct ftp_session *s, const struct transfer_record *record);
	void (*log_change)(struct ftp_session *s, const struct change_record *record);
};

enum login_state {
	LOGIN_NONE,    /* no USER yet */
	LOGIN_ASKING,  /* a source asked by a prompt: PASS answers it */
	LOGIN_NAMED,   /* 331 was sent: PASS may come */
	LOGIN_JUDGING, /* a source or the monitor is asked */
	LOGIN_FAILING, /* the delay before 530 */
	LOGIN_DONE,
};

/* What a session waits for: nothing, or one answer of the world. */
enum session_wait {
	WAIT_NONE,
	WAIT_TLS,
	WAIT_AGENT,
	WAIT_LOGIN,
	WAIT_DELAY,
	WAIT_CONNECT,
	WAIT_QUOTA,
	WAIT_TRANSFER,
	WAIT_PIPE,
	WAIT_JOB,
};

enum data_mode { DATA_NONE, DATA_PASSIVE, DATA_ACTIVE };

struct command;
struct task;
struct transfer;

struct ftp_session {
	uint32_t magic;
	const struct ftp_world *world;
	const struct settings *settings; /* the listener's, then the user's; the world owns it */
	struct endpoint peer, local;

	struct line_reader lines;
	struct buf queue; /* lines that wait, each with its kind and length before it */
	size_t queue_at;  /* where in the queue the next one is */
	size_t aside_at;  /* where those are that were not looked at while it waits for this */
	enum session_wait waits, aside_waits;
	bool closing;     /* no more lines are answered */
	bool input_ended; /* the client closed its end */

	bool secure;     /* TLS is on the control connection */
	bool sized;      /* PBSZ came */
	bool protect;    /* PROT P */
	bool greeted;    /* 220 was sent */
	char *certified; /* whom the client's certificate names, or NULL */
	size_t behind;   /* bytes that came in the same piece behind the line that runs */

	enum login_state login;
	unsigned sources_tried; /* how many of settings->sources were asked in this attempt */
	unsigned failures;      /* wrong passwords, and prompts that were left for another USER */
	unsigned unknown;       /* verbs that are not FTP, before the login */
	uint64_t judged_since;  /* when PASS came, in ms */
	char *user;
	char *secret;  /* PASS's argument while sources are asked; wiped */
	char *message; /* what a source said, for 230 */

	char *cwd;
	char *rename_from; /* RNFR, until the next command */
	char *copy_from;   /* SITE CPFR */
	bool ascii;
	enum data_mode data;
	bool epsv_all;
	uint64_t restart;                /* REST */
	uint64_t allocated;              /* ALLO, for the next upload; 0 for none */
	uint64_t range_start, range_end; /* RANG, end included; none when start > end */
	unsigned facts;                  /* OPTS MLST */
	int hash_algorithm;              /* OPTS HASH */
	unsigned umask;
	uint64_t idle_timeout; /* seconds; SITE IDLE */

	const struct command *running; /* the command that waits */
	char *line;                    /* its line, for the log, where commands are logged */
	unsigned aborts;               /* ABORs that are not answered yet */
	unsigned last_code;            /* of the last reply, for the log */
	struct transfer *transfer;     /* while a transfer command runs */
	struct task *task;             /* while a command runs that asks more than once */
	/* The rest of a command that needs more than one question: runs on its answer, then is
	 * NULL. */
	void (*then)(struct ftp_session *s, struct message *answer);
	bool then_late; /* `then` runs in a session that is closing too */
	char *path;     /* what the running command is about */
};

/*
 * Life.  The settings must hold until ftp_session_logged_in() or the end.  start() sends 220, where
 * tls is implicit after it has asked for TLS.
 * end() comes before deinit(), while the world can still be told things: no line is answered from
 * then on, what is prepared of an upload is given back, and one that waits for its commit is
 * logged.  A transfer that runs is ended by ftp_session_transferred() as ever, before or after it.
 * deinit() frees what the session holds and asks nothing of the world.
 */
void ftp_session_init(struct ftp_session *s, const struct ftp_world *world,
		      const struct settings *settings, const struct sockaddr_storage *peer,
		      const struct sockaddr_storage *local);
void ftp_session_start(struct ftp_session *s);
void ftp_session_end(struct ftp_session *s);
void ftp_session_deinit(struct ftp_session *s);

/*
 * Bytes of the control connection.  Returns 0, or a negative errno that ends the session: -EPROTO
 * for clear bytes between AUTH's reply and ftp_session_secured().
 */
int ftp_session_input(struct ftp_session *s, const char *bytes, size_t n);
/* Whether the control connection shall be read now. */
bool ftp_session_wants_input(const struct ftp_session *s);
/* Runs lines that wait since the world was full.  Whether there were any. */
bool ftp_session_go_on(struct ftp_session *s);
/* The client closed its end (FIN): what was sent is still answered, then the session ends. */
void ftp_session_input_ended(struct ftp_session *s);

/* TLS is on the control connection.  All that was said and set in clear is forgotten, but for HOST
 * and EPSV ALL. */
void ftp_session_secured(struct ftp_session *s, const struct tls_client *client);

/* The world's answers.  m has id MSG_R_*; its fd, if any, becomes the session's. */
void ftp_session_answered(struct ftp_session *s, struct message *m);
void ftp_session_prompted(struct ftp_session *s, struct slice text);
void ftp_session_judged(struct ftp_session *s, enum auth_verdict verdict, struct slice text);
void ftp_session_logged_in(struct ftp_session *s, struct slice user,
			   const struct settings *settings);
void ftp_session_refused(struct ftp_session *s, enum login_refusal why);
void ftp_session_delayed(struct ftp_session *s);
/* error: 0, or a negative errno: -ETIMEDOUT when no connection came. */
void ftp_session_connected(struct ftp_session *s, int error);
void ftp_session_transferred(struct ftp_session *s, const struct transfer_result *result);
/* error: 0, -EDQUOT, or another negative errno where the quota can't be asked for.  bytes: how many
 * were reserved, for plan.reserved. */
void ftp_session_reserved(struct ftp_session *s, int error, uint64_t bytes);
/* error: as above; quota has no meaning then.  Where there is no quota its limits say so. */
void ftp_session_quota_told(struct ftp_session *s, int error, const struct quota *quota);
void ftp_session_piped(struct ftp_session *s, struct slice bytes);
void ftp_session_job_runs(struct ftp_session *s, uint64_t bytes);
/* digest: in hexadecimal; of a copy "crc32:9ae0daaf", or empty.  fd: the copy, which the session
 * takes over, else -1. */
void ftp_session_job_done(struct ftp_session *s, int error, struct slice digest, int fd);

/* Time is up (login_timeout, idle_timeout), or the server ends: 421 with this text, then the
 * session is hung up. */
void ftp_session_expire(struct ftp_session *s, const char *why);

static inline bool
ftp_session_is_logged_in(const struct ftp_session *s)
{
	return s->login == LOGIN_DONE;
}

/* Whether a transfer command runs, from its line to its last reply: no idle time counts meanwhile.
 */
static inline bool
ftp_session_is_busy(const struct ftp_session *s)
{
	return s->waits != WAIT_NONE;
}

#endif
