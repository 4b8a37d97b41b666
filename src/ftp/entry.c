/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What listings and facts of wharf/ftp/entry.h have in common. */
#include <wharf/base/put.h>
#include <wharf/ftp/entry.h>

char *
entry_reserve(struct buf *out, const struct entry *e)
{
	size_t n = ENTRY_LINE + e->name.n + e->target.n + e->owner.n + e->group.n;

	return buf_reserve(out, n) < 0 ? NULL : out->data + out->len;
}

char *
entry_put_owner(char *p, struct slice name, uint32_t id)
{
	if (name.n == 0)
		return put_u64(p, id);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		*p++ = c <= ' ' || c == 0x7f || c == ';' ? '_' : (char)c;
	}
	return p;
}
