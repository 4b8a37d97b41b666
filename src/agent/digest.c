/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The kept digests of digest.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "digest.h"

/* BLAKE2b with its name is 136; the facts behind it are at most 63. */
#define DIGEST_MAX 160
#define VALUE_MAX  256

static bool
is_digest(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n <= DIGEST_MAX;
}

/* What stands behind the digest of a file. */
static size_t
format_facts(char out[VALUE_MAX], const struct stat *st)
{
	return (size_t)snprintf(out, VALUE_MAX, " size=%" PRId64 " mtime=%" PRId64 ".%09ld",
				(int64_t)st->st_size, (int64_t)st->st_mtim.tv_sec,
				st->st_mtim.tv_nsec);
}

static bool
has_none(int error)
{
	return error == ENOTSUP || error == ENODATA || error == ENOSYS;
}

int
digest_keep(int fd, const struct stat *st, struct slice digest)
{
	char value[2 * VALUE_MAX], facts[VALUE_MAX];
	int n = 0;

	if (!is_digest(digest))
		return -EINVAL;
	if (digest.n) {
		format_facts(facts, st);
		n = snprintf(value, sizeof(value), "%.*s%s", SLICE_FMT(digest), facts);
	}
	/* Nothing is said already; to say so again would change the file's ctime. */
	if (n == 0 && fgetxattr(fd, DIGEST_ATTRIBUTE, NULL, 0) == 0)
		return 0;
	if (fsetxattr(fd, DIGEST_ATTRIBUTE, value, (size_t)n, digest.n ? 0 : XATTR_REPLACE) < 0)
		return has_none(errno) ? 0 : -errno;
	return 0;
}

void
digest_get(int fd, const struct stat *st, struct buf *out)
{
	char value[VALUE_MAX], facts[VALUE_MAX];
	const size_t m = format_facts(facts, st);
	const ssize_t n = fgetxattr(fd, DIGEST_ATTRIBUTE, value, sizeof(value));

	if (n <= (ssize_t)m)
		return;
	const struct slice digest = {value, (size_t)n - m};
	if (is_digest(digest) && memcmp(value + digest.n, facts, m) == 0)
		buf_add_slice(out, digest);
}
