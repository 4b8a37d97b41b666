/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Hosts and their certificates in wharfd.conf: what each has, and how it is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/conf/options.h>

#include "conf_file.h"
#include "folder.h"

static const char with_hosts[] =
	"tls_certificate = \"/a\" tls_key = \"/ka\"\ntls_ocsp = \"/oa\" tls_client_ca = \"/ca\"\n"
	"host ftp.example.com {\n tls_certificate = {\"/b\", \"/c\"}\n tls_client_certificate = "
	"request\n}\n"
	"host \"*.example.com\" { tls_client_ca = \"\"\n tls_key = \"/kd\" }\n"
	"user a { require_tls = all }\nuser b { umask = 022 }\nuser c { require_tls = off }\n";

static void
assert_mistake(const struct conf *conf, size_t host, enum option_nr nr, const char *expected)
{
	struct conf_report report = {0};

	conf_host_mistake(conf, host, nr, SLICE("why"), &report);
	buf_add_byte(&report.text, '\0');
	assert_string_equal(report.text.data, expected);
	assert_int_equal(report.mistakes, 1);
	conf_report_deinit(&report);
}

static void
test_hosts(void **state)
{
	static const struct {
		const char *name;
		size_t certificates, keys, staples;
		const char *ca;
		int asks;
	} rows[] = {
		{"", 1, 1, 1, "/ca", WORD_tls_client_certificate_off},
		{"ftp.example.com", 2, 0, 0, "/ca", WORD_tls_client_certificate_request},
		{"*.example.com", 1, 1, 1, "", WORD_tls_client_certificate_off},
	};
	const struct conf_host *host;
	struct conf *conf = read_good(with_hosts);

	(void)state;
	assert_true(conf_has_certificate(conf));
	assert_int_equal(conf_hosts(conf, &host), 3);
	for (size_t i = 0; i < 3; i++) {
		const struct settings *s = &host[i].settings;
		assert_string_equal(host[i].name, rows[i].name);
		assert_int_equal(s->tls_certificate.n, rows[i].certificates);
		assert_int_equal(s->tls_key.n, rows[i].keys);
		assert_int_equal(s->tls_ocsp.n, rows[i].staples);
		assert_string_equal(s->tls_client_ca, rows[i].ca);
		assert_int_equal(s->tls_client_certificate, rows[i].asks);
	}
	assert_string_equal(host[2].settings.tls_key.item[0], "/kd");
	assert_mistake(conf, 0, OPTION_NR_tls_key, "c:1: tls_key: why\n");
	assert_mistake(conf, 0, OPTION_NR_tls_client_crl, "tls_client_crl: why\n");
	assert_mistake(conf, 1, OPTION_NR_tls_certificate, "c:4: tls_certificate: why\n");
	assert_mistake(conf, 1, OPTION_NR_tls_key, "c:4: tls_key: why\n");
	assert_mistake(conf, 1, OPTION_NR_tls_client_ca, "c:2: tls_client_ca: why\n");
	assert_mistake(conf, 2, OPTION_NR_tls_certificate, "c:1: tls_certificate: why\n");
	assert_mistake(conf, 2, OPTION_NR_tls_key, "c:8: tls_key: why\n");
	conf_free(&conf);

	conf = read_good("host a { }\n");
	assert_false(conf_has_certificate(conf));
	assert_int_equal(conf_hosts(conf, &host), 2);
	conf_free(&conf);
	conf = read_good(
		"host a { tls_certificate = \"/a\" }\nlistener l { tls = implicit require_tls = "
		"all default_host = a }\n");
	assert_true(conf_has_certificate(conf));
	conf_free(&conf);
	conf = read_good("tls_certificate = \"/a\" tls = off require_tls = all\n"
			 "client \"10.0.0.0/8\" { require_tls = off }\n");
	conf_free(&conf);
}

static void
test_too_many(void **state)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;
	struct buf text = BUF_INIT;

	(void)state;
	for (unsigned n = 256; n <= 257; n++) {
		buf_reset(&text);
		buf_add_str(&text, "tls_certificate = {");
		for (unsigned i = 0; i < n; i++)
			buf_add_str(&text, i ? ", \"/c\"" : "\"/c\"");
		buf_add_str(&text, "}\n");
		write_file("c", buf_slice(&text));
		assert_int_equal(conf_read("c", &conf, &report), n == 256 ? 0 : CONF_MISTAKES);
		conf_free(&conf);
	}
	assert_true(slice_equal(
		buf_slice(&report.text),
		SLICE("c:1: tls_certificate: there are 257, and one host has 256 at most\n")));
	unlink("c");
	conf_report_deinit(&report);
	buf_deinit(&text);
}

static void
test_requirements(void **state)
{
	struct conf *conf = read_good(with_hosts);
	struct conf_requirement r;
	size_t i = 0;

	(void)state;
	assert_true(conf_next_requirement(conf, &i, &r));
	assert_string_equal(r.user, "a");
	assert_int_equal(r.require_tls, WORD_require_tls_all);
	assert_true(conf_next_requirement(conf, &i, &r));
	assert_string_equal(r.user, "c");
	assert_int_equal(r.require_tls, WORD_require_tls_off);
	assert_false(conf_next_requirement(conf, &i, &r));
	conf_free(&conf);
}

/* Hosts stand behind the options, each with what it has from its block and from the server. */
static void
test_print_hosts(void **state)
{
	static const char expected[] = "host \"ftp.example.com\" {\n"
				       "\ttls_certificate = {\"/b\", \"/c\"}  # c:4\n"
				       "\ttls_key = {}  # c:4\n"
				       "\ttls_ocsp = {}  # c:4\n"
				       "\ttls_client_certificate = request  # c:5\n"
				       "\ttls_client_ca = \"/ca\"  # c:2\n"
				       "\ttls_client_crl = \"\"  # default\n"
				       "}\n"
				       "host \"*.example.com\" {\n";
	struct buf out = BUF_INIT;
	struct conf *conf = read_good(with_hosts);

	(void)state;
	conf_print(conf, &(struct conf_subject){0}, &out);
	buf_add_byte(&out, '\0');
	assert_non_null(strstr(out.data, expected));
	conf_free(&conf);
	conf = read_good(out.data);
	conf_free(&conf);
	buf_deinit(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_requirements),
		cmocka_unit_test(test_print_hosts),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
