/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What is pure in the monitor: who is admitted, which root a session gets, which address PASV
 * names, the registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/address.h>
#include <wharf/conf/passive.h>

#include "admission.h"
#include "host_files.h"
#include "retry.h"
#include "root.h"
#include "session.h"

static struct sockaddr_storage
address(const char *text)
{
	struct network net;

	assert_int_equal(network_parse(slice_of(text), &net), 0);
	return net.address;
}

static const struct {
	const char *option, *from_file, *user, *home;
	int result;
	const char *root;
} roots[] = {
	{"", "", "bob", "/home/bob", 0, "/home/bob"},
	{"", "/srv/bob", "bob", "/home/bob", 0, "/srv/bob"},
	{"/srv/%u/www", "/srv/bob", "bob", "/home/bob", 0, "/srv/bob/www"},
	{"%h/ftp", "", "bob", "/home/bob", 0, "/home/bob/ftp"},
	{"/a%%b", "", "bob", "/home/bob", 0, "/a%b"},
	{"/srv/%u", "", "a b", "/home/bob", 0, "/srv/a b"},
	{"/srv/%u", "", "..", "/home/bob", ROOT_BAD, NULL},
	{"/srv/%u", "", ".", "/home/bob", ROOT_BAD, NULL},
	{"/srv/%u", "", "../etc", "/home/bob", ROOT_BAD, NULL},
	{"/srv/%u", "", "a/b", "/home/bob", ROOT_BAD, NULL},
	{"/srv/%u", "", "", "/home/bob", ROOT_BAD, NULL},
	{"/srv/%x", "", "bob", "/home/bob", ROOT_BAD, NULL},
	{"/srv/%", "", "bob", "/home/bob", ROOT_BAD, NULL},
	{"srv/%u", "", "bob", "/home/bob", ROOT_BAD, NULL},
	{"%h", "", "bob", "", ROOT_BAD, NULL},
	{"", "", "bob", "", ROOT_BAD, NULL},
	{"", "relative", "bob", "/home/bob", ROOT_BAD, NULL},
};

static void
test_root(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		struct buf out = BUF_INIT;
		int r = root_choose(slice_of(roots[i].option), slice_of(roots[i].from_file),
				    slice_of(roots[i].user), slice_of(roots[i].home), &out);
		if (r != roots[i].result)
			fail_msg("row %zu: %d", i, r);
		if (r == 0)
			assert_string_equal(out.data, roots[i].root);
		buf_deinit(&out);
	}
}

static void
test_root_has_no_nul(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;

	assert_int_equal(root_choose(SLICE_NULL, SLICE("/a\0b"), SLICE("u"), SLICE_NULL, &out),
			 ROOT_BAD);
	buf_reset(&out);
	assert_int_equal(root_choose(SLICE("/%u"), SLICE_NULL, SLICE("a\0b"), SLICE_NULL, &out),
			 ROOT_BAD);
	buf_deinit(&out);
}

static void
test_limits(void **state)
{
	(void)state;
	const struct admission_limits limits = {
		.sessions = 3, .sessions_per_address = 2, .ipv6_prefix = 64};
	const struct sockaddr_storage one = address("192.0.2.1"),
				      mapped = address("::ffff:192.0.2.1"),
				      near = address("2001:db8::1"),
				      same = address("2001:db8::ffff:1"),
				      far = address("2001:db8:0:1::1");
	struct admission a;

	admission_init(&a, &limits);
	assert_int_equal(admission_check(&a, &one, 0), ADMITTED);
	assert_int_equal(admission_enter(&a, &one), 0);
	assert_int_equal(admission_enter(&a, &mapped), 0);
	assert_int_equal(admission_check(&a, &one, 0), REFUSED_ADDRESS);
	assert_int_equal(admission_check(&a, &near, 0), ADMITTED);
	assert_int_equal(admission_enter(&a, &near), 0);
	assert_int_equal(admission_check(&a, &far, 0), REFUSED_FULL);
	admission_leave(&a, &one);
	assert_int_equal(admission_check(&a, &one, 0), ADMITTED);
	admission_leave(&a, &one);
	assert_int_equal(admission_enter(&a, &same), 0);
	assert_int_equal(admission_check(&a, &same, 0), REFUSED_ADDRESS);
	assert_int_equal(admission_check(&a, &far, 0), ADMITTED);
	admission_deinit(&a);
}

static void
test_penalty(void **state)
{
	(void)state;
	struct admission_limits limits = {10, 10, 64, 3, 1000};
	const struct sockaddr_storage one = address("192.0.2.1"), two = address("192.0.2.2");
	struct admission a;

	admission_init(&a, &limits);
	admission_failed(&a, &one, 0);
	admission_failed(&a, &one, 10);
	assert_int_equal(admission_check(&a, &one, 20), ADMITTED);
	admission_failed(&a, &one, 20);
	assert_int_equal(admission_check(&a, &one, 30), REFUSED_PENALTY);
	assert_int_equal(admission_check(&a, &two, 30), ADMITTED);
	assert_int_equal(admission_check(&a, &one, 1019), REFUSED_PENALTY);
	assert_int_equal(admission_check(&a, &one, 1020), ADMITTED);
	/* and all is forgotten */
	admission_failed(&a, &one, 1021);
	assert_int_equal(admission_check(&a, &one, 1022), ADMITTED);
	admission_deinit(&a);

	limits.penalty_ms = 0;
	admission_init(&a, &limits);
	for (int i = 0; i < 10; i++)
		admission_failed(&a, &one, 0);
	assert_int_equal(admission_check(&a, &one, 0), ADMITTED);
	assert_int_equal(a.n_penalties, 0);
	admission_deinit(&a);
}

/* A million addresses that fail cost a bounded table, whose oldest goes first. */
static void
test_penalties_are_bounded(void **state)
{
	(void)state;
	const struct admission_limits limits = {10, 10, 64, 1, 1000};
	struct sockaddr_storage first = address("10.0.0.0"), any = first;
	struct sockaddr_in *in = (struct sockaddr_in *)&any;
	struct admission a;

	admission_init(&a, &limits);
	for (uint32_t i = 0; i < 70000; i++) {
		in->sin_addr.s_addr = htonl(0x0a000000U + i);
		admission_failed(&a, &any, 0);
	}
	assert_int_equal(a.n_penalties, 65536);
	assert_int_equal(admission_check(&a, &first, 1), ADMITTED);
	assert_int_equal(admission_check(&a, &any, 1), REFUSED_PENALTY);
	admission_deinit(&a);
}

static void
test_passive(void **state)
{
	(void)state;
	char *items[] = {"10.0.0.0/8 = 10.0.0.5", "2001:db8::/32=192.0.2.9", "*\t=  192.0.2.7"};
	const struct texts list = {items, 3}, two = {items, 2};
	const struct {
		const char *client, *announced;
	} rows[] = {{"10.1.2.3", "10.0.0.5"},
		    {"2001:db8:1::1", "192.0.2.9"},
		    {"172.16.0.1", "192.0.2.7"}};
	struct sockaddr_storage out;

	for (size_t i = 0; i < 3; i++) {
		struct sockaddr_storage client = address(rows[i].client),
					wanted = address(rows[i].announced);
		passive_address_for(&list, &client, &out);
		assert_true(address_same_host(&out, &wanted));
	}
	struct sockaddr_storage client = address("172.16.0.1");
	passive_address_for(&two, &client, &out);
	assert_int_equal(out.ss_family, 0);
}

static void
test_registry(void **state)
{
	(void)state;
	struct sessions all = {0};
	struct session *a = session_new(&all), *b = session_new(&all);

	assert_int_equal(a->id, 1);
	assert_int_equal(b->id, 2);
	b->worker = 3;
	assert_ptr_equal(session_find(&all, 2), b);
	assert_ptr_equal(session_find_of(&all, 2, 3), b);
	assert_null(session_find_of(&all, 2, 0));
	assert_null(session_find(&all, 3));
	assert_int_equal(session_count(&all), 2);
	session_free(&all, &b);
	assert_null(b);
	assert_null(session_find(&all, 2));
	b = session_new(&all);
	assert_int_equal(b->id, 3); /* never one that was there before */
	session_free(&all, &a);
	session_free(&all, &b);
	session_free(&all, &b);
	assert_int_equal(session_count(&all), 0);
}

static void
test_retry(void **state)
{
	(void)state;
	struct retry r = {0};
	const uint64_t pauses[] = {100, 200, 400, 800};

	for (size_t i = 0; i < 4; i++) {
		retry_started(&r, 1000);
		assert_int_equal(retry_pause(&r, 1100), pauses[i]);
	}
	for (size_t i = 0; i < 100; i++)
		assert_true(retry_pause(&r, 1100) <= RETRY_MAX_MS);
	retry_started(&r, 1000);
	assert_int_equal(retry_pause(&r, 1000 + RETRY_YOUNG_MS), 0);
	assert_int_equal(retry_pause(&r, 1000), 100);
}

static char folder[] = "/tmp/wharf-monitor-XXXXXX";

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
assert_copy(int fd, const char *text)
{
	char got[100] = "";
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), strlen(text));
	assert_string_equal(got, text);
	assert_true(pwrite(fd, "x", 1, 0) < 0 && ftruncate(fd, 1000) < 0);
	assert_true(text[0] == '\0' || ftruncate(fd, 0) < 0);
}

/* The files of a host: which, what is copied, and what counts as a change. */
static void
test_host_files(void **state)
{
	char *lists[] = {"a", "b"};
	struct settings s = {.tls_certificate = {lists, 2},
			     .tls_key = {&lists[1], 1},
			     .tls_client_ca = "ca",
			     .tls_client_crl = ""};
	static const struct {
		enum host_file kind;
		unsigned index;
		const char *path;
	} wanted[] = {{HOST_CERTIFICATE, 0, "a"},
		      {HOST_CERTIFICATE, 1, "b"},
		      {HOST_KEY, 0, "b"},
		      {HOST_CLIENT_CA, 0, "ca"}};
	struct host_sources sources;
	struct host_copies copies;
	const struct host_source *wrong;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	write_file("a", "certificate");
	write_file("b", "key");
	write_file("ca1", "");
	assert_int_equal(symlink("ca1", "ca"), 0);
	assert_int_equal(host_sources_init(&sources, &s), 0);
	assert_int_equal(sources.n, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(sources.item[i].kind, wanted[i].kind);
		assert_int_equal(sources.item[i].index, wanted[i].index);
		assert_string_equal(sources.item[i].path, wanted[i].path);
	}
	assert_int_equal(host_copies_init(&copies, &sources, &wrong), 0);
	assert_false(host_sources_changed(&sources));
	/* Whatever happens to the file, the copy is what it was. */
	write_file("a", "cert");
	assert_true(host_sources_changed(&sources));
	assert_false(host_sources_changed(&sources));
	unlink("b");
	assert_true(host_sources_changed(&sources));
	assert_false(host_sources_changed(&sources));
	assert_copy(copies.fd[0], "certificate");
	assert_copy(copies.fd[1], "key");
	assert_copy(copies.fd[2], "key");
	assert_copy(copies.fd[3], "");
	host_copies_deinit(&copies);

	assert_int_equal(host_copies_init(&copies, &sources, &wrong), -ENOENT);
	assert_ptr_equal(wrong, &sources.item[1]);
	assert_int_equal(mkfifo("b", 0600), 0);
	assert_int_equal(host_copies_init(&copies, &sources, &wrong), -EINVAL);
	unlink("b");
	write_file("b", "key");
	/* Through the link. */
	write_file("ca2", "other");
	assert_true(host_sources_changed(&sources));
	unlink("ca");
	assert_int_equal(symlink("ca2", "ca"), 0);
	assert_true(host_sources_changed(&sources));
	assert_int_equal(truncate("a", (16 << 20) + 1), 0);
	assert_int_equal(host_copies_init(&copies, &sources, &wrong), -EFBIG);
	assert_ptr_equal(wrong, &sources.item[0]);
	assert_int_equal(truncate("a", 16 << 20), 0);
	assert_int_equal(host_copies_init(&copies, &sources, &wrong), 0);
	host_copies_deinit(&copies);
	host_sources_deinit(&sources);
	unlink("a");
	unlink("b");
	unlink("ca");
	unlink("ca1");
	unlink("ca2");
	assert_true(chdir("/") == 0 && rmdir(folder) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),       cmocka_unit_test(test_root_has_no_nul),
		cmocka_unit_test(test_limits),     cmocka_unit_test(test_penalty),
		cmocka_unit_test(test_passive),    cmocka_unit_test(test_penalties_are_bounded),
		cmocka_unit_test(test_retry),      cmocka_unit_test(test_registry),
		cmocka_unit_test(test_host_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
