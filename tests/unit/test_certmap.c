/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Which certificate is which user's, as tls_client_map has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <wharf/conf/certmap.h>

static void
test_certmap(void **state)
{
#define HEX32 "0123456789abcdef0123456789ABCDEF"
	static const struct {
		const char *row;
		int result;
		const char *certificate, *user;
	} rows[] = {
		{"CN=till-7,O=Shop = till7", 0, "CN=till-7,O=Shop", "till7"},
		{"CN=a=b", 0, "CN=a", "b"},
		{"  CN=a\t=  b c ", 0, "CN=a", "b c"},
		{"sha256:" HEX32 HEX32 "=x", 0, "sha256:" HEX32 HEX32, "x"},
		{"sha256:" HEX32 ":" HEX32 " = x", CERTMAP_BAD, NULL, NULL},
		{"sha256:" HEX32 HEX32 "0 = x", CERTMAP_BAD, NULL, NULL},
		{"sha256:" HEX32 " = x", CERTMAP_BAD, NULL, NULL},
		{"sha256:" HEX32 HEX32 "g = x", CERTMAP_BAD, NULL, NULL},
		{"CN=a", CERTMAP_BAD, NULL, NULL},
		{"CN=a = ", CERTMAP_BAD, NULL, NULL},
		{"= a", CERTMAP_BAD, NULL, NULL},
		{"a", CERTMAP_BAD, NULL, NULL},
		{"", CERTMAP_BAD, NULL, NULL},
	};
	struct slice certificate, user;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(certmap_parse(slice_of(rows[i].row), &certificate, &user),
				 rows[i].result);
		if (rows[i].result)
			continue;
		assert_true(slice_equal(certificate, slice_of(rows[i].certificate)));
		assert_true(slice_equal(user, slice_of(rows[i].user)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
