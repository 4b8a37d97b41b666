/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The choice of a host: by HOST (RFC 7151), by SNI (RFC 6066 §3), or the default one.
 */
#include "connection.h"
#include "hello.h"

enum { NAME_MAX_SNI = 255 };

/* The name in the extension, which is a list that can have only one: u16 length of the list, u8
 * kind (0: a host's name), u16 length of the name. */
static struct slice
asked_name(SSL *ssl)
{
	enum { HEADER = 5 };
	const unsigned char *p;
	size_t n;
	struct slice name;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n <= HEADER)
		return SLICE_NULL;
	name = (struct slice){(const char *)p + HEADER, (size_t)p[3] << 8 | p[4]};
	if (p[2] != TLSEXT_NAMETYPE_host_name || name.n != n - HEADER || name.n > NAME_MAX_SNI)
		return SLICE_NULL;
	return memchr(name.p, '\0', name.n) ? SLICE_NULL : name;
}

/* The host that is served, or NULL, with t->why. */
static const struct tls_host *
choose(struct tls *t, struct slice name)
{
	const struct tls_host *found = name.n ? tls_hosts_find(t->hosts, name) : NULL;

	if (t->host && name.n && found != t->host && !tls_host_fits(t->host, name)) {
		t->why = "SNI asks for another host than HOST";
		return NULL;
	}
	if (t->host)
		found = t->host;
	if (!found && name.n && t->settings->tls_strict_sni) {
		t->why = "SNI asks for a name that no host has";
		return NULL;
	}
	if (!found || !found->ctx)
		found = tls_hosts_named(t->hosts, slice_of(t->settings->default_host));
	if (!found || !found->ctx)
		found = tls_hosts_named(t->hosts, SLICE_NULL);
	if (!found || !found->ctx) {
		t->why = "there is no certificate for who names no host";
		return NULL;
	}
	return found;
}

int
hello_choose_host(SSL *ssl, int *alert, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);
	struct slice name = asked_name(ssl);
	const struct tls_host *host;

	(void)arg;
	if (name.n)
		t->sni = slice_dup(name);
	host = choose(t, name);
	if (!host) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_CLIENT_HELLO_ERROR;
	}
	if ((name.n && !t->sni) || !SSL_set_SSL_CTX(ssl, host->ctx)) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_CLIENT_HELLO_ERROR;
	}
	SSL_set_verify(ssl, host->verify, NULL);
	t->host = host;
	return SSL_CLIENT_HELLO_SUCCESS;
}
