/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Who the bearer of a client certificate is, by tls_client_user and tls_client_map.
 */
#ifndef WHARF_TLS_BEARER_H
#define WHARF_TLS_BEARER_H

#include <stdbool.h>

#include <openssl/x509.h>

#include <wharf/base/buf.h>
#include <wharf/conf/settings.h>

/* An entry of the map: a certificate and who bears it. */
struct bearer {
	char *certificate; /* 64 hexadecimal digits, or a subject as RFC 2253 writes it */
	char *user;
	bool is_fingerprint;
};

struct bearers {
	enum word_tls_client_user by;
	struct bearer *entry;
	size_t n;
	const char *wrong; /* what is wrong with the map, or NULL */
};

/* 0 or -ENOMEM; bearers_deinit() in any case. */
int bearers_init(struct bearers *b, const struct settings *server);
void bearers_deinit(struct bearers *b);
/* Appends who bears that certificate, which is valid; false where it is nobody. */
bool bearers_find(const struct bearers *b, X509 *certificate, struct buf *user);

#endif
