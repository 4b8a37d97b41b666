/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * One TLS connection, as the server, on a non-blocking socket that stays the caller's.  What is
 * written is encrypted at once into a buffer and leaves by tls_flush(), many records a system call;
 * what is read of a control connection is fed by the caller, so that nothing behind TLS's end is
 * swallowed, and of a data connection is taken from the socket in large pieces.
 *
 * A data connection's session is bound to its control connection's: sessions of one control
 * connection have a random context of their own, so that a ticket of another one is worth nothing.
 */
#ifndef WHARF_TLS_STREAM_H
#define WHARF_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <wharf/tls/hosts.h>

struct tls;

/* What a read tells besides bytes and an errno. */
enum tls_result {
	TLS_AGAIN =
		-1, /* more of the peer is needed (or room to send, where tls_unsent() is not 0) */
	TLS_BROKEN =
		-2, /* not TLS, or not as wanted: tls_why(); an alert may wait in tls_flush() */
	TLS_TRUNCATED = -3, /* the connection ended without close_notify */
	TLS_RESET = -4,     /* the connection broke */
};

/*
 * A control connection: `host` is the one that HOST has named, or NULL.  settings, which must hold
 * until the handshake is done: tls_minimum, tls_strict_sni, default_host, tls_reuse.  NULL when
 * memory is out.
 */
struct tls *tls_new_control(struct tls_hosts *hosts, int fd, const struct tls_host *host,
			    const struct settings *settings);
/* A data connection of that control connection, whose handshake is done. */
struct tls *tls_new_data(struct tls *control, int fd, const struct settings *settings);
/* Frees it; nothing is sent any more.  t may be NULL. */
void tls_free(struct tls *t);

/* Bytes of a control connection's socket.  They must hold until tls_read() or tls_handshake() has
 * said TLS_AGAIN, or ended otherwise; tls_unread() then has what is left of them: bytes behind
 * close_notify. */
void tls_feed(struct tls *t, struct slice bytes);
struct slice tls_unread(const struct tls *t);

/*
 * 0: done; else an enum tls_result.  One call computes what has come, or what one recv(2) brings.
 * Behind each call, of tls_read() too, tls_flush() sends what it made: flights, alerts, answers.
 */
int tls_handshake(struct tls *t);
/*
 * Up to n bytes (decrypted); 0: close_notify has come; else an enum tls_result, which every further
 * call tells again where it is an end.  n is at least 1.  One call makes at most one recv(2), and
 * none where the last one has emptied the socket: who reads until TLS_AGAIN, and then waits for an
 * event, makes none in vain.  It is TLS_BROKEN too when the peer makes us answer (updates of keys,
 * renegotiations) and takes nothing of it.
 */
ssize_t tls_read(struct tls *t, void *to, size_t n);
/* Whether bytes that came from the socket are in hand, so that reading again need not wait for it.
 */
bool tls_has_more(const struct tls *t);
/* Encrypts all n bytes into what waits.  0, or TLS_BROKEN, or -ENOMEM as TLS_BROKEN. */
int tls_write(struct tls *t, const void *bytes, size_t n);
/* Appends close_notify to what waits; nothing may be written behind it.  with_fin: the caller ends
 * the socket's side when all has left, so the kernel may keep the last segment until then. */
void tls_end(struct tls *t, bool with_fin);
/* Sends of what waits.  0: all is out; TLS_AGAIN: the socket is full; TLS_RESET. */
int tls_flush(struct tls *t);
size_t tls_unsent(const struct tls *t);
/* Whether TLS_AGAIN of a handshake was for room in the socket: OpenSSL itself sends where the
 * kernel may encrypt, and then nothing waits here. */
bool tls_wants_room(const struct tls *t);
/* One ticket more for the client, which leaves with what is written next (TLS 1.3; nothing in 1.2).
 */
void tls_ticket(struct tls *t);

/* Whether the kernel encrypts what is sent: then tls_sendfile() sends of a file, like sendfile(2):
 * bytes, 0 at the file's end, or an enum tls_result; an error of the file is TLS_BROKEN with errno
 * set. */
bool tls_is_in_kernel(const struct tls *t);
ssize_t tls_sendfile(struct tls *t, int file, off_t offset, size_t n);

/* After the handshake. */
bool tls_is_resumed(const struct tls *t);
const char *tls_version(const struct tls *t); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);
/* The host that is served. */
const struct tls_host *tls_host_of(const struct tls *t);
/* What SNI said; empty without it. */
struct slice tls_sni(const struct tls *t);
/* Whether a data connection's peer is the control connection's: its session was resumed, or it
 * bears the same certificate or none where that bore none. */
bool tls_is_same_peer(const struct tls *data, const struct tls *control);
/* Appends the user whom the client's certificate names (tls_client_user); false where there is no
 * valid one, or it names nobody. */
bool tls_client_user(const struct tls *t, struct buf *user);
/* Whether the client has shown a valid certificate. */
bool tls_has_certificate(const struct tls *t);
/* Why it ended so, for the log: a static text, empty when there is nothing to tell. */
const char *tls_why(const struct tls *t);

#endif
