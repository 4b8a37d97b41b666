/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What all contexts have in common.  No certificate chain is made up from the CAs of clients, no
 * early data is taken, nothing is compressed or renegotiated, and an end without close_notify stays
 * an error.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

#include "context.h"

enum {
	SESSION_SECONDS = 7 * 24 * 3600, /* RFC 8446 §4.6.1: the longest */
	SESSIONS_CACHED = 16384,         /* of TLS 1.2 clients without tickets */
	TICKETS = 1, /* behind the handshake; PASV and its like bring one each */
	CHAIN_DEPTH = 8,
	CHAIN_BYTES = 48 << 10, /* of a client's certificates; what is in a ticket must fit there */
};

/* Names of one kind of a list with colons between; NULL where there are none, or memory is out. */
static char *
choose(struct slice list, bool of_tls13)
{
	struct buf out = BUF_INIT;

	while (list.n) {
		const char *colon = memchr(list.p, ':', list.n);
		size_t n = colon ? (size_t)(colon - list.p) : list.n;
		struct slice name = slice_trim(slice_head(list, n));

		if (name.n && slice_starts(name, SLICE("TLS_")) == of_tls13) {
			if (out.len)
				buf_add_byte(&out, ':');
			buf_add_slice(&out, name);
		}
		list = slice_from(list, colon ? n + 1 : n);
	}
	if (out.len)
		buf_add_byte(&out, '\0');
	if (buf_error(&out))
		buf_deinit(&out);
	return out.data;
}

int
algorithms_init(struct algorithms *a, const struct settings *server)
{
	struct slice ciphers = slice_of(server->tls_ciphers), groups = slice_of(server->tls_groups);

	*a = (struct algorithms){
		.ciphers = choose(ciphers, false),
		.suites = choose(ciphers, true),
		.groups = groups.n ? slice_dup(groups) : NULL,
	};
	if ((ciphers.n && !a->ciphers && !a->suites) || (groups.n && !a->groups))
		return -ENOMEM;
	return 0;
}

void
algorithms_deinit(struct algorithms *a)
{
	free(a->ciphers);
	free(a->suites);
	free(a->groups);
	*a = (struct algorithms){0};
}

/*
 * ALPN (RFC 7301): a client that names protocols, and none of ours among them, has come to the
 * wrong place, or was led there (ALPACA).
 */
static int
alpn(SSL *ssl, const unsigned char **chosen, unsigned char *length, const unsigned char *offered,
     unsigned n, void *arg)
{
	static const struct slice ours[] = {
		[CONTEXT_CONTROL] = {"ftp", 3}, [CONTEXT_DATA] = {"ftp-data", 8}, /* what FileZilla
										     says there */
	};
	const struct context_owner *owner = SSL_get_app_data(ssl);

	(void)arg;
	for (int role = (int)owner->role; role >= CONTEXT_CONTROL; role--) {
		for (unsigned at = 0; at < n; at += 1U + offered[at]) {
			struct slice name = {(const char *)offered + at + 1, offered[at]};
			if (slice_equal(name, ours[role])) {
				*chosen = offered + at + 1;
				*length = offered[at];
				return SSL_TLSEXT_ERR_OK;
			}
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void
set_up(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* Our order counts; but who names ChaCha20 first has no instructions for AES. */
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	SSL_CTX_sess_set_cache_size(ctx, SESSIONS_CACHED);
	SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
	SSL_CTX_set_num_tickets(ctx, TICKETS);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH);
	SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES);
	SSL_CTX_set_alpn_select_cb(ctx, alpn, NULL);
}

/* AES with keys of 128 bits, and hashes that processors have instructions for. */
static bool
is_cheap(const SSL_CIPHER *c)
{
	int exchange = SSL_CIPHER_get_kx_nid(c);

	return SSL_CIPHER_get_cipher_nid(c) == NID_aes_128_gcm &&
	       (exchange == NID_kx_ecdhe || exchange == NID_kx_any);
}

/* Adds the names of those of one kind that are cheap, or are not. */
static void
add_names(struct buf *out, const STACK_OF(SSL_CIPHER) * all, bool of_tls13, bool cheap)
{
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
		struct slice name = slice_of(SSL_CIPHER_get_name(c));

		if (is_cheap(c) != cheap || slice_starts(name, SLICE("TLS_")) != of_tls13)
			continue;
		if (out->len)
			buf_add_byte(out, ':');
		buf_add_slice(out, name);
	}
}

/* Sets that list; or, where there is none, what is cheap before the rest of what the context has:
 * OpenSSL's own list, or the system's. */
static bool
set_ciphers(SSL_CTX *ctx, const char *list, bool of_tls13)
{
	int (*set)(SSL_CTX *, const char *) = of_tls13 ? SSL_CTX_set_ciphersuites
						       : SSL_CTX_set_cipher_list;
	struct buf names = BUF_INIT;

	if (!list) {
		add_names(&names, SSL_CTX_get_ciphers(ctx), of_tls13, true);
		add_names(&names, SSL_CTX_get_ciphers(ctx), of_tls13, false);
		if (names.len)
			buf_add_byte(&names, '\0');
		list = names.data;
	}
	bool done = buf_error(&names) == 0 && (!list || set(ctx, list) == 1);
	buf_deinit(&names);
	return done;
}

SSL_CTX *
context_new(const struct algorithms *a, const char **wrong)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	*wrong = NULL;
	if (!ctx)
		return NULL;
	set_up(ctx);
	if (!set_ciphers(ctx, a->ciphers, false) || !set_ciphers(ctx, a->suites, true))
		*wrong = "tls_ciphers";
	if (a->groups && SSL_CTX_set1_groups_list(ctx, a->groups) != 1)
		*wrong = "tls_groups";
	ERR_clear_error();
	return ctx;
}
