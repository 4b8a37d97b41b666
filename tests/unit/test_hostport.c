/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * PORT, EPRT and EPSV: the forms that are good, and the weak ones that other servers took (attacks
 * A03, A04).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <wharf/base/address.h>
#include <wharf/ftp/hostport.h>

struct row {
	struct slice arg;
	int result;
	const char *address;
};

#define ROW(arg, result, address)           \
	{                                   \
		SLICE(arg), result, address \
	}

static const struct row
	ports[] =
		{
			ROW("127,0,0,1,4,1", 0, "127.0.0.1:1025"),
			ROW("255,255,255,255,255,255", 0, "255.255.255.255:65535"),
			ROW("010,001,000,009,000,021", 0, "10.1.0.9:21"),
			ROW("1,2,3,4,0,0", HOSTPORT_BAD, NULL),
			ROW("", HOSTPORT_BAD, NULL),
			ROW(",,,,,", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4,1,1", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4,1,", HOSTPORT_BAD, NULL),
			ROW("127,0,0,256,4,1", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4,-1", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4,+1", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4, 1", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4,1 ", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4,0x1", HOSTPORT_BAD, NULL),
			ROW("127,0,0,0001,4,1", HOSTPORT_BAD, NULL),
			ROW("(127,0,0,1,4,1)", HOSTPORT_BAD, NULL),
			ROW("127.0.0.1,4,1", HOSTPORT_BAD, NULL),
			ROW("127,0,0,1,4,1\0", HOSTPORT_BAD, NULL),
},
	eprts[] = {
		ROW("|1|132.235.1.2|6275|", 0, "132.235.1.2:6275"),
		ROW("|2|1080::8:800:200C:417A|5282|", 0, "[1080::8:800:200c:417a]:5282"),
		ROW("|2|::1|65535|", 0, "[::1]:65535"),
		ROW("!1!127.0.0.1!1!", 0, "127.0.0.1:1"),
		ROW("~1~127.0.0.1~1~", 0, "127.0.0.1:1"),
		ROW("x1x127.0.0.1x1x", 0, "127.0.0.1:1"),
		ROW("|3|x|1|", HOSTPORT_PROTOCOL, NULL),
		ROW("|0|127.0.0.1|1|", HOSTPORT_PROTOCOL, NULL),
		ROW("", HOSTPORT_BAD, NULL),
		ROW("|", HOSTPORT_BAD, NULL),
		ROW("||||", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1|21", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1|21||", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1||21|", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1|21|x", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1|0|", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1|65536|", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1|000021|", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1|-1|", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1|1e3|", HOSTPORT_BAD, NULL),
		ROW("|1|::1|21|", HOSTPORT_BAD, NULL),
		ROW("|2|127.0.0.1|21|", HOSTPORT_BAD, NULL),
		ROW("|2|::ffff:127.0.0.2|40001|", HOSTPORT_BAD, NULL),
		ROW("|2|fe80::1%lo|21|", HOSTPORT_BAD, NULL),
		ROW("|1|127.1|21|", HOSTPORT_BAD, NULL),
		ROW("|1|127.0.0.1\0|21|", HOSTPORT_BAD, NULL),
		ROW("|-1|127.0.0.1|21|", HOSTPORT_BAD, NULL),
		ROW("111127.0.0.11211", HOSTPORT_BAD, NULL),
		ROW(" 1 127.0.0.1 21 ", HOSTPORT_BAD, NULL),
		ROW("\3771\377127.0.0.1\37721\377", HOSTPORT_BAD, NULL),
		ROW(".1.127.0.0.1.21.", HOSTPORT_BAD, NULL),
		ROW("|2|1111111111111111111111111111111111111111111111111111111|21|", HOSTPORT_BAD,
		    NULL),
};

static void
check(const struct row *row, int result, const struct sockaddr_storage *a)
{
	struct buf out = BUF_INIT;

	if (result != row->result)
		fail_msg("%.*s: %d", SLICE_FMT(row->arg), result);
	if (result == 0) {
		address_format(&out, a);
		assert_true(slice_equal(buf_slice(&out), slice_of(row->address)));
	}
	buf_deinit(&out);
}

static void
test_port(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct sockaddr_storage a = {0};
		int result = hostport_parse_port(ports[i].arg, (struct sockaddr_in *)&a);
		check(&ports[i], result, &a);
	}
}

static void
test_eprt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(eprts) / sizeof(eprts[0]); i++) {
		struct sockaddr_storage a = {0};
		int result = hostport_parse_eprt(eprts[i].arg, &a);
		check(&eprts[i], result, &a);
	}
}

static void
test_epsv(void **state)
{
	(void)state;
	static const struct {
		const char *arg;
		int result, family;
	} rows[] = {
		{"", 0, AF_UNSPEC},
		{"1", 0, AF_INET},
		{"2", 0, AF_INET6},
		{"ALL", HOSTPORT_ALL, -1},
		{"all", HOSTPORT_ALL, -1},
		{"3", HOSTPORT_PROTOCOL, -1},
		{"02", HOSTPORT_PROTOCOL, -1},
		{"ALLX", HOSTPORT_BAD, -1},
		{" 1", HOSTPORT_BAD, -1},
		{"1 ", HOSTPORT_BAD, -1},
		{"-1", HOSTPORT_BAD, -1},
		{"x", HOSTPORT_BAD, -1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int family = -1;
		int result = hostport_parse_epsv(slice_of(rows[i].arg), &family);
		assert_int_equal(result, rows[i].result);
		assert_int_equal(family, rows[i].family);
	}
}

static void
test_format(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;
	struct sockaddr_in in;

	assert_int_equal(hostport_parse_port(SLICE("192,0,2,1,195,80"), &in), 0);
	hostport_format_pasv(&out, &in);
	assert_true(slice_equal(buf_slice(&out), SLICE("192,0,2,1,195,80")));
	buf_reset(&out);
	hostport_format_epsv(&out, 65535);
	hostport_format_epsv(&out, 1);
	assert_true(slice_equal(buf_slice(&out), SLICE("|||65535||||1|")));
	buf_deinit(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_eprt),
		cmocka_unit_test(test_epsv),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
