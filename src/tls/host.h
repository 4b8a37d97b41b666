/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A host that is served: what stands in its files, and what was made of them.
 */
#ifndef WHARF_TLS_HOST_H
#define WHARF_TLS_HOST_H

#include <openssl/ssl.h>

#include <wharf/tls/certificate.h>
#include <wharf/tls/hosts.h>

#include "context.h"

struct tls_host {
	uint32_t number;
	char *name;
	SSL_CTX *ctx; /* NULL where it has no certificate */
	struct certificate *certificate;
	size_t certificates;
	int verify; /* SSL_VERIFY_... */
};

/* What a host is made of. */
struct host_plan {
	const struct algorithms *algorithms;
	const struct settings *settings;
	const struct tls_files *files;
};

/* 0, TLS_HOST_WRONG with *kind and `why`, or -ENOMEM; tls_host_deinit() in any case. */
int tls_host_init(struct tls_host *h, const struct host_plan *plan, struct buf *why,
		  enum host_file *kind);
void tls_host_deinit(struct tls_host *h);
/* Whether one of its certificates is for that name. */
bool tls_host_certifies(const struct tls_host *h, struct slice name);
/* Whether its block is that of the name, or one of its certificates is for it. */
bool tls_host_fits(const struct tls_host *h, struct slice name);
/* The same, of the block's name alone. */
bool tls_host_is_named(const struct tls_host *h, struct slice name);

#endif
