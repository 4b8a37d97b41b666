/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Digests of bytes as they come, against what the programs of coreutils, zlib and OpenSSL say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"

static struct digests digests;

static int
begin(void **state)
{
	(void)state;
	return digests_init(&digests);
}

static int
end(void **state)
{
	(void)state;
	digests_deinit(&digests);
	return 0;
}

static const struct {
	enum word_digest which;
	const char *bytes, *want;
} vectors[] = {
	{WORD_digest_crc32, "", "crc32:00000000"},
	{WORD_digest_crc32, "123456789", "crc32:cbf43926"},
	{WORD_digest_sha256, "",
	 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{WORD_digest_sha256, "123456789",
	 "sha256:15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
	{WORD_digest_sha512, "123456789",
	 "sha512:d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
	 "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85"},
	{WORD_digest_blake2b, "abc",
	 "blake2b:ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
	 "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"},
};

/* In one piece, and in pieces of each length. */
static void
known_bytes_have_known_digests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t n = strlen(vectors[i].bytes);
		for (size_t piece = 1; piece <= n + 1; piece++) {
			struct hash h;
			char text[HASH_TEXT];
			assert_int_equal(hash_begin_named(&h, &digests, vectors[i].which), 0);
			for (size_t at = 0; at < n; at += piece)
				hash_add(&h, vectors[i].bytes + at,
					 piece < n - at ? piece : n - at);
			assert_int_equal(h.n, n);
			assert_int_equal(hash_end_named(&h, vectors[i].which, text),
					 (int)strlen(vectors[i].want));
			assert_string_equal(text, vectors[i].want);
		}
	}
}

static void
none_is_nothing(void **state)
{
	struct hash h = {.on = true};
	char text[HASH_TEXT] = "x";

	(void)state;
	assert_int_equal(hash_begin_named(&h, &digests, WORD_digest_none), 0);
	hash_add(&h, "abc", 3);
	assert_true(hash_end_named(&h, WORD_digest_none, text) < 0);
	assert_string_equal(text, "");
	hash_deinit(&h);
}

/* One that is given up leaves nothing behind, and may begin again. */
static void
it_may_be_given_up(void **state)
{
	struct hash h;
	char text[HASH_TEXT];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hash_begin(&h, digests.md[DIGEST_MD5]), 0);
		hash_add(&h, "junk", 4);
		hash_deinit(&h);
	}
	assert_int_equal(hash_begin(&h, digests.md[DIGEST_MD5]), 0);
	hash_add(&h, "123456789", 9);
	assert_int_equal(hash_end(&h, text), 32);
	assert_string_equal(text, "25f9e794323b453885f5181f1b624d0b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_bytes_have_known_digests),
		cmocka_unit_test(none_is_nothing),
		cmocka_unit_test(it_may_be_given_up),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
