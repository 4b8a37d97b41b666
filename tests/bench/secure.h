/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TLS 1.3 as a client: one cipher, or each server's preference would decide what is compared; and
 * tickets, of which a control connection keeps the newest for its data connections.
 */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define SECURE_READ ((size_t)128 << 10)

SSL_CTX *secure_new(void);

/* The client's end.  New tickets go to *keep, if that is not NULL; `ticket` is offered. */
SSL *secure_begin(SSL_CTX *tls, int fd, SSL_SESSION **keep, SSL_SESSION *ticket);

/* After the handshake: many records a system call. */
void secure_bulk(SSL *ssl, bool upload);

/* What a call that returned `r` waits for, EPOLLIN or EPOLLOUT; any failure ends the program. */
uint32_t secure_waits(SSL *ssl, int r, const char *what);
_Noreturn void secure_fail(const char *what);

#endif
