/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A real wharfd-agent on the other end of its channels: the test is its monitor and its worker. The
 * program is named by the environment's WHARF_AGENT.
 */
#ifndef WHARF_TESTS_AGENT_CLIENT_H
#define WHARF_TESTS_AGENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <wharf/conf/settings.h>
#include <wharf/wire/wire.h>

struct client {
	pid_t pid;
	struct wire monitor, worker;
	struct message answer; /* the last one; its descriptor is closed by the next client_ask() */
};

struct client_identity {
	bool as_root;
	uint32_t uid, gid;
	const uint32_t *groups;
	size_t n_groups;
	const char *root;
	bool sweep; /* of G_START */
};

/* Starts an agent, and returns the errno of its R_READY; with 0 it has a worker's channel too. */
int client_start(struct client *c, const struct client_identity *who,
		 const struct settings *settings);
/* Closes its channels and returns how it ended, as waitpid(2) does. */
int client_stop(struct client *c);

/* Gives the agent one more channel of a worker.  The caller deinitialises it. */
void client_channel(struct client *c, struct wire *worker);

/* Sends a request and waits for its answer. */
const struct message *client_ask(struct client *c, struct message request);

#define ASK(c, NAME, name, ...) \
	client_ask((c), (struct message){.id = MSG_##NAME, .fd = -1, .name = {7, __VA_ARGS__}})

/* Everything that the descriptor of the last answer gives, NUL-terminated; the caller frees it. */
char *client_read(struct client *c);

#endif
