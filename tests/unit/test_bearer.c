/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Who bears a certificate: by its common name, its other names, or the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/tls/certificate.h>

#include "bearer.h"
#include "pki.h"

struct row {
	struct pki_wish wish;
	int by;
	const char *user; /* NULL: nobody */
};

static void
set_map(struct settings *s, const char *const *entries, size_t n)
{
	s->tls_client_map.item = calloc(n, sizeof(char *));
	assert_non_null(s->tls_client_map.item);
	for (size_t i = 0; i < n; i++)
		s->tls_client_map.item[i] = strdup(entries[i]);
	s->tls_client_map.n = n;
}

static void
expect(const struct settings *s, X509 *certificate, const char *user)
{
	struct bearers b;
	struct buf out = BUF_INIT;

	assert_int_equal(bearers_init(&b, s), 0);
	assert_null(b.wrong);
	assert_int_equal(bearers_find(&b, certificate, &out), user != NULL);
	if (!slice_equal(buf_slice(&out), slice_of(user)))
		fail_msg("%.*s, not %s", SLICE_FMT(buf_slice(&out)), user ? user : "nobody");
	buf_deinit(&out);
	bearers_deinit(&b);
}

static void
names_are_taken_from_the_certificate(void **state)
{
	static const char *const map[] = {
		"CN=else = nobody",      "CN=till-7 = till7",  "CN=J\303\274rgen = juergen",
		"CN=R\\C3\\A9mi = remi", "CN=a\\,b=c = comma", "CN=till\\00root = root",
	};
	static const struct row rows[] = {
		{{.cn = "till"}, WORD_tls_client_user_none, NULL},
		{{.cn = "till"}, WORD_tls_client_user_cn, "till"},
		{{.cn = "J\303\274rgen"}, WORD_tls_client_user_cn, "J\303\274rgen"},
		{{.cn = "till\0root", .cn_length = 9}, WORD_tls_client_user_cn, NULL},
		{{.cn = "till\r\n"}, WORD_tls_client_user_cn, NULL},
		{{.cn = "till\177"}, WORD_tls_client_user_cn, NULL},
		{{.cn = "till"}, WORD_tls_client_user_san, NULL},
		{{.cn = "x", .san = "DNS:a.example"}, WORD_tls_client_user_san, "a.example"},
		{{.cn = "x", .san = "DNS:a.example,email:b@example,email:c@example"},
		 WORD_tls_client_user_san,
		 "b@example"},
		{{.cn = "x", .san = "IP:192.0.2.1"}, WORD_tls_client_user_san, NULL},
		{{.cn = "till-7"}, WORD_tls_client_user_map, "till7"},
		{{.cn = "TILL-7"}, WORD_tls_client_user_map, NULL},
		{{.cn = "J\303\274rgen"}, WORD_tls_client_user_map, "juergen"},
		{{.cn = "R\303\251mi"}, WORD_tls_client_user_map, "remi"},
		{{.cn = "a,b=c"}, WORD_tls_client_user_map, "comma"},
		{{.cn = "till"}, WORD_tls_client_user_map, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct pair p = pki_make(&rows[i].wish);
		struct settings s;

		assert_int_equal(settings_init(&s), 0);
		s.tls_client_user = rows[i].by;
		set_map(&s, map, sizeof(map) / sizeof(*map));
		expect(&s, p.certificate, rows[i].user);
		settings_deinit(&s);
		pair_free(&p);
	}
}

static void
a_fingerprint_names_one_certificate(void **state)
{
	struct pair p = pki_make(&(struct pki_wish){.cn = "till"});
	struct pair twin = pki_make(&(struct pki_wish){.cn = "till"});
	struct buf entry = BUF_INIT;
	struct settings s;

	(void)state;
	assert_int_equal(settings_init(&s), 0);
	s.tls_client_user = WORD_tls_client_user_map;
	buf_add_str(&entry, "sha256:");
	certificate_fingerprint(p.certificate, &entry);
	for (size_t i = 7; i < entry.len; i += 2)
		if (entry.data[i] >= 'a')
			entry.data[i] -= 'a' - 'A';
	buf_add(&entry, " = till7", 9);
	set_map(&s, (const char *const[]){entry.data}, 1);
	expect(&s, p.certificate, "till7");
	expect(&s, twin.certificate, NULL);
	settings_deinit(&s);
	buf_deinit(&entry);
	pair_free(&p);
	pair_free(&twin);
}

static void
a_broken_map_is_told(void **state)
{
	static const char *const rows[] = {
		"till",
		"= till",
		"CN=till =",
		"sha256:abcd = till",
		"sha256: = till",
		"sha256:zz00000000000000000000000000000000000000000000000000000000000000 = till",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings s;
		struct bearers b;

		assert_int_equal(settings_init(&s), 0);
		s.tls_client_user = WORD_tls_client_user_map;
		set_map(&s, &rows[i], 1);
		assert_int_equal(bearers_init(&b, &s), 0);
		assert_non_null(b.wrong);
		assert_int_equal(b.n, 0);
		bearers_deinit(&b);
		settings_deinit(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_taken_from_the_certificate),
		cmocka_unit_test(a_fingerprint_names_one_certificate),
		cmocka_unit_test(a_broken_map_is_told),
	};

	return cmocka_run_group_tests_name("bearer", tests, NULL, NULL);
}
