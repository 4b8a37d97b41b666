/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What inherit.h says.  An ACL is read and written as the kernel keeps it: a version and rows of a
 * tag, permissions and an id, in little-endian order (linux/posix_acl_xattr.h).
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdbool.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <wharf/base/buf.h>

#include "digest.h"
#include "inherit.h"
#include "stage.h"

#define ACCESS_ACL  "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"
#define USER_PREFIX "user."

static bool
is_unsupported(int error)
{
	return error == ENOTSUP || error == ENOSYS;
}

/*
 * An attribute's value in *out, which is reset first.  Its length, -ENODATA where there is none or
 * the file system has none, or another negative errno.
 */
static int
get(int fd, const char *name, struct buf *out)
{
	buf_reset(out);
	ssize_t n = fgetxattr(fd, name, NULL, 0);
	if (n > 0) {
		if (buf_reserve(out, (size_t)n) < 0)
			return -ENOMEM;
		n = fgetxattr(fd, name, out->data, (size_t)n);
	}
	if (n < 0)
		return is_unsupported(errno) ? -ENODATA : -errno;
	out->len = (size_t)n;
	return (int)n;
}

static int
set(int fd, const char *name, struct slice value)
{
	return fsetxattr(fd, name, value.p, value.n, 0) < 0 ? -errno : 0;
}

/* An ACL that says no more than the mode: setting it removes any other. */
static void
make_plain_acl(mode_t mode, struct buf *out)
{
	const struct posix_acl_xattr_header head = {htole32(POSIX_ACL_XATTR_VERSION)};
	const struct {
		unsigned short tag;
		unsigned shift;
	} rows[] = {{ACL_USER_OBJ, 6}, {ACL_GROUP_OBJ, 3}, {ACL_OTHER, 0}};

	buf_reset(out);
	buf_add(out, &head, sizeof(head));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct posix_acl_xattr_entry row = {htole16(rows[i].tag),
							  htole16(mode >> rows[i].shift & 7),
							  htole32((uint32_t)ACL_UNDEFINED_ID)};
		buf_add(out, &row, sizeof(row));
	}
}

/* The file has the ACL of the old one, or none. */
static int
copy_acl(int fd, int old, mode_t mode, struct buf *value)
{
	int r = get(old, ACCESS_ACL, value);

	if (r == -ENODATA) {
		/* A default ACL of the folder has given it one. */
		r = get(fd, ACCESS_ACL, value);
		if (r == -ENODATA)
			return 0;
		make_plain_acl(mode, value);
	}
	if (r >= 0)
		r = buf_error(value);
	return r < 0 ? r : set(fd, ACCESS_ACL, buf_slice(value));
}

/* The attributes of that list of names that are the user's, but for the digest. */
static int
copy_listed(int fd, int old, struct slice names, struct buf *value)
{
	int r = 0;

	while (names.n && r == 0) {
		const char *name = names.p;
		names = slice_from(names, strlen(name) + 1);
		if (!slice_starts(slice_of(name), SLICE(USER_PREFIX)) ||
		    slice_equal(slice_of(name), SLICE(DIGEST_ATTRIBUTE)))
			continue;
		r = get(old, name, value);
		if (r >= 0)
			r = set(fd, name, buf_slice(value));
		/* It was removed since, or no one but its owner may read it. */
		r = r == -ENODATA ? 0 : r;
	}
	return r;
}

static int
copy_attributes(int fd, int old, struct buf *value)
{
	struct buf names = BUF_INIT;
	ssize_t n = flistxattr(old, NULL, 0);

	if (n > 0) {
		if (buf_reserve(&names, (size_t)n) < 0)
			return -ENOMEM;
		n = flistxattr(old, names.data, (size_t)n);
	}
	int r = n < 0 ? (is_unsupported(errno) ? 0 : -errno) : 0;
	if (n > 0)
		r = copy_listed(fd, old, (struct slice){names.data, (size_t)n}, value);
	buf_deinit(&names);
	return r;
}

/* The mode that somebody has wished of the staged part, else the other. */
static mode_t
choose(const struct stat *st, mode_t other)
{
	return (st->st_mode & S_ISVTX ? other : st->st_mode) & 0777;
}

int
inherit_from_file(int fd, const struct stat *st, int old, const struct stat *old_st, mode_t *mode)
{
	struct buf value = BUF_INIT;
	int r = 0;

	if (old_st->st_gid != st->st_gid &&
	    fchownat(fd, "", (uid_t)-1, old_st->st_gid, AT_EMPTY_PATH) < 0)
		r = -errno;
	if (r == 0)
		r = copy_acl(fd, old, old_st->st_mode, &value);
	if (r == 0)
		r = copy_attributes(fd, old, &value);
	buf_deinit(&value);
	*mode = choose(st, old_st->st_mode);
	return r;
}

/*
 * The mode that open(2) would give to a new file in a folder with that default ACL: its rows for
 * the owner, for the mask or else the group, and for others allow no more.
 */
static mode_t
narrow(mode_t mode, struct slice acl)
{
	struct posix_acl_xattr_entry row;
	mode_t owner = 7, group = 7, mask = 7, others = 7;
	bool has_mask = false;

	if (acl.n < sizeof(struct posix_acl_xattr_header))
		return mode;
	for (acl = slice_from(acl, sizeof(struct posix_acl_xattr_header)); acl.n >= sizeof(row);
	     acl = slice_from(acl, sizeof(row))) {
		memcpy(&row, acl.p, sizeof(row));
		const mode_t allowed = le16toh(row.e_perm) & 7;
		switch (le16toh(row.e_tag)) {
		case ACL_USER_OBJ:
			owner = allowed;
			break;
		case ACL_GROUP_OBJ:
			group = allowed;
			break;
		case ACL_MASK:
			mask = allowed;
			has_mask = true;
			break;
		case ACL_OTHER:
			others = allowed;
			break;
		default:
			break;
		}
	}
	return mode & (owner << 6 | (has_mask ? mask : group) << 3 | others);
}

int
inherit_from_folder(const struct stat *st, int folder, mode_t *mode)
{
	struct buf value = BUF_INIT;
	int r = folder < 0 ? -ENODATA : get(folder, DEFAULT_ACL, &value);

	if (r >= 0)
		*mode = narrow(*mode, buf_slice(&value));
	*mode = choose(st, *mode);
	buf_deinit(&value);
	return r == -ENODATA || r >= 0 ? 0 : r;
}
