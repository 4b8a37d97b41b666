/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The items of the option retain; see wharf/conf/retain.h. */
#include <wharf/conf/retain.h>
#include <wharf/conf/value.h>

/* A path that is written as names are compared: absolute, and no component empty, "." or "..". */
static bool
is_plain(struct slice path)
{
	while (path.n) {
		if (path.p[0] != '/')
			return false;
		path = slice_from(path, 1);
		const char *slash = path.n ? memchr(path.p, '/', path.n) : NULL;
		struct slice name = slice_head(path, slash ? (size_t)(slash - path.p) : path.n);
		if (name.n == 0 || slice_equal(name, SLICE(".")) || slice_equal(name, SLICE("..")))
			return false;
		path = slice_from(path, name.n);
	}
	return true;
}

int
retain_parse(struct slice item, struct slice *folder, uint64_t *seconds)
{
	const char *sign = item.n ? memrchr(item.p, '=', item.n) : NULL;
	size_t at = sign ? (size_t)(sign - item.p) : 0;

	*folder = slice_trim(slice_head(item, at));
	if (sign && folder->n == 0)
		return RETAIN_BAD;
	if (folder->n && folder->p[folder->n - 1] == '/')
		folder->n--;
	if (!is_plain(*folder))
		return RETAIN_BAD;
	if (value_time(slice_trim(slice_from(item, sign ? at + 1 : 0)), seconds) != 0)
		return RETAIN_BAD;
	return *seconds <= RETAIN_MAX ? 0 : RETAIN_BAD;
}
