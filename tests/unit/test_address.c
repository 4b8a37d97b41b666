/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Addresses are compared, shown and matched the same whichever family they came in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include <wharf/base/address.h>

static struct sockaddr_storage
address(const char *text, uint16_t port)
{
	struct sockaddr_storage a = {.ss_family = AF_INET};
	struct in6_addr *six = &((struct sockaddr_in6 *)&a)->sin6_addr;

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr) != 1) {
		a.ss_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, six), 1);
	}
	address_set_port(&a, port);
	return a;
}

static void
test_same_host(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.2", false},
		{"127.0.0.1", "::ffff:127.0.0.1", true},
		{"::ffff:127.0.0.2", "127.0.0.1", false},
		{"::ffff:10.1.2.3", "::ffff:10.1.2.3", true},
		{"::1", "::1", true},
		{"::1", "127.0.0.1", false},
		{"::7f00:1", "127.0.0.1", false},
		{"2001:db8::1", "2001:db8::2", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage a = address(rows[i].a, 1), b = address(rows[i].b, 2);
		assert_int_equal(address_same_host(&a, &b), rows[i].same);
		assert_int_equal(address_same_host(&b, &a), rows[i].same);
	}
	struct sockaddr_storage a = address("fe80::1", 1), b = a, none = {.ss_family = AF_UNIX};
	((struct sockaddr_in6 *)&a)->sin6_scope_id = 2;
	assert_true(address_same_host(&a, &b));
	((struct sockaddr_in6 *)&b)->sin6_scope_id = 3;
	assert_false(address_same_host(&a, &b));
	assert_false(address_same_host(&none, &none));
}

static void
test_endpoints(void **state)
{
	(void)state;
	static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"};
	const struct sockaddr_storage none = {.ss_family = AF_UNSPEC};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sockaddr_storage a = address(texts[i], 2121);
		if (a.ss_family == AF_INET6)
			((struct sockaddr_in6 *)&a)->sin6_scope_id = 3;
		struct endpoint e = endpoint_of(&a);
		struct sockaddr_storage back = endpoint_address(&e);
		assert_memory_equal(&back, &a, sizeof(a));
	}
	struct endpoint e = endpoint_of(&none);
	assert_int_equal(endpoint_address(&e).ss_family, AF_UNSPEC);
	assert_true(sizeof(e) < 32);
}

static void
test_wildcards(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool any;
	} rows[] = {{"0.0.0.0", true},  {"::", true},       {"::ffff:0.0.0.0", true},
		    {"0.0.0.1", false}, {"1.0.0.0", false}, {"::1", false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage a = address(rows[i].text, 21);
		assert_int_equal(address_is_any(&a), rows[i].any);
	}
}

static void
test_unmap_and_format(void **state)
{
	(void)state;
	static const struct {
		const char *text, *shown;
		int family;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1:65535", AF_INET},
		{"::ffff:192.0.2.1", "192.0.2.1:65535", AF_INET},
		{"2001:db8::1", "[2001:db8::1]:65535", AF_INET6},
		{"::192.0.2.1", "[::192.0.2.1]:65535", AF_INET6},
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage a = address(rows[i].text, 65535);
		for (int unmapped = 0; unmapped < 2; unmapped++) {
			buf_reset(&out);
			address_format(&out, &a);
			assert_true(slice_equal(buf_slice(&out), slice_of(rows[i].shown)));
			address_unmap(&a);
		}
		assert_int_equal(a.ss_family, rows[i].family);
		assert_int_equal(address_port(&a), 65535);
	}
	struct sockaddr_storage none = {.ss_family = AF_UNIX}, local = address("fe80::1", 21);
	((struct sockaddr_in6 *)&local)->sin6_scope_id = 2;
	buf_reset(&out);
	address_format(&out, &none);
	address_format(&out, &local);
	address_format_host(&out, &local);
	assert_true(slice_equal(buf_slice(&out), SLICE("unknown[fe80::1%2]:21fe80::1%2")));
	assert_int_equal(address_port(&none), 0);
	buf_deinit(&out);
}

static void
test_networks(void **state)
{
	(void)state;
	static const struct {
		const char *net, *in, *out;
	} rows[] = {
		{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
		{"10.1.2.3/8", "10.0.0.0", "9.255.255.255"},
		{"192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
		{"192.0.2.1", "192.0.2.1", "192.0.2.0"},
		{"192.0.2.1/32", "::ffff:192.0.2.1", "192.0.2.0"},
		{"::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1"},
		{"0.0.0.0/0", "8.8.8.8", "2001:db8::1"},
		{"::/0", "2001:db8::1", "8.8.8.8"},
		{"::1", "::1", "::2"},
		{"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
		{"*", "8.8.8.8", NULL},
		{"*", "2001:db8::1", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct network net;
		assert_int_equal(network_parse(slice_of(rows[i].net), &net), 0);
		struct sockaddr_storage a = address(rows[i].in, 5);
		assert_true(network_contains(&net, &a));
		if (!rows[i].out)
			continue;
		a = address(rows[i].out, 5);
		assert_false(network_contains(&net, &a));
	}
}

static void
test_bad_networks(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/8/8",
		"10.0.0/8",
		"10.0.0.0/ 8",
		"::/129",
		"::1%lo",
		"localhost",
		"10.0.0.256",
		"010.0.0.1",
		" 10.0.0.1",
		"**",
		"::/0000",
		"::ffff:0.0.0.0/95",
		"10.0.0.1:21",
		"[::1]",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
	};
	struct network net;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(network_parse(slice_of(rows[i]), &net), NETWORK_BAD);
	assert_int_equal(network_parse(SLICE("10.0.0.1\0"), &net), NETWORK_BAD);
}

static void
test_network_of(void **state)
{
	(void)state;
	struct sockaddr_storage a = address("::ffff:192.0.2.77", 21), b = address("192.0.2.9", 22);
	struct sockaddr_storage six = address("2001:db8:1:2:3::4", 21);
	struct network net, other;
	struct buf out = BUF_INIT;

	network_of(&a, 24, 64, &net);
	network_of(&b, 24, 64, &other);
	assert_memory_equal(&net, &other, sizeof(net)); /* so that it can be a key */
	address_format(&out, &net.address);
	network_of(&six, 24, 64, &net);
	assert_int_equal(net.prefix, 64);
	address_format(&out, &net.address);
	network_of(&six, 0, 0, &net);
	address_format(&out, &net.address);
	network_of(&six, 999, 999, &net);
	assert_int_equal(net.prefix, 128);
	assert_true(network_contains(&net, &six));
	assert_true(slice_equal(buf_slice(&out), SLICE("192.0.2.0:0[2001:db8:1:2::]:0[::]:0")));
	buf_deinit(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_host),  cmocka_unit_test(test_unmap_and_format),
		cmocka_unit_test(test_networks),   cmocka_unit_test(test_bad_networks),
		cmocka_unit_test(test_network_of), cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
