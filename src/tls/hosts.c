/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The hosts of a worker, and what their connections share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "hello.h"
#include "kernel.h"
#include "shared.h"
#include "transport.h"

/*
 * Lets OpenSSL do now what it would put off: read its configuration, load its texts, seed its
 * random numbers, fetch its algorithms.  There is no file and no new library behind the jail.
 */
static bool
set_openssl_up(void)
{
	unsigned char random[32];

	return OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
					OPENSSL_INIT_ADD_ALL_CIPHERS |
					OPENSSL_INIT_ADD_ALL_DIGESTS | OPENSSL_INIT_LOAD_CONFIG,
				NULL) == 1 &&
	       RAND_bytes(random, sizeof(random)) == 1 &&
	       RAND_priv_bytes(random, sizeof(random)) == 1;
}

struct tls_hosts *
tls_hosts_new(const struct settings *server)
{
	struct tls_hosts *h = calloc(1, sizeof(*h));
	const char *wrong;

	if (!h)
		return NULL;
	h->not_kernel = server->kernel_tls ? kernel_tls_missing() : "kernel_tls is off";
	if (set_openssl_up() && algorithms_init(&h->algorithms, server) == 0 &&
	    bearers_init(&h->bearers, server) == 0) {
		h->front = context_new(&h->algorithms, &wrong);
		if (h->front)
			SSL_CTX_set_client_hello_cb(h->front, hello_choose_host, NULL);
		h->transport = transport_method_new();
	}
	if (!h->front || !h->transport || buf_reserve(&h->spare, TRANSPORT_SPARE) < 0)
		tls_hosts_free(&h);
	ERR_clear_error();
	return h;
}

static void
host_free(struct tls_host *h)
{
	tls_host_deinit(h);
	free(h);
}

void
tls_hosts_free(struct tls_hosts **hosts)
{
	struct tls_hosts *h = *hosts;

	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++)
		host_free(h->host[i]);
	free(h->host);
	SSL_CTX_free(h->front);
	BIO_meth_free(h->transport);
	algorithms_deinit(&h->algorithms);
	bearers_deinit(&h->bearers);
	buf_deinit(&h->spare);
	free(h);
	*hosts = NULL;
}

/* The host of that number, which is added where there is none; NULL when memory is out. */
static struct tls_host *
slot(struct tls_hosts *hosts, uint32_t number)
{
	struct tls_host **list, *h;

	for (size_t i = 0; i < hosts->n; i++)
		if (hosts->host[i]->number == number)
			return hosts->host[i];
	list = realloc(hosts->host, (hosts->n + 1) * sizeof(struct tls_host *));
	if (!list)
		return NULL;
	hosts->host = list;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->number = number;
	hosts->host[hosts->n++] = h;
	return h;
}

int
tls_hosts_put(struct tls_hosts *hosts, uint32_t number, struct slice name,
	      const struct settings *settings, const struct tls_files *files, struct buf *why,
	      enum host_file *kind)
{
	const struct host_plan plan = {&hosts->algorithms, settings, files};
	struct tls_host fresh, *place = NULL;
	int result;

	if (hosts->bearers.wrong) {
		*kind = HOST_SETTINGS;
		buf_printf(why, "tls_client_map: %s", hosts->bearers.wrong);
		return TLS_HOST_WRONG;
	}
	result = tls_host_init(&fresh, &plan, why, kind);
	if (result == 0) {
		fresh.number = number;
		fresh.name = slice_dup(name);
		place = fresh.name ? slot(hosts, number) : NULL;
		if (!place)
			result = -ENOMEM;
	}
	if (place) {
		struct tls_host old = *place;
		*place = fresh;
		fresh = old;
	}
	tls_host_deinit(&fresh);
	ERR_clear_error();
	return result;
}

bool
tls_hosts_serve(const struct tls_hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		if (hosts->host[i]->ctx)
			return true;
	return false;
}

const struct tls_host *
tls_hosts_find(const struct tls_hosts *hosts, struct slice name)
{
	const struct tls_host *found = tls_hosts_named(hosts, name);

	if (found || !name.n)
		return found;
	for (size_t i = 0; i < hosts->n; i++)
		if (tls_host_is_named(hosts->host[i], name))
			return hosts->host[i];
	for (size_t i = 0; i < hosts->n; i++)
		if (tls_host_certifies(hosts->host[i], name))
			return hosts->host[i];
	return NULL;
}

const struct tls_host *
tls_hosts_named(const struct tls_hosts *hosts, struct slice name)
{
	for (size_t i = 0; i < hosts->n; i++) {
		const struct tls_host *h = hosts->host[i];
		if (name.n ? slice_equal_nocase(slice_of(h->name), name) : h->number == 0)
			return h;
	}
	return NULL;
}

bool
tls_hosts_are_many(const struct tls_hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		if (hosts->host[i]->number != 0)
			return true;
	return false;
}

bool
tls_hosts_kernel(const struct tls_hosts *hosts, struct buf *why)
{
	buf_add_str(why, hosts->not_kernel ? hosts->not_kernel : "yes");
	return !hosts->not_kernel;
}
