/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What is under a TLS connection: a socket, or bytes that are fed, to read of; a buffer to write
 * to. OpenSSL sees it as a BIO.
 */
#ifndef WHARF_TLS_TRANSPORT_H
#define WHARF_TLS_TRANSPORT_H

#include <stdbool.h>

#include <openssl/bio.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

/* The buffer that is lent to who writes: 16 records and what goes around them. */
enum { TRANSPORT_SPARE = (256 << 10) + 4096 };

struct transport {
	int fd;
	bool is_fed;      /* reads of `in`, not of fd */
	bool may_receive; /* once a call of a stream's function */
	bool is_drained;  /* the socket had less than there was room for */
	bool ended;       /* its end has come */
	int error;        /* why it broke: an errno, or 0 */
	struct slice in;
	bool with_fin;  /* behind what waits comes only FIN */
	struct buf out; /* its first `sent` bytes have left */
	size_t sent;
	struct buf *spare; /* where the buffer that is lent lies, when nobody has it */
};

/* NULL when memory is out; freed by BIO_meth_free(). */
BIO_METHOD *transport_method_new(void);
/* A BIO of that transport; NULL when memory is out. */
BIO *transport_bio_new(BIO_METHOD *method, struct transport *t);
/* Frees the buffer; the descriptor stays the caller's. */
void transport_deinit(struct transport *t);
/* Bytes that wait to be sent. */
size_t transport_unsent(const struct transport *t);
int transport_append(struct transport *t, const void *bytes, size_t n);
/* Takes n bytes off what waits.  What is left is put where it costs no more than it needs. */
void transport_sent(struct transport *t, size_t n);
/* Sends, in one system call.  0: all is out; 1: the socket is full; or a negative errno. */
int transport_flush(struct transport *t);

#endif
