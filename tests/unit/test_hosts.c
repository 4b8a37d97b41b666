/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The hosts of a worker: what their files may hold, what is told of what is wrong, and which host
 * a name finds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/tls/hosts.h>

#include "files.h"
#include "pki.h"
#include "shared.h"

/* Texts that files are made of. */
enum text {
	NO_FILE,
	EMPTY,
	GARBAGE,
	CERTIFICATE,
	OTHER_CERTIFICATE,
	EXPIRED,
	KEY,
	OTHER_KEY,
	BOTH,
	OTHER_BOTH,
	RSA_BOTH,
	CRL,
	OCSP,
	OTHER_OCSP,
	TEXTS
};

static struct {
	struct pair ca, server, other, expired, rsa;
	struct buf text[TEXTS];
	struct tls_hosts *hosts;
	struct settings settings;
} world;

static int
set_up(void **state)
{
	struct buf *t = world.text;

	(void)state;
	world.ca = pki_make(&(struct pki_wish){.cn = "CA", .ca = true});
	world.server = pki_make(&(struct pki_wish){
		.cn = "a.example", .san = "DNS:a.example,DNS:*.wild.example", .by = &world.ca});
	world.other = pki_make(&(struct pki_wish){.cn = "b.example", .by = &world.ca});
	world.expired = pki_make(
		&(struct pki_wish){.cn = "c.example", .by = &world.ca, .from = -10, .days = 2});
	world.rsa = pki_make(&(struct pki_wish){.cn = "a.example", .by = &world.ca, .rsa = true});
	buf_add_str(&t[GARBAGE], "-----BEGIN CERTIFICATE-----\nMIIB\n");
	pki_certificate(&t[CERTIFICATE], world.server.certificate);
	pki_certificate(&t[OTHER_CERTIFICATE], world.other.certificate);
	pki_certificate(&t[EXPIRED], world.expired.certificate);
	pki_key(&t[EXPIRED], world.expired.key);
	pki_key(&t[KEY], world.server.key);
	pki_key(&t[OTHER_KEY], world.other.key);
	pki_certificate(&t[BOTH], world.server.certificate);
	pki_key(&t[BOTH], world.server.key);
	pki_certificate(&t[OTHER_BOTH], world.other.certificate);
	pki_key(&t[OTHER_BOTH], world.other.key);
	pki_certificate(&t[RSA_BOTH], world.rsa.certificate);
	pki_key(&t[RSA_BOTH], world.rsa.key);
	pki_crl(&t[CRL], &world.ca, NULL, -1, 5);
	pki_ocsp(&t[OCSP], world.server.certificate, &world.ca, 5);
	pki_ocsp(&t[OTHER_OCSP], world.other.certificate, &world.ca, 5);
	assert_int_equal(settings_init(&world.settings), 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TEXTS; i++)
		buf_deinit(&world.text[i]);
	pair_free(&world.ca);
	pair_free(&world.server);
	pair_free(&world.other);
	pair_free(&world.expired);
	pair_free(&world.rsa);
	settings_deinit(&world.settings);
	return 0;
}

static int
fresh_hosts(void **state)
{
	(void)state;
	world.hosts = tls_hosts_new(&world.settings);
	return world.hosts ? 0 : -1;
}

static int
no_hosts(void **state)
{
	(void)state;
	tls_hosts_free(&world.hosts);
	assert_null(world.hosts);
	return 0;
}

/* A host: its files by what is in them.  Their names are those of the options. */
struct wish {
	enum text certificate[2], key[2], ocsp[2];
	int clients;
	enum text ca, crl;
};

static void
add(struct tls_files *files, enum host_file kind, unsigned i, enum text what)
{
	struct buf copy = BUF_INIT;
	int fd;

	if (what == NO_FILE)
		return;
	buf_add_slice(&copy, buf_slice(&world.text[what]));
	fd = pki_file(&copy);
	assert_int_equal(tls_files_add(files, kind, i, fd), 0);
	close(fd);
}

static void
name_files(struct texts *list, const enum text *what, const char *one, const char *two)
{
	const char *names[] = {one, two};

	list->item = calloc(2, sizeof(char *));
	for (unsigned i = 0; i < 2 && what[i] != NO_FILE; i++)
		list->item[list->n++] = strdup(names[i]);
}

static int
put(uint32_t number, const char *name, const struct wish *w, struct buf *why, enum host_file *kind)
{
	struct tls_files *files = tls_files_new();
	struct settings s;
	int result;

	assert_int_equal(settings_init(&s), 0);
	name_files(&s.tls_certificate, w->certificate, "/c1", "/c2");
	name_files(&s.tls_key, w->key, "/k1", "/k2");
	name_files(&s.tls_ocsp, w->ocsp, "/o1", "/o2");
	s.tls_client_certificate = w->clients;
	free(s.tls_client_ca);
	free(s.tls_client_crl);
	s.tls_client_ca = strdup("/ca");
	s.tls_client_crl = strdup("/crl");
	for (unsigned i = 0; i < 2; i++) {
		add(files, HOST_CERTIFICATE, i, w->certificate[i]);
		add(files, HOST_KEY, i, w->key[i]);
		add(files, HOST_OCSP, i, w->ocsp[i]);
	}
	add(files, HOST_CLIENT_CA, 0, w->ca);
	add(files, HOST_CLIENT_CRL, 0, w->crl);
	result = tls_hosts_put(world.hosts, number, slice_of(name), &s, files, why, kind);
	tls_files_free(&files);
	settings_deinit(&s);
	return result;
}

static void
put_well(uint32_t number, const char *name, enum text certificate)
{
	struct buf why = BUF_INIT;
	enum host_file kind;

	assert_int_equal(
		put(number, name, &(struct wish){.certificate = {certificate}}, &why, &kind), 0);
	assert_int_equal(why.len, 0);
}

static void
files_are_read_whole(void **state)
{
	struct tls_files *files = tls_files_new();
	struct buf large = BUF_INIT;
	int fd, pipes[2];

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_add_byte(&large, (char)(i * 31));
	fd = memfd_create("large", 0);
	assert_int_equal(write(fd, large.data, large.len), (ssize_t)large.len);
	assert_int_equal(tls_files_add(files, HOST_KEY, 3, fd), 0);
	assert_true(slice_equal(tls_files_get(files, HOST_KEY, 3), buf_slice(&large)));
	assert_null(tls_files_get(files, HOST_KEY, 2).p);
	assert_null(tls_files_get(files, HOST_KEY, 4).p);
	/* The same place again: what was there before is gone. */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(tls_files_add(files, HOST_KEY, 3, fd), 0);
	assert_non_null(tls_files_get(files, HOST_KEY, 3).p);
	assert_int_equal(tls_files_get(files, HOST_KEY, 3).n, 0);

	assert_int_equal(tls_files_add(files, HOST_CLIENT_CA, 1, fd), -ERANGE);
	assert_int_equal(tls_files_add(files, HOST_SETTINGS, 0, fd), -ERANGE);
	assert_int_equal(tls_files_add(files, HOST_FILES, 0, fd), -ERANGE);
	assert_int_equal(tls_files_add(files, HOST_KEY, 256, fd), -ERANGE);
	assert_int_equal(tls_files_add(files, HOST_KEY, 255, fd), 0);
	assert_int_equal(ftruncate(fd, 16 << 20), 0);
	assert_int_equal(tls_files_add(files, HOST_KEY, 0, fd), 0);
	assert_int_equal(ftruncate(fd, (16 << 20) + 1), 0);
	assert_int_equal(tls_files_add(files, HOST_KEY, 1, fd), -EFBIG);
	assert_null(tls_files_get(files, HOST_KEY, 1).p);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(tls_files_add(files, HOST_KEY, 1, pipes[0]), -ESPIPE);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	buf_deinit(&large);
	tls_files_free(&files);
	assert_null(files);
	tls_files_free(&files);
}

static void
what_is_wrong_is_told(void **state)
{
	enum { REQUIRE_ONE = WORD_tls_client_certificate_require };
	static const struct {
		struct wish wish;
		const char *why; /* how it begins; NULL: it is served */
		enum host_file kind;
	} rows[] = {
		{{.certificate = {BOTH}}, NULL, 0},
		{{.certificate = {CERTIFICATE}, .key = {KEY}}, NULL, 0},
		{{.certificate = {EXPIRED}}, NULL, 0},
		{{.certificate = {BOTH, RSA_BOTH}, .ocsp = {OCSP}}, NULL, 0},
		{{.certificate = {BOTH}, .clients = REQUIRE_ONE, .ca = CERTIFICATE}, NULL, 0},
		{{.certificate = {BOTH}, .clients = REQUIRE_ONE, .ca = CERTIFICATE, .crl = CRL},
		 NULL,
		 0},
		{{.certificate = {EMPTY}}, "/c1: ", HOST_CERTIFICATE},
		{{.certificate = {GARBAGE}}, "/c1: ", HOST_CERTIFICATE},
		{{.certificate = {CERTIFICATE}}, "/c1: ", HOST_CERTIFICATE},
		{{.certificate = {KEY}, .key = {KEY}}, "/c1: ", HOST_CERTIFICATE},
		{{.certificate = {CERTIFICATE}, .key = {OTHER_KEY}}, "/k1: ", HOST_KEY},
		{{.certificate = {CERTIFICATE}, .key = {EMPTY}}, "/k1: ", HOST_KEY},
		{{.certificate = {CERTIFICATE}, .key = {CERTIFICATE}}, "/k1: ", HOST_KEY},
		{{.certificate = {BOTH}, .key = {KEY, OTHER_KEY}}, "tls_key: more", HOST_KEY},
		{{.certificate = {BOTH, OTHER_BOTH}}, "/c2: another", HOST_CERTIFICATE},
		{{.certificate = {BOTH}, .ocsp = {EMPTY}}, "/o1: it is not", HOST_OCSP},
		{{.certificate = {BOTH}, .ocsp = {CERTIFICATE}}, "/o1: it is not", HOST_OCSP},
		{{.certificate = {BOTH}, .ocsp = {OTHER_OCSP}},
		 "/o1: it is the OCSP response for another",
		 HOST_OCSP},
		{{.certificate = {BOTH}, .clients = REQUIRE_ONE},
		 "tls_client_ca: ",
		 HOST_CLIENT_CA},
		{{.certificate = {BOTH}, .clients = REQUIRE_ONE, .ca = EMPTY},
		 "/ca: there is no certificate",
		 HOST_CLIENT_CA},
		{{.certificate = {BOTH}, .clients = REQUIRE_ONE, .ca = GARBAGE},
		 "/ca: ",
		 HOST_CLIENT_CA},
		{{.certificate = {BOTH}, .clients = REQUIRE_ONE, .ca = CERTIFICATE, .crl = EMPTY},
		 "/crl: there is no revocation list",
		 HOST_CLIENT_CRL},
		{{.certificate = {BOTH},
		  .clients = REQUIRE_ONE,
		  .ca = CERTIFICATE,
		  .crl = CERTIFICATE},
		 "/crl: there is no revocation list",
		 HOST_CLIENT_CRL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf why = BUF_INIT;
		enum host_file kind = HOST_FILES;
		int r = put(0, "", &rows[i].wish, &why, &kind);

		assert_int_equal(r, rows[i].why ? TLS_HOST_WRONG : 0);
		if (rows[i].why && (!slice_starts(buf_slice(&why), slice_of(rows[i].why)) ||
				    why.len < 8 || kind != rows[i].kind))
			fail_msg("row %zu: %.*s", i, SLICE_FMT(buf_slice(&why)));
		buf_deinit(&why);
		/* What was served before is served on. */
		assert_true(tls_hosts_serve(world.hosts));
	}
}

static void
settings_that_openssl_does_not_know_are_told(void **state)
{
	static const struct {
		const char *ciphers, *groups, *why;
	} rows[] = {
		{"", "", NULL},
		{"ECDHE-ECDSA-AES128-GCM-SHA256", "", NULL},
		{"TLS_AES_128_GCM_SHA256", "", NULL},
		{"TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256", "X25519:P-256", NULL},
		{"NOTHING-SUCH", "", "tls_ciphers: "},
		{"", "X25519:P-17", "tls_groups: "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings s;
		struct buf why = BUF_INIT;
		enum host_file kind = HOST_FILES;
		int r;

		assert_int_equal(settings_init(&s), 0);
		free(s.tls_ciphers);
		free(s.tls_groups);
		s.tls_ciphers = strdup(rows[i].ciphers);
		s.tls_groups = strdup(rows[i].groups);
		tls_hosts_free(&world.hosts);
		world.hosts = tls_hosts_new(&s);
		assert_non_null(world.hosts);
		r = put(0, "", &(struct wish){.certificate = {BOTH}}, &why, &kind);
		assert_int_equal(r, rows[i].why ? TLS_HOST_WRONG : 0);
		assert_int_equal(kind, rows[i].why ? HOST_SETTINGS : HOST_FILES);
		assert_true(slice_starts(buf_slice(&why), slice_of(rows[i].why)));
		buf_deinit(&why);
		settings_deinit(&s);
	}
}

static void
names_find_hosts(void **state)
{
	static const struct {
		const char *name;
		int found, named; /* a number, -1: none */
	} rows[] = {
		{"a.example", 0, -1},        {"A.Example", 0, -1},
		{"b.example", 1, 1},         {"B.EXAMPLE", 1, 1},
		{"x.wild.example", 0, -1},   {"x.block.example", 2, -1},
		{"*.block.example", 2, 2},   {"x.y.block.example", -1, -1},
		{"block.example", -1, -1},   {".block.example", -1, -1},
		{"c.example", 2, -1},        {"d.example", 3, 3},
		{"unknown.example", -1, -1}, {"", 0, 0},
	};
	const struct tls_host *before;

	(void)state;
	assert_false(tls_hosts_serve(world.hosts));
	assert_null(tls_hosts_named(world.hosts, SLICE_NULL));
	put_well(0, "", BOTH);
	assert_true(tls_hosts_serve(world.hosts));
	assert_false(tls_hosts_are_many(world.hosts));
	put_well(1, "b.example", OTHER_BOTH);
	put_well(2, "*.block.example", EXPIRED);
	put_well(3, "d.example", NO_FILE);
	assert_true(tls_hosts_are_many(world.hosts));
	before = tls_hosts_named(world.hosts, SLICE("b.example"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct slice name = slice_of(rows[i].name);
		const struct tls_host *found = tls_hosts_find(world.hosts, name);
		const struct tls_host *named = tls_hosts_named(world.hosts, name);

		if ((found ? (int)found->number : -1) != rows[i].found ||
		    (named ? (int)named->number : -1) != rows[i].named)
			fail_msg("%s", rows[i].name);
	}
	/* A host stays where it is when it is replaced: sessions point to it. */
	put_well(1, "b.example", BOTH);
	assert_ptr_equal(tls_hosts_named(world.hosts, SLICE("b.example")), before);
	put_well(1, "b.example", NO_FILE);
	put_well(0, "", NO_FILE);
	put_well(2, "*.block.example", NO_FILE);
	assert_false(tls_hosts_serve(world.hosts));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read_whole),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_told, fresh_hosts, no_hosts),
		cmocka_unit_test_setup_teardown(settings_that_openssl_does_not_know_are_told,
						fresh_hosts, no_hosts),
		cmocka_unit_test_setup_teardown(names_find_hosts, fresh_hosts, no_hosts),
	};

	return cmocka_run_group_tests_name("hosts", tests, set_up, tear_down);
}
