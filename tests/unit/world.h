/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A world for protocol sessions, which answers from a table of files. */
#ifndef WHARF_TEST_WORLD_H
#define WHARF_TEST_WORLD_H

#include <wharf/ftp/session.h>

/* What is different from the defaults. */
struct setup {
	int tls;                /* an enum word_tls */
	int require;            /* the listener's require_tls */
	int final;              /* the user's, when he is logged in */
	int block;              /* of the user block "demo"; 0 for no block, else one more */
	bool bare;              /* no certificate */
	bool ccc;               /* the option */
	bool no_password;       /* tls_client_password = no */
	const char *sources;    /* u, p, a */
	const char *message;    /* what sources say to who is let in */
	const char *rights;     /* in hexadecimal, where they are not all */
	enum transfer_end end;  /* of transfers */
	enum auth_verdict says; /* the users file, of a certificate's user */
	bool traced;            /* all of the trace must be read */
	bool in_place;          /* nothing can be staged */
	enum word_durability durability;
	uint64_t publish; /* bits of enum word_verdict, where that is not the default */
	bool tell_digests;
	bool lost;          /* uploads that a sync has failed for */
	struct quota quota; /* where a limit is not 0 */
	unsigned versions;
	/* Positive errnos. */
	int utime_error, open_error, prepare_error, commit_error, reserve_error, quota_error;
};

struct world {
	struct ftp_session s;
	struct settings listener, user;
	struct setup setup;
	struct buf out;      /* replies that the script has not read yet */
	struct message ask;  /* the last question, until it is answered */
	struct buf asked;    /* the path in it */
	struct buf question; /* of the last login: its source's letter, and the user */
	struct buf host;
	/*
	 * What was asked of the world for uploads and changes, a line each: "open <flags> <path>",
	 * "reserve <bytes> <least> <one more> <replaces>", "release", "send|receive <offset>
	 * <length> <cut> <digest> <sync> <reserved>", "commit <how> <mode> <path> <stage>
	 * <digest>", "keep|discard <path> <stage>", "log <command> <path> <verdict> <whole> <size>
	 * <digest> <error>", "change <command> <path> <other>", "job <kind> <digest> <sync>".
	 */
	struct buf trace;
	struct transfer_plan plan;
	struct job_plan job_plan;
	unsigned tickets, logouts, descriptors;
	uint64_t delayed, clock;
	uint64_t least; /* of the last reservation */
	size_t room;    /* bytes of replies from which on it is full; 0: never */
	size_t looks;   /* how often that was asked */
	bool pending, connect, transfer, job, pipe, reserving, asking_quota;
	bool delay, login, certified, right, known;
	bool stopped, held, held_all;
	bool securing, clear, hung_up, graceful;
	enum transfer_end end;
};

/* The session is started, its greeting not read. */
void world_init(struct world *w, const struct setup *setup);
/* Ends the session; no descriptor may be left. */
void world_deinit(struct world *w);
/* Answers the question to the agent, the reservation, the transfer. */
void world_answer(struct world *w);
void world_end_reserving(struct world *w);
void world_end_transfer(struct world *w);
/* Answers all that was asked, until nothing is left to answer. */
void world_turn(struct world *w);
#define SETUP &(const struct setup)

#endif
