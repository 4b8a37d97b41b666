/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * ascii_blocks.h with SSE2, which every x86-64 has.
 *
 * A block is copied as it is, and then again, moved by one, from each byte on that changes its
 * place; what that writes behind the block the next one writes anew.  A block without such a byte
 * is treated as if one stood behind its end: ordinary lines have at most one end in a block, in
 * some blocks and not in others, and a branch on that would be guessed wrong once a line, which
 * costs more than all the rest.
 */
#include <emmintrin.h>

#include "ascii_blocks.h"

enum { BLOCK = 16 };

static inline __m128i
load(const char *from)
{
	return _mm_loadu_si128((const __m128i *)(const void *)from);
}

static inline void
copy(char *to, const char *from)
{
	_mm_storeu_si128((__m128i *)(void *)to, load(from));
}

/* A bit a byte. */
static inline unsigned
bits(__m128i bytes)
{
	return (unsigned)_mm_movemask_epi8(bytes);
}

/* The place of the first bit, or the end of the block. */
static inline size_t
first(unsigned set)
{
	return (size_t)__builtin_ctz(set | 1U << BLOCK);
}

size_t
ascii_encode_blocks(const char *in, size_t n, char **out)
{
	const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
	const char *const begin = in, *const end = in + n;
	char *to = *out;

	/* The copies from in end two blocks behind it at most, those to out three. */
	while (end - in >= 2 * BLOCK) {
		unsigned bare = bits(_mm_andnot_si128(_mm_cmpeq_epi8(load(in - 1), cr),
						      _mm_cmpeq_epi8(load(in), lf)));
		copy(to, in);
		do {
			size_t at = first(bare);
			to[at] = '\r';
			copy(to + at + 1, in + at);
			to += bare != 0;
			bare &= bare - 1;
		} while (bare);
		in += BLOCK;
		to += BLOCK;
	}
	*out = to;
	return (size_t)(in - begin);
}

size_t
ascii_decode_blocks(const char *in, size_t n, char **out)
{
	const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
	const char *const begin = in, *const end = in + n;
	char *to = *out;

	/* The byte behind two blocks is looked at; the copies to out end two blocks behind it. */
	while (end - in > 2 * BLOCK) {
		unsigned gone = bits(_mm_and_si128(_mm_cmpeq_epi8(load(in), cr),
						   _mm_cmpeq_epi8(load(in + 1), lf)));
		copy(to, in);
		do {
			size_t at = first(gone);
			copy(to + at, in + at + 1);
			to -= gone != 0;
			gone &= gone - 1;
		} while (gone);
		in += BLOCK;
		to += BLOCK;
	}
	*out = to;
	return (size_t)(in - begin);
}
