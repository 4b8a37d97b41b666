/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What listings and facts of wharf/ftp/entry.h have in common. */
#include <wharf/ftp/entry.h>

size_t
entry_format_owner(struct buf *out, struct slice name, uint32_t id)
{
	size_t before = out->len;

	if (name.n == 0)
		buf_add_u64(out, id);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		buf_add_byte(out, c <= ' ' || c == 0x7f || c == ';' ? '_' : (char)c);
	}
	return out->len - before;
}
