/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Inside the protocol: rows of commands.def as structs, the handlers, and what handlers share.  A
 * handler is called with its checked argument and either replies, or asks the world one thing and
 * names in s->then what to do with the answer.
 */
#ifndef WHARF_FTP_COMMAND_H
#define WHARF_FTP_COMMAND_H

#include <wharf/ftp/facts.h>
#include <wharf/ftp/session.h>

#define SESSION_MAGIC 0x46545053U
#define SESSION_LINE_MAX \
	(4095 + 512)              /* bytes of a command line: a path, and a verb with its numbers */
#define SESSION_QUEUE_MAX   65536 /* bytes of lines that wait */
#define SESSION_SECRET_MAX  512   /* bytes of a password */
#define SESSION_UNKNOWN_MAX 10    /* verbs that are not FTP's, before the login */
#define TLS_WANTED          "Log in over TLS: send AUTH TLS first."

enum command_argument { ARG_NONE, ARG_ANY, ARG_TEXT, ARG_PATH, ARG_PATH_OPT, ARG_NAME, ARG_FILE };
enum command_needs {
	NEEDS_ANYONE,
	NEEDS_TLS,
	NEEDS_PRIVACY,
	NEEDS_USER, /* from here on a login */
	NEEDS_USER_TLS,
	NEEDS_DATA,
};
enum command_during { DURING_LATER, DURING_AT_ONCE };

#define RIGHT_NONE      0
#define RIGHT_read      RIGHT(read)
#define RIGHT_write     RIGHT(write)
#define RIGHT_overwrite RIGHT(overwrite)
#define RIGHT_delete    RIGHT(delete)
#define RIGHT_rename    RIGHT(rename)
#define RIGHT_mkdir     RIGHT(mkdir)
#define RIGHT_list      RIGHT(list)
#define RIGHT_chmod     RIGHT(chmod)

struct command {
	struct slice verb;
	struct slice name; /* as logs say it: "DELE", "SITE CHMOD" */
	enum command_argument argument;
	enum command_needs needs;
	unsigned right;
	enum command_during during;
	void (*run)(struct ftp_session *s, struct slice arg);
	const char *feature, *help;
};

/* A command that needs several questions keeps here what it knows between them. */
struct task {
	char *other;      /* a second path, or an argument as it came, for the journal */
	int fd, to;       /* descriptors that answers brought, or -1 */
	struct buf reply; /* what the final reply will say */
	size_t step;      /* how far in a path, or in what is done */
	uint64_t size;    /* ALLO; a copy's source */
	/* ALLO, AVBL, XQUOTA, SITE QUOTA */
	void (*told)(struct ftp_session *s, const struct quota *quota);
	uint64_t room; /* on the disk */
	/* SITE COPY: its target */
	char *stage;
	bool made; /* what it is written to was made for it */
	/* MFF, MFMT, MDTM */
	unsigned facts;  /* those that are still to be set */
	struct buf done; /* those that are set, for the journal */
	struct timespec modify;
	unsigned mode;
	char *group;
	/* Digests */
	int algorithm;       /* enum digest_algorithm */
	bool with_name;      /* HASH: the reply names algorithm, range and file */
	bool begun;          /* 213- was sent */
	uint64_t start, end; /* end is not included */
};

/* The tables; n is set to their length. */
const struct command *commands(size_t *n);
const struct command *site_commands(size_t *n);
/* The row with that verb (case is ignored), or NULL. */
const struct command *command_find(struct slice verb);
const struct command *site_find(struct slice verb);
/* Whether a verb is of another protocol (HTTP, SMTP, SSH, TLS): such a client is hung up. */
bool command_is_foreign(struct slice line);

/* One reply of one line.  The text must not hold what a client sent, but for quoted paths. */
void reply(struct ftp_session *s, unsigned code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A reply of bytes, which has its code and line ends already. */
void reply_raw(struct ftp_session *s, unsigned code, const struct buf *bytes);
/* A reply for an errno (positive or negative): 452 for a full disk, 550 for a name that is not
 * there, ... */
void reply_errno(struct ftp_session *s, int error);
/* The same with 553 in place of 550: for commands that make a name. */
void reply_errno_naming(struct ftp_session *s, int error);
/* Appends "code-first\r\n" + lines of text, each with a blank before it + "code last\r\n". */
void reply_add_lines(struct buf *b, unsigned code, const char *first, struct slice text,
		     const char *last);

/* Asks the agent; `then` gets the answer.  The command runs on until finish(). */
void ask(struct ftp_session *s, struct message *m,
	 void (*then)(struct ftp_session *, struct message *));
/* The same with a descriptor for the agent, which is taken over; and `then` runs also where the
 * session is closing by then, to let go of what the answer brings or to log what it says. */
void ask_late(struct ftp_session *s, struct message *m, int fd,
	      void (*then)(struct ftp_session *, struct message *));
/* The same where nobody waits for an answer. */
void tell(struct ftp_session *s, struct message *m, int fd);
/* The running command is over: its reply was sent. */
void finish(struct ftp_session *s);
/* Runs what waits in the queue, as far as it need not wait longer. */
void session_go_on(struct ftp_session *s);
/* The same, after an answer of the world: the last line of each ftp_session_*() that brings one. */
void session_answered(struct ftp_session *s);
/* 220. */
void session_greet(struct ftp_session *s);
/* Forgets the login and all that commands have set, as after the connect (REIN, AUTH). */
void session_reset(struct ftp_session *s);
/* Whether something came behind the line that runs: bytes of the same piece, lines in the queue, or
 * the beginning of one. */
bool session_has_more(const struct ftp_session *s);
/* The error of an R_* answer, or 0. */
int answer_error(const struct message *m);
/* A command that has changed something has succeeded: the journal is told of it.  other: a second
 * path, or what was set. */
void changed(struct ftp_session *s, const char *path, struct slice other);
/* What to do with R_DONE where success is a change and one reply: 250, or the one for its error.
 * The task's `other`, if there is one, is told to the journal. */
void answer_done(struct ftp_session *s, struct message *m);

/* Makes a fresh task, in place of any other.  NULL when memory is out (451 was replied then). */
struct task *task_begin(struct ftp_session *s);
void task_end(struct ftp_session *s);

/*
 * *out := the absolute path for arg, for commands whose argument holds more than a path; what it
 * held is freed. find_path() returns 0, an enum path_error, or a negative errno (-ENOENT for hidden
 * names), *out being NULL then; resolve_path() returns whether it went well, and has sent the reply
 * when it did not; resolve_name() is the same for the name of what is to be made.
 */
int find_path(struct ftp_session *s, struct slice arg, char **out);
bool resolve_path(struct ftp_session *s, struct slice arg, char **out);
bool resolve_name(struct ftp_session *s, struct slice arg, char **out);
/* Whether the session has all these rights; when not, 550 was replied. */
bool require_right(struct ftp_session *s, unsigned rights);
/*
 * Splits "first second": first is one word, or quoted with its quotes doubled; second is the rest,
 * quoted or not. Either may be freed by buf_deinit().  Returns false when there are not two.
 */
bool split_two(struct slice arg, struct buf *first, struct buf *second);
/* The text before the first blank, and what follows exactly one. */
struct slice split_word(struct slice text, struct slice *rest);

/* 226 for every ABOR that waits for its reply. */
void reply_aborts(struct ftp_session *s);
/* Frees what a transfer holds, if there is one (ftp_session_deinit()). */
void transfer_free(struct ftp_session *s);
/* STAT <path>: a listing on the control connection. */
void transfer_status(struct ftp_session *s, struct slice arg);
/* Whether AUTH can succeed. */
bool tls_is_served(struct ftp_session *s);
/* Whether that word of require_tls lets nobody log in without TLS. */
bool tls_is_wanted_for_login(int require_tls);
/* What TLS has to do with a row of the table.  Returns false when it was refused, and the reply
 * sent. */
bool tls_allows(struct ftp_session *s, const struct command *c, struct slice arg);
/* TLS from the first byte: 220 comes after it. */
void tls_begin_implicit(struct ftp_session *s);
/* Forgets REST and RANG; and what ALLO said too. */
void restart_reset(struct ftp_session *s);
void prepared_reset(struct ftp_session *s);
/* Asks how much of the quota is left; `then` is told, unless that failed and the reply was sent.
 * s->task must be there. */
void ask_quota(struct ftp_session *s,
	       void (*then)(struct ftp_session *s, const struct quota *quota));
/* Bytes that the quota has left. */
uint64_t quota_left(const struct quota *quota);
/* How an upload or a copy opens what it makes, for the session's settings. */
unsigned stage_how(const struct ftp_session *s);
/* How it is committed; replaces: it may take the place of a file that is there. */
unsigned commit_how(const struct ftp_session *s, bool replaces);
/* Bytes that the version will take which is kept of what was opened: none where that is staged, and
 * the version the file itself. */
uint64_t version_room(const struct r_opened *opened);
/* Tells the agent that such a file will be written over now; its answer brings the descriptor back
 * to `then`, also where the session is closing by then. */
void prepare_in_place(struct ftp_session *s, const char *path, int fd,
		      void (*then)(struct ftp_session *, struct message *));
/* The end of what was staged, where that is not to become the file: discarded, or kept for its
 * user.  In place a file is only let go of, or discarded where it is empty.  fd is taken over.
 * Whether `then` gets the answer, which is not awaited in a session that is closing. */
bool give_back(struct ftp_session *s, const char *path, const char *stage, int fd, bool discard,
	       void (*then)(struct ftp_session *, struct message *));
/* The parts of what ftp_session_reserved(), ftp_session_end() and ftp_session_expire() do. */
void upload_reserved(struct ftp_session *s, int error, uint64_t bytes);
void upload_end(struct ftp_session *s);
void upload_expire(struct ftp_session *s);
void copy_reserved(struct ftp_session *s, int error);
void copy_end(struct ftp_session *s);
/* The copy's job is over. */
void copy_done(struct ftp_session *s, int error, struct slice digest, int fd);
/* Wipes the secret and what a source said. */
void login_forget(struct ftp_session *s);

#define COMMAND(verb, argument, needs, right, during, handler, feature, help) \
	void handler(struct ftp_session *s, struct slice arg);
#include <wharf/ftp/commands.def>
#define SITE(verb, argument, right, handler, feature, help) \
	void handler(struct ftp_session *s, struct slice arg);
#include <wharf/ftp/site.def>

#endif
