/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Both ends of TLS connections, for tests: our streams, and OpenSSL's own client, over TCP on the
 * loopback interface.
 */
#ifndef WHARF_TESTS_TLS_ENDS_H
#define WHARF_TESTS_TLS_ENDS_H

#include <stdbool.h>
#include <sys/types.h>

#include <openssl/ssl.h>

#include <wharf/tls/stream.h>

#include "connection.h"
#include "pki.h"

/* What all tests share: a CA, a certificate by it, and one of another name. */
struct ends_world {
	struct pair ca, server, other, client;
	struct settings settings;
	struct tls_hosts *hosts;
};

extern struct ends_world world;

/* A client: what its connections share, and what it got. */
struct client {
	SSL_CTX *ctx;
	unsigned tickets;
	SSL_SESSION *session; /* the last */
};

/* A connection between the two. */
struct line {
	int fd; /* the server's end */
	int client_fd;
	struct tls *t;
	SSL *ssl;
	bool is_control;
	char in[1 << 17];
	size_t n;
	int result;       /* of the server's handshake */
	int client_error; /* of the client's: the alert's reason, or 0 */
};

/* Sets an option of texts. */
void set_text(char **field, const char *text);
void set_list(struct texts *list, const char *one);
/* Adds a file of a host; text is emptied. */
void add_file(struct tls_files *files, enum host_file kind, struct buf *text);
/* Puts a host with that certificate; clients: off, request or require. */
void put_host(struct tls_hosts *hosts, uint32_t number, const char *name, const struct pair *p,
	      int clients);
/* Set-up and tear-down of a group. */
int ends_set_up(void **state);
int ends_tear_down(void **state);
/* A client of that version, and no other; its connections, of the one kind and the other. */
void client_init(struct client *c, int version);
void client_deinit(struct client *c);
struct line *line_start(struct client *c);
struct line *control_line(struct client *c);
struct line *data_line(struct client *c, const struct line *control);
void line_free(struct line *l);
/* Takes what has come for a control connection, and shows it to TLS; drops what TLS has read. */
void feed(struct line *l);
void eat(struct line *l);
/* What the server reads, of a control connection too. */
ssize_t server_read(struct line *l, void *to, size_t n);
/* Lets the client ask to resume a session. */
void offer(struct line *l, SSL_SESSION *session);
/* Shakes hands at both ends, until both are done or one can't go on. */
void shake(struct line *l);
/* A byte each way: what is behind it, tickets for example, has come as well. */
void exchange(struct line *l);

#define EACH_VERSION(v) \
	for (const int *v = (const int[]){TLS1_2_VERSION, TLS1_3_VERSION, 0}; *v; v++)

#endif
