/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The virtual paths of wharf/ftp/path.h. */
#include <wharf/ftp/glob.h>
#include <wharf/ftp/path.h>

/*
 * Takes the next part off *rest, slashes before it skipped.  Returns an empty slice when there is
 * none.
 */
static struct slice
next_part(struct slice *rest)
{
	size_t n = 0;

	while (rest->n > 0 && rest->p[0] == '/')
		*rest = slice_from(*rest, 1);
	while (n < rest->n && rest->p[n] != '/')
		n++;
	struct slice part = slice_head(*rest, n);
	*rest = slice_from(*rest, n);
	return part;
}

/* out holds "" for the root here, and else "/a/b". */
static void
drop_last(struct buf *out)
{
	while (out->len > 0 && out->data[--out->len] != '/')
		;
}

static int
add_parts(struct buf *out, struct slice parts)
{
	struct slice part;

	while (part = next_part(&parts), part.n > 0) {
		if (slice_equal(part, SLICE(".")))
			continue;
		if (slice_equal(part, SLICE(".."))) {
			drop_last(out);
			continue;
		}
		if (part.n > PATH_NAME_MAX || out->len + 1 + part.n > PATH_LENGTH_MAX)
			return PATH_TOO_LONG;
		buf_add_byte(out, '/');
		buf_add_slice(out, part);
	}
	return 0;
}

static bool
has_bad_byte(struct slice s)
{
	return s.n > 0 &&
	       (memchr(s.p, '\0', s.n) || memchr(s.p, '\r', s.n) || memchr(s.p, '\n', s.n));
}

int
path_join(struct buf *out, struct slice cwd, struct slice arg)
{
	int r = 0;

	buf_reset(out);
	if (has_bad_byte(arg))
		return PATH_BAD;
	if (arg.n == 0 || arg.p[0] != '/')
		r = add_parts(out, cwd);
	if (r == 0)
		r = add_parts(out, arg);
	if (r == 0 && out->len == 0)
		buf_add_byte(out, '/');
	if (r == 0)
		r = buf_error(out);
	if (r != 0)
		out->len = 0;
	return r;
}

struct slice
path_base(struct slice path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	return slash ? slice_from(path, (size_t)(slash - path.p) + 1) : path;
}

struct slice
path_parent(struct slice path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	if (!slash || slash == path.p)
		return SLICE("/");
	return slice_head(path, (size_t)(slash - path.p));
}

void
path_quote(struct buf *out, struct slice path)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] == '"')
			buf_add_byte(out, '"');
		buf_add_byte(out, path.p[i]);
	}
	buf_add_byte(out, '"');
}

bool
path_hidden(struct slice path, const char *const *patterns, size_t n)
{
	struct slice part;

	while (n > 0 && (part = next_part(&path), part.n > 0))
		for (size_t i = 0; i < n; i++)
			if (glob_match(slice_of(patterns[i]), part))
				return true;
	return false;
}

bool
path_reserved(struct slice path, bool shows_versions)
{
	/* A file system may fold the case of names. */
	static const struct slice prefix = {PATH_RESERVED, sizeof(PATH_RESERVED) - 1};
	struct slice part;

	while (part = next_part(&path), part.n > 0)
		if (part.n >= prefix.n && slice_equal_nocase(slice_head(part, prefix.n), prefix) &&
		    !(shows_versions && slice_equal(part, SLICE(PATH_VERSIONS))))
			return true;
	return false;
}
