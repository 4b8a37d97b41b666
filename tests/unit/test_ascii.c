/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TYPE A against a translation that looks at every byte, cut everywhere, and its round trips
 * (attacks E25).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/base/buf.h>
#include <wharf/ftp/ascii.h>

static const struct {
	struct slice file, wire, back; /* back: what an upload of the wire's bytes gives */
} texts[] = {
	{SLICE(""), SLICE(""), SLICE("")},
	{SLICE("a"), SLICE("a"), SLICE("a")},
	{SLICE("a\n"), SLICE("a\r\n"), SLICE("a\n")},
	{SLICE("\n\n\n"), SLICE("\r\n\r\n\r\n"), SLICE("\n\n\n")},
	{SLICE("a\r\nb"), SLICE("a\r\nb"), SLICE("a\nb")},
	{SLICE("\r"), SLICE("\r"), SLICE("\r")},
	{SLICE("\r\r\r"), SLICE("\r\r\r"), SLICE("\r\r\r")},
	{SLICE("a\rb\n"), SLICE("a\rb\r\n"), SLICE("a\rb\n")},
	{SLICE("\r\r\n"), SLICE("\r\r\n"), SLICE("\r\n")},
	{SLICE("\n\r"), SLICE("\r\n\r"), SLICE("\n\r")},
	{SLICE("\n\r\n\r"), SLICE("\r\n\r\n\r"), SLICE("\n\n\r")},
	{SLICE("\0\n\xff\r\0"), SLICE("\0\r\n\xff\r\0"), SLICE("\0\n\xff\r\0")},
};

/*
 * Translates in pieces that end at the cuts; out is of the exact size for each, so that a sanitizer
 * sees more.
 */
static void
translate(bool decode, struct slice in, const size_t *cuts, size_t n_cuts, struct buf *out)
{
	struct ascii st = ASCII_INIT;
	size_t at = 0;
	char last;

	buf_reset(out);
	for (size_t i = 0; i <= n_cuts; i++) {
		size_t n = (i < n_cuts ? cuts[i] : in.n) - at;
		char *piece = malloc(decode ? n + 1 : n ? 2 * n : 1);
		size_t made = decode ? ascii_decode(&st, in.p + at, n, piece)
				     : ascii_encode(&st, in.p + at, n, piece);
		buf_add(out, piece, made);
		free(piece);
		at += n;
	}
	if (decode && ascii_decode_end(&st, &last) == 1)
		buf_add_byte(out, last);
	assert_int_equal(decode ? ascii_decode_end(&st, &last) : 0, 0);
}

static void
naive(bool decode, struct slice in, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < in.n; i++) {
		bool lf_next = i + 1 < in.n && in.p[i + 1] == '\n';
		if (decode && in.p[i] == '\r' && lf_next)
			continue;
		if (!decode && in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
			buf_add_byte(out, '\r');
		buf_add_byte(out, in.p[i]);
	}
}

static void
test_texts_at_every_cut(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t cuts[2];
		for (cuts[1] = 0; cuts[1] <= texts[i].file.n; cuts[1]++) {
			for (cuts[0] = 0; cuts[0] <= cuts[1]; cuts[0]++) {
				translate(false, texts[i].file, cuts, 2, &out);
				assert_true(slice_equal(buf_slice(&out), texts[i].wire));
			}
		}
		for (cuts[1] = 0; cuts[1] <= texts[i].wire.n; cuts[1]++) {
			for (cuts[0] = 0; cuts[0] <= cuts[1]; cuts[0]++) {
				translate(true, texts[i].wire, cuts, 2, &out);
				assert_true(slice_equal(buf_slice(&out), texts[i].back));
			}
		}
	}
	buf_deinit(&out);
}

/*
 * All strings of seven bytes of three kinds, whole and byte by byte: the naive translation and the
 * round trip.
 */
static void
test_all_short_texts(void **state)
{
	(void)state;
	struct buf out = BUF_INIT, want = BUF_INIT, back = BUF_INIT;
	static const size_t cuts[] = {1, 2, 3, 4, 5, 6};

	for (unsigned code = 0; code < 2187; code++) {
		char text[7];
		bool crlf = false;
		for (unsigned i = 0, c = code; i < sizeof(text); i++, c /= 3) {
			text[i] = "\r\nx"[c % 3];
			crlf = crlf || (i > 0 && text[i] == '\n' && text[i - 1] == '\r');
		}
		struct slice in = {text, sizeof(text)};
		for (int decode = 1; decode >= 0; decode--) {
			naive(decode, in, &want);
			translate(decode, in, cuts, 6, &out);
			assert_true(slice_equal(buf_slice(&out), buf_slice(&want)));
			translate(decode, in, NULL, 0, &out);
			assert_true(slice_equal(buf_slice(&out), buf_slice(&want)));
		}
		/* out is what a download sends. */
		translate(true, buf_slice(&out), NULL, 0, &back);
		assert_int_equal(slice_equal(buf_slice(&back), in), !crlf);
	}
	buf_deinit(&out);
	buf_deinit(&want);
	buf_deinit(&back);
}

static uint32_t
random_below(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)*seed * n >> 32);
}

static void
test_large(void **state)
{
	(void)state;
	enum { SIZE = 1 << 20 };
	static const char *const alphabets[] = {
		"\n", "\r", "\r\n", "\r\nx", "abcdefghijklmnop\r\n",
	};
	struct buf out = BUF_INIT, want = BUF_INIT;
	char *in = malloc(SIZE);
	uint32_t seed = 3;

	for (size_t a = 0; a < sizeof(alphabets) / sizeof(alphabets[0]); a++) {
		size_t cuts[64];
		for (size_t i = 0; i < SIZE; i++)
			in[i] = alphabets[a][random_below(&seed, (uint32_t)strlen(alphabets[a]))];
		for (size_t i = 0; i < 64; i++)
			cuts[i] = i * 16381 + seed % 1000;
		for (int decode = 0; decode < 2; decode++) {
			naive(decode, (struct slice){in, SIZE}, &want);
			translate(decode, (struct slice){in, SIZE}, cuts, 64, &out);
			assert_true(slice_equal(buf_slice(&out), buf_slice(&want)));
		}
	}
	free(in);
	buf_deinit(&out);
	buf_deinit(&want);
}

/*
 * Random texts of the length of some blocks, in which line ends are from rare to dense, in random
 * pieces.
 */
static void
test_random_texts(void **state)
{
	(void)state;
	enum { MOST = 160, CUTS = 3 };
	static const char kinds[] = "\r\n\n\r";
	struct buf out = BUF_INIT, want = BUF_INIT;
	uint32_t seed = 5;

	for (unsigned round = 0; round < 40000; round++) {
		char text[MOST];
		size_t cuts[CUTS];
		struct slice in = {text, random_below(&seed, MOST + 1)};
		uint32_t rare = 1U << random_below(&seed, 7);
		for (size_t i = 0; i < in.n; i++)
			text[i] = random_below(&seed, rare) ? 'x' : kinds[random_below(&seed, 4)];
		for (size_t i = 0; i < in.n; i++)
			if (text[i] == '\r' && i + 1 < in.n && random_below(&seed, 2))
				text[i + 1] = '\n';
		size_t at = 0;
		for (size_t i = 0; i < CUTS; i++)
			cuts[i] = at += random_below(&seed, (uint32_t)(in.n - at) + 1);
		for (int decode = 0; decode < 2; decode++) {
			naive(decode, in, &want);
			translate(decode, in, cuts, CUTS, &out);
			assert_true(slice_equal(buf_slice(&out), buf_slice(&want)));
		}
	}
	buf_deinit(&out);
	buf_deinit(&want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_at_every_cut),
		cmocka_unit_test(test_all_short_texts),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
