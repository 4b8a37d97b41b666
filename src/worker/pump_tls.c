/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TLS on a data connection (RFC 4217 §7): wharfd is the server, whoever has connected.  Here is
 * what comes behind 150: the handshake, or what data.c has left of it where the client began
 * before, and then the bytes.  Nothing of the file moves before the peer is known to be the control
 * connection's.
 */
#include <errno.h>
#include <sys/socket.h>

#include <wharf/base/fd.h>

#include "pump.h"

/* Bytes that are encrypted at once: at first, and at least. */
#define PIECE_FIRST (64U * 1024)
#define PIECE_MIN   (16U * 1024)

static void
secured(struct pump *p)
{
	p->secure_by = 0;
	p->last_moved = uv_now(p->all->loop);
	if (!p->calls->secured(p->owner)) {
		pump_end(p, TRANSFER_TLS_REFUSED, 0);
		return;
	}
	pump_go(p);
}

void
pump_tls_step(struct pump *p)
{
	if (p->ended)
		return;
	int r = tls_handshake(p->tls);
	bool answers = tls_unsent(p->tls) > 0;
	int sent = tls_flush(p->tls);
	if (r == TLS_AGAIN && sent == TLS_RESET)
		r = TLS_RESET;
	if (r == 0) {
		secured(p);
	} else if (r == TLS_AGAIN) {
		/* An answer acknowledges, too. */
		if (!answers)
			fd_acknowledge(p->socket);
		bool wants_room = sent == TLS_AGAIN || tls_wants_room(p->tls);
		pump_wait_socket(p, UV_READABLE | (wants_room ? UV_WRITABLE : 0));
	} else {
		pump_end(p, r == TLS_RESET ? TRANSFER_RESET : TRANSFER_TLS_FAILED, 0);
	}
}

void
pump_tls_ready(struct pump *p)
{
	if (p->turn.waits)
		return;
	if (turns_take(p->all->turns, &p->turn, true))
		pump_tls_step(p);
	else
		pump_wait_socket(p, 0);
}

ssize_t
pump_receive(struct pump *p, void *to, size_t n)
{
	if (!p->tls) {
		ssize_t got = recv(p->socket, to, n, MSG_DONTWAIT);
		return got < 0 ? -errno : got;
	}
	ssize_t got = tls_read(p->tls, to, n);
	if (got >= 0)
		return got;
	/* An alert, or the answer to a KeyUpdate. */
	tls_flush(p->tls);
	if (got == TLS_AGAIN) {
		/* close_notify is a small segment, too, that may be kept back. */
		fd_acknowledge(p->socket);
		return -EAGAIN;
	}
	if (got == TLS_TRUNCATED && p->terms.lenient)
		return 0;
	pump_end(p, got == TLS_TRUNCATED ? TRANSFER_TRUNCATED : TRANSFER_RESET, 0);
	return -ECANCELED;
}

bool
pump_tls_flush(struct pump *p)
{
	size_t before = tls_unsent(p->tls);
	int r = before ? tls_flush(p->tls) : 0;

	if (tls_unsent(p->tls) < before)
		p->last_moved = uv_now(p->all->loop);
	if (r == 0)
		return true;
	if (r == TLS_AGAIN) {
		/* What a slow client does not take has to be kept: less of it next time. */
		p->piece = p->piece / 2 > PIECE_MIN ? p->piece / 2 : PIECE_MIN;
		pump_wait_socket(p, UV_WRITABLE);
	} else {
		pump_end(p, TRANSFER_RESET, 0);
	}
	return false;
}

bool
pump_tls_send(struct pump *p, const void *bytes, size_t n)
{
	if (tls_write(p->tls, bytes, n) < 0) {
		pump_end(p, TRANSFER_RESET, 0);
		return false;
	}
	pump_count(p, n);
	/* The last piece of a file and close_notify leave together. */
	if (p->file && p->position == p->end && p->n_unsent == 0) {
		tls_end(p->tls, true);
		p->eof = true;
	}
	if (!pump_tls_flush(p))
		return false;
	p->piece = p->piece * 2 < FILE_BLOCK ? p->piece * 2 : FILE_BLOCK;
	return true;
}

void
pump_tls_begin(struct pump *p)
{
	p->piece = PIECE_FIRST;
	pump_tls_ready(p);
}
