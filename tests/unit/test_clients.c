/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Certificates of clients: who gets in, and whose a data connection is.
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

/* A host of number 0 with these revocation lists, whose clients need a certificate. */
static void
put_strict_host(struct buf *crl)
{
	struct tls_files *files = tls_files_new();
	struct settings s;
	struct buf text = BUF_INIT, why = BUF_INIT;
	enum host_file kind;

	assert_int_equal(settings_init(&s), 0);
	set_list(&s.tls_certificate, "cert.pem");
	set_text(&s.tls_client_ca, "ca.pem");
	s.tls_client_certificate = WORD_tls_client_certificate_require;
	pki_certificate(&text, world.server.certificate);
	pki_key(&text, world.server.key);
	add_file(files, HOST_CERTIFICATE, &text);
	pki_certificate(&text, world.ca.certificate);
	add_file(files, HOST_CLIENT_CA, &text);
	if (crl->len)
		add_file(files, HOST_CLIENT_CRL, crl);
	assert_int_equal(tls_hosts_put(world.hosts, 0, SLICE_NULL, &s, files, &why, &kind), 0);
	settings_deinit(&s);
	tls_files_free(&files);
}

/* Shakes hands with that certificate, and again for a data connection that resumes; with the user
 * whom it names, "" for nobody, NULL where it is refused. */
static void
expect_client(const struct pair *p, const X509 *middle, int version, const char *user)
{
	struct client c;
	struct line *l;
	struct buf name = BUF_INIT;

	client_init(&c, version);
	if (p) {
		assert_int_equal(SSL_CTX_use_certificate(c.ctx, p->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(c.ctx, p->key), 1);
		if (middle)
			SSL_CTX_add1_chain_cert(c.ctx, (X509 *)middle);
	}
	l = control_line(&c);
	shake(l);
	assert_int_equal(l->result, user ? 0 : TLS_BROKEN);
	if (user) {
		struct line *data;
		exchange(l);
		assert_int_equal(tls_has_certificate(l->t), p != NULL);
		assert_int_equal(tls_client_user(l->t, &name), user[0] != '\0');
		assert_true(slice_equal(buf_slice(&name), slice_of(user)));
		data = data_line(&c, l);
		offer(data, c.session);
		shake(data);
		assert_int_equal(data->result, 0);
		assert_true(tls_is_resumed(data->t));
		assert_int_equal(tls_has_certificate(data->t), p != NULL);
		line_free(data);
		data = data_line(&c, l);
		shake(data);
		assert_int_equal(data->result, 0);
		assert_true(tls_is_same_peer(data->t, l->t));
		line_free(data);
	}
	buf_deinit(&name);
	line_free(l);
	client_deinit(&c);
}

static void
certificates_of_clients_are_judged(void **state)
{
	struct pair stranger_ca = pki_make(&(struct pki_wish){.cn = "CA", .ca = true});
	struct pair sub = pki_make(&(struct pki_wish){.cn = "Sub", .ca = true, .by = &world.ca});
	const struct {
		struct pki_wish wish;
		const char *user;
		bool by_sub;
	} rows[] = {
		{{.cn = "till", .by = &world.ca, .usage = "clientAuth"}, "till", false},
		{{.cn = "till", .by = &world.ca}, "till", false},
		{{.cn = "till", .by = &sub}, "till", true},
		{{.cn = "till", .by = &world.ca, .rsa = true}, "till", false},
		{{.cn = "till\0root", .cn_length = 9, .by = &world.ca}, "", false},
		{{.cn = "till\nroot", .by = &world.ca}, "", false},
		{{.cn = "till", .by = &world.ca, .usage = "serverAuth"}, NULL, false},
		{{.cn = "till", .by = &world.ca, .from = -10, .days = 5}, NULL, false},
		{{.cn = "till", .by = &world.ca, .from = 5, .days = 5}, NULL, false},
		{{.cn = "till", .by = &stranger_ca}, NULL, false},
		{{.cn = "till"}, NULL, false},
		{{.cn = "till", .by = &world.ca, .names = 1000}, "till", false},
		{{.cn = "till", .by = &world.ca, .names = 5000}, NULL, false},
	};
	struct buf none = BUF_INIT;

	(void)state;
	put_strict_host(&none);
	EACH_VERSION(v)
	{
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct pair p = pki_make(&rows[i].wish);
			expect_client(&p, rows[i].by_sub ? sub.certificate : NULL, *v,
				      rows[i].user);
			pair_free(&p);
		}
		expect_client(NULL, NULL, *v, NULL);
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_request);
	EACH_VERSION(v)
	{
		expect_client(&world.client, NULL, *v, "till");
		expect_client(NULL, NULL, *v, "");
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	pair_free(&sub);
	pair_free(&stranger_ca);
}

/* The lists that a host has, and whether the client gets in. */
static void
what_is_revoked_stays_out(void **state)
{
	struct pair sub = pki_make(&(struct pki_wish){.cn = "Sub", .ca = true, .by = &world.ca});
	struct pair leaf = pki_make(&(struct pki_wish){.cn = "till", .by = &sub});
	struct pair stranger = pki_make(&(struct pki_wish){.cn = "CA", .ca = true});
	const X509 *none = NULL, *by_ca = world.client.certificate;
	const struct {
		struct {
			const struct pair *ca;
			const X509 *revoked;
			int from, to;
		} crl[3];
		bool direct, below;
	} rows[] = {
		{{{&world.ca, none, -1, 5}}, true, false},
		{{{&world.ca, none, -1, 5}, {&sub, none, -1, 5}}, true, true},
		{{{&world.ca, by_ca, -1, 5}, {&sub, none, -1, 5}}, false, true},
		{{{&world.ca, none, -1, 5}, {&sub, leaf.certificate, -1, 5}}, true, false},
		{{{&world.ca, sub.certificate, -1, 5}, {&sub, none, -1, 5}}, true, false},
		/* Past its time, and not yet. */
		{{{&world.ca, none, -5, -1}}, false, false},
		{{{&world.ca, none, 2, 5}}, false, false},
		/* Two of one CA: the old one does no harm. */
		{{{&world.ca, none, -5, -1}, {&world.ca, none, -1, 5}}, true, false},
		{{{&world.ca, none, -1, 5}, {&world.ca, none, -1, 5}}, true, false},
		/* The same name, another key. */
		{{{&stranger, none, -1, 5}}, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf crl = BUF_INIT;
		for (size_t k = 0; k < 3 && rows[i].crl[k].ca; k++)
			pki_crl(&crl, rows[i].crl[k].ca, rows[i].crl[k].revoked,
				rows[i].crl[k].from, rows[i].crl[k].to);
		put_strict_host(&crl);
		EACH_VERSION(v)
		{
			expect_client(&world.client, NULL, *v, rows[i].direct ? "till" : NULL);
			expect_client(&leaf, sub.certificate, *v, rows[i].below ? "till" : NULL);
		}
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	pair_free(&leaf);
	pair_free(&sub);
	pair_free(&stranger);
}

/* Where data is not resumed, it must bear what control bore. */
static void
another_certificate_is_another_peer(void **state)
{
	struct pair twin = pki_make(
		&(struct pki_wish){.cn = "till", .by = &world.ca, .usage = "clientAuth"});
	const struct pair *bearers[] = {NULL, &world.client, &twin};

	(void)state;
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_request);
	EACH_VERSION(v)
	{
		for (unsigned i = 0; i < 9; i++) {
			const struct pair *on[] = {bearers[i / 3], bearers[i % 3]};
			struct line *l[2];
			struct client c[2];

			for (unsigned k = 0; k < 2; k++) {
				client_init(&c[k], *v);
				if (on[k]) {
					SSL_CTX_use_certificate(c[k].ctx, on[k]->certificate);
					SSL_CTX_use_PrivateKey(c[k].ctx, on[k]->key);
				}
				l[k] = k ? data_line(&c[k], l[0]) : control_line(&c[k]);
				shake(l[k]);
				assert_int_equal(l[k]->result, 0);
			}
			assert_int_equal(tls_is_same_peer(l[1]->t, l[0]->t), on[0] == on[1]);
			for (unsigned k = 2; k-- > 0;) {
				line_free(l[k]);
				client_deinit(&c[k]);
			}
		}
	}
	put_host(world.hosts, 0, "", &world.server, WORD_tls_client_certificate_off);
	pair_free(&twin);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_of_clients_are_judged),
		cmocka_unit_test(what_is_revoked_stays_out),
		cmocka_unit_test(another_certificate_is_another_peer),
	};

	return cmocka_run_group_tests_name("clients", tests, ends_set_up, ends_tear_down);
}
