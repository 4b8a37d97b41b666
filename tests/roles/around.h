/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The world around a real wharfd-worker, which is confined as it is without root: a test plays the
 * monitor, the auth process and the agent over their channels, and the client over TCP on the
 * loopback.  What does not go as it must fails the test.
 */
#ifndef WHARF_ROLES_AROUND_H
#define WHARF_ROLES_AROUND_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <wharf/conf/settings.h>
#include <wharf/wire/wire.h>

#define PATIENCE_MS 10000
#define LOW_PORT    22000
#define HIGH_PORT   22059
#define FILE_LIMIT  (8U << 20)

enum { LISTENER_ANONYMOUS, LISTENER_USERS, LISTENER_PAM, LISTENER_HASTY, LISTENERS };

struct worker_world {
	pid_t pid;
	struct wire monitor, agent, users;
	uint64_t sessions;
	uint16_t active_port;                 /* of those who log in */
	void (*change)(struct settings *set); /* of those who log in, where it is not NULL */
	int spool;                            /* the journal's; -1 for none */
};

extern struct worker_world world;
/* The worker's descriptor 2, where it is not the test's. */
extern int worker_log;

/* The client's end. */
struct client {
	int fd;
	uint64_t session;
	char in[65536];
	size_t have;
};

/* A data connection, passive or active, for a command that has been or will be given. */
struct opening {
	bool active;
	int listener;
	uint16_t port;
};

/* Of a cmocka test.  A worker drains, and ends with status 0: without a leak, where a sanitizer
 * looks. */
int start_worker(void **state);
int stop_worker(void **state);

/* The channels.  A message's descriptor is closed when it was sent. */
void make_channel(struct wire *mine, enum wire_role self, int *theirs);
void tell(struct wire *w, struct message m);
struct message hear(struct wire *w, enum message_id id);
void wait_for(int fd, short events);

/* The client: the code of a reply, and the text of its last line. */
struct client *connect_client(int listener);
struct client *login(void);
void admit(struct client *c, const char *user);
void disconnect(struct client *c);
void hear_ended(struct client *c); /* the monitor is told; there is no such client any more */
void say(struct client *c, const char *text);
int reply_code(struct client *c);
const char *reply_text(const struct client *c);

#define SAYS(c, text, code)                              \
	do {                                             \
		say((c), text "\r\n");                   \
		assert_int_equal(reply_code(c), (code)); \
	} while (0)

/* Sockets and data connections.  take_data() connects, or accepts. */
struct sockaddr_in loopback(uint32_t host, uint16_t port);
int bound_socket(uint32_t host);
uint16_t port_of(int fd);
int connect_from(uint32_t host, uint16_t port);
uint16_t passive(struct client *c);
struct opening open_data(struct client *c, bool active);
int take_data(struct opening *o);
char *read_all(int fd, size_t *n);
void write_all(int fd, const char *p, size_t n);

/* Files: bytes that are the same each time, a file without a name on a disk or in memory, and an
 * end of it of its own. */
char *random_bytes(size_t n);
int temporary(bool in_memory);
int reopen(int fd, int flags);
void assert_file_is(int file, const char *want, size_t n);

/* The agent opens what it is asked for, in place; and commits it. */
void answer_open(int fd, int flags);
void answer_commit(void);
/* STOR f, as far as 150: the data connection; and all of it. */
int start_upload(struct client *c, int file, bool active);
void upload(struct client *c, int file, bool active, const char *bytes, size_t n, int code);

#endif
