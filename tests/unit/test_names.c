/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Which host, and which of its certificates, is served to a client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls_ends.h"

struct naming {
	const char *host, *sni, *fallback;
	bool strict;
	int number; /* -1: refused by unrecognized_name */
};

static void
expect_host(const struct naming *row, int version)
{
	const struct tls_host *host = row->host ? tls_hosts_find(world.hosts, slice_of(row->host))
						: NULL;
	const struct pair *p = row->number ? &world.other : &world.server;
	struct client c;
	struct line *l;

	client_init(&c, version);
	world.settings.tls_strict_sni = row->strict;
	set_text(&world.settings.default_host, row->fallback);
	l = line_start(&c);
	l->is_control = true;
	l->t = tls_new_control(world.hosts, l->fd, host, &world.settings);
	if (row->sni)
		SSL_set_tlsext_host_name(l->ssl, row->sni);
	shake(l);
	if (row->number < 0) {
		assert_int_equal(l->result, TLS_BROKEN);
		assert_int_equal(l->client_error, SSL_R_TLSV1_UNRECOGNIZED_NAME);
		assert_non_null(strstr(tls_why(l->t), "SNI"));
	} else {
		assert_int_equal(l->result, 0);
		assert_int_equal(X509_cmp(SSL_get0_peer_certificate(l->ssl), p->certificate), 0);
		assert_int_equal(tls_host_of(l->t)->number, row->number);
	}
	assert_true(slice_equal(tls_sni(l->t), slice_of(row->sni)));
	line_free(l);
	client_deinit(&c);
}

static void
names_choose_the_host(void **state)
{
	static const struct naming rows[] = {
		{NULL, NULL, "", false, 0},
		{NULL, NULL, "", true, 0},
		{NULL, NULL, "other.example.com", true, 1},
		{NULL, "ftp.example.com", "", true, 0},
		{NULL, "OTHER.example.COM", "", true, 1},
		{NULL, "unknown.example.com", "", false, 0},
		{NULL, "unknown.example.com", "other.example.com", false, 1},
		{NULL, "unknown.example.com", "", true, -1},
		{"other.example.com", NULL, "", true, 1},
		{"other.example.com", "other.example.com", "", true, 1},
		{"other.example.com", "ftp.example.com", "", false, -1},
		{"other.example.com", "unknown.example.com", "", false, -1},
	};

	(void)state;
	EACH_VERSION(v)
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect_host(&rows[i], *v);
	world.settings.tls_strict_sni = false;
	set_text(&world.settings.default_host, "");
}

/* A control connection goes on, and so do its data connections, with the certificate that it began
 * with. */
static void
a_host_is_replaced_under_a_connection(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct client c;
		struct line *old, *data, *fresh;
		struct pair renewed = pki_make(&(struct pki_wish){
			.cn = "ftp.example.com", .san = "DNS:ftp.example.com", .by = &world.ca});

		client_init(&c, *v);
		old = control_line(&c);
		shake(old);
		put_host(world.hosts, 0, "", &renewed, WORD_tls_client_certificate_off);
		exchange(old);
		data = data_line(&c, old);
		offer(data, c.session);
		shake(data);
		exchange(data);
		assert_true(tls_is_resumed(data->t));
		line_free(data);
		data = data_line(&c, old);
		shake(data);
		assert_int_equal(
			X509_cmp(SSL_get0_peer_certificate(data->ssl), world.server.certificate),
			0);
		fresh = control_line(&c);
		shake(fresh);
		assert_int_equal(
			X509_cmp(SSL_get0_peer_certificate(fresh->ssl), renewed.certificate), 0);
		put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
		exchange(data);
		line_free(data);
		line_free(fresh);
		line_free(old);
		pair_free(&renewed);
		client_deinit(&c);
	}
}

struct stapled {
	unsigned char bytes[4096];
	size_t n;
};

static int
on_staple(SSL *ssl, void *arg)
{
	struct stapled *got = arg;
	const unsigned char *p;
	long n = SSL_get_tlsext_status_ocsp_resp(ssl, &p);

	got->n = n > 0 ? (size_t)n : 0;
	assert_true(got->n < sizeof(got->bytes));
	if (got->n)
		memcpy(got->bytes, p, got->n);
	return 1;
}

/* The default host with both certificates, and a response for each: the second one is past its
 * time. */
static void
put_both(const struct pair *p, struct buf *ocsp)
{
	struct tls_files *files = tls_files_new();
	struct settings s;
	struct buf why = BUF_INIT;
	enum host_file kind;

	assert_int_equal(settings_init(&s), 0);
	s.tls_certificate.item = calloc(2, sizeof(char *));
	s.tls_ocsp.item = calloc(2, sizeof(char *));
	s.tls_certificate.n = s.tls_ocsp.n = 2;
	for (unsigned i = 0; i < 2; i++) {
		struct buf text = BUF_INIT;
		int fd;

		s.tls_certificate.item[i] = strdup("cert.pem");
		s.tls_ocsp.item[i] = strdup("response.der");
		pki_certificate(&text, p[i].certificate);
		pki_key(&text, p[i].key);
		fd = pki_file(&text);
		assert_int_equal(tls_files_add(files, HOST_CERTIFICATE, i, fd), 0);
		close(fd);
		pki_ocsp(&ocsp[i], p[i].certificate, &world.ca, i ? -1 : 5);
		buf_add_slice(&text, buf_slice(&ocsp[i]));
		fd = pki_file(&text);
		assert_int_equal(tls_files_add(files, HOST_OCSP, i, fd), 0);
		close(fd);
	}
	if (tls_hosts_put(world.hosts, 0, SLICE_NULL, &s, files, &why, &kind) != 0)
		fail_msg("%.*s", SLICE_FMT(buf_slice(&why)));
	settings_deinit(&s);
	tls_files_free(&files);
}

/* An ECDSA and an RSA certificate side by side: the client's algorithms choose, and each comes with
 * its own response; one that is past its time is not sent. */
static void
the_certificate_suits_the_client(void **state)
{
	static const char *const algorithms[] = {"ECDSA+SHA256:RSA-PSS+SHA256",
						 "RSA-PSS+SHA256:RSA+SHA256"};
	const struct pki_wish rsa = {.cn = "ftp.example.com", .by = &world.ca, .rsa = true};
	struct pair p[] = {world.server, pki_make(&rsa)};
	struct buf ocsp[2] = {BUF_INIT, BUF_INIT};

	(void)state;
	put_both(p, ocsp);
	EACH_VERSION(v)
	{
		for (unsigned i = 0; i < 2; i++) {
			struct client c;
			struct line *l;
			struct stapled got = {.n = 0};

			client_init(&c, *v);
			SSL_CTX_set1_sigalgs_list(c.ctx, algorithms[i]);
			SSL_CTX_set_tlsext_status_type(c.ctx, TLSEXT_STATUSTYPE_ocsp);
			SSL_CTX_set_tlsext_status_cb(c.ctx, on_staple);
			SSL_CTX_set_tlsext_status_arg(c.ctx, &got);
			l = control_line(&c);
			shake(l);
			assert_int_equal(l->result, 0);
			assert_int_equal(
				X509_cmp(SSL_get0_peer_certificate(l->ssl), p[i].certificate), 0);
			assert_int_equal(got.n, i ? 0 : ocsp[i].len);
			assert_memory_equal(got.bytes, ocsp[i].data, got.n);
			line_free(l);
			client_deinit(&c);
		}
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	buf_deinit(&ocsp[0]);
	buf_deinit(&ocsp[1]);
	pair_free(&p[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_choose_the_host),
		cmocka_unit_test(a_host_is_replaced_under_a_connection),
		cmocka_unit_test(the_certificate_suits_the_client),
	};

	return cmocka_run_group_tests_name("names", tests, ends_set_up, ends_tear_down);
}
