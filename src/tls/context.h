/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * An SSL_CTX as all of ours are: what the front one, which connections begin with, and those of the
 * hosts have in common.
 */
#ifndef WHARF_TLS_CONTEXT_H
#define WHARF_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include <wharf/conf/settings.h>

/* The text of tls_ciphers and tls_groups, taken apart; NULL for OpenSSL's own choice. */
struct algorithms {
	char *ciphers, *suites, *groups;
};

/* 0 or -ENOMEM; algorithms_deinit() in any case. */
int algorithms_init(struct algorithms *a, const struct settings *server);
void algorithms_deinit(struct algorithms *a);

/*
 * A new context; *wrong becomes the name of the option that OpenSSL does not take, which then is
 * left out, or NULL.  NULL when memory is out.
 */
SSL_CTX *context_new(const struct algorithms *a, const char **wrong);

/* The protocols that are spoken, as the callback for ALPN wants them. */
enum context_role { CONTEXT_CONTROL, CONTEXT_DATA };
/* What the application data of each SSL object must begin with. */
struct context_owner {
	enum context_role role;
};

#endif
