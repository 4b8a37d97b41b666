/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The auth process: what its two kinds have in common.  It is handed a channel to the monitor, and
 * through that one a channel to a worker, which asks whether a password is right.
 */
#ifndef WHARF_AUTH_AUTH_H
#define WHARF_AUTH_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <wharf/conf/settings.h>
#include <wharf/wire/wire.h>

/* A longer one is no password: hashing must be bounded (attacks D03). */
#define SECRET_MAX 512
/* Nor is a longer one a user's name. */
#define NAME_MAX_BYTES 255

struct auth {
	struct wire monitor, worker; /* worker.fd is -1 until A_CHANNEL */
	enum word_source source;
	bool as_root;
	uint32_t uid, gid; /* of run_as */
	uint64_t session;  /* PAM: the one that this process is for */
	struct sockaddr_storage peer;
	struct settings settings;
};

/* Run to their end and return the exit status. */
int users_serve(struct auth *a);
int pam_serve(struct auth *a);

/* Waits for the next thing.  AUTH_ENDED: the monitor is gone, or does not need this process any
 * more. */
enum auth_event { AUTH_MONITOR, AUTH_WORKER, AUTH_CHILD, AUTH_ENDED };
/* child: a pidfd, or -1. */
enum auth_event auth_wait(struct auth *a, int child);
/* Takes a message of the monitor that both kinds know (A_CHANNEL, A_LOG) and closes its descriptor
 * otherwise. */
void auth_take_common(struct auth *a, struct message *m);

/* Tells the worker; and the monitor, when nobody else will be asked and the login failed. */
void auth_answer(struct auth *a, uint64_t session, enum auth_verdict verdict, struct slice text);
/*
 * Whether the worker's word that a client certificate names a user may stand for his password.  The
 * configuration says so, not the worker: else one that was broken into could be anybody.
 */
bool auth_takes_certificates(const struct auth *a);
/* Wipes what a message with a secret left in the channel's buffer. */
void auth_wipe(struct wire *w);

#endif
