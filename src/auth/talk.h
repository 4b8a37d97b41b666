/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * PAM's conversation with the client, by way of the worker.
 */
#ifndef WHARF_AUTH_TALK_H
#define WHARF_AUTH_TALK_H

#include <security/pam_appl.h>

#include <wharf/base/buf.h>

#include "auth.h"

struct talk {
	struct auth *auth;
	char secret[SECRET_MAX + 1]; /* what came with A_LOGIN */
	bool has_secret;             /* it was not used yet */
	bool certified;              /* a certificate is the proof: the client is asked nothing */
	bool answered;               /* a module got something of the client */
	bool abandoned;              /* the client left while he was asked */
	struct buf text;             /* messages of modules that the client was not told yet */
	unsigned left;               /* seconds of pam_timeout */
};

/* Modules run from here on: the process is killed by SIGALRM when they take longer than is left. */
void talk_clock_start(struct talk *t);
void talk_clock_stop(struct talk *t);

/* The callback of struct pam_conv; appdata is the struct talk. */
int talk_converse(int n, const struct pam_message **messages, struct pam_response **responses,
		  void *appdata);

#endif
