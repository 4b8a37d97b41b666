/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TLS of the load: see secure.h.
 */
#include "secure.h"

#include <err.h>
#include <openssl/err.h>
#include <sys/epoll.h>

#define SEND_SIZE ((size_t)256 << 10)

_Noreturn void
secure_fail(const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
	errx(1, "TLS: %s: %s", what, text);
}

/* Only control connections have a place to keep it. */
static int
keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	SSL_SESSION **keep = SSL_get_app_data(ssl);

	if (!keep)
		return 0;
	SSL_SESSION_free(*keep);
	*keep = ticket;
	return 1;
}

SSL_CTX *
secure_new(void)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls || !SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256"))
		secure_fail("SSL_CTX_new");
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(tls, keep_ticket);
	SSL_CTX_set_mode(tls, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
	return tls;
}

SSL *
secure_begin(SSL_CTX *tls, int fd, SSL_SESSION **keep, SSL_SESSION *ticket)
{
	SSL *ssl = SSL_new(tls);

	if (!ssl || !SSL_set_fd(ssl, fd))
		secure_fail("SSL_new");
	SSL_set_app_data(ssl, keep);
	SSL_set_connect_state(ssl);
	ERR_clear_error();
	if (ticket) {
		/* OpenSSL offers a session of TLS 1.3 once; a copy may be used again. */
		SSL_SESSION *copy = SSL_SESSION_dup(ticket);

		if (!copy || !SSL_set_session(ssl, copy))
			secure_fail("SSL_set_session");
		SSL_SESSION_free(copy);
	}
	return ssl;
}

void
secure_bulk(SSL *ssl, bool upload)
{
	SSL_set_read_ahead(ssl, 1);
	SSL_set_default_read_buffer_len(ssl, SECURE_READ);
	if (upload) {
		BIO *buffer = BIO_new(BIO_f_buffer()), *whole = SSL_get_wbio(ssl);

		if (!buffer || !BIO_set_write_buffer_size(buffer, SEND_SIZE) || !BIO_up_ref(whole))
			secure_fail("BIO_new");
		SSL_set0_wbio(ssl, BIO_push(buffer, whole));
	}
}

uint32_t
secure_waits(SSL *ssl, int r, const char *what)
{
	switch (SSL_get_error(ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return EPOLLIN;
	case SSL_ERROR_WANT_WRITE:
		return EPOLLOUT;
	default:
		secure_fail(what);
	}
}
