/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Requests that change folders and facts of files.  What acts on a last component opens its folder
 * and acts there; what acts on a file opens it first, so that it is one file whatever happens to
 * its name meanwhile.  From the look to the act the root is held (hold.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/ftp/number.h>
#include <wharf/sandbox/jail.h>

#include "admit.h"
#include "digest.h"
#include "folder.h"
#include "hold.h"
#include "retain.h"
#include "stage.h"

/* Newer than the headers that we build with; the number is the same on every architecture. */
#define NR_FCHMODAT2 452

int
place_open(struct place *p, const struct agent *agent, struct slice path, int flags)
{
	struct slice base;

	p->folder = jail_parent(agent->root, path, flags, &base);
	if (p->folder < 0)
		return p->folder;
	name_terminate(base, p->name);
	return 0;
}

int
place_init(struct place *p, const struct agent *agent, struct slice path)
{
	return place_open(p, agent, path, O_PATH);
}

void
place_deinit(struct place *p)
{
	fd_close(&p->folder);
}

/*
 * With durability = sync a new name is on disk when it is told of, as that of an upload is: a file
 * that is whole under a temporary name is of no use to who waits for the other, nor is one in a
 * folder that is gone.  A folder that the user may not read can't be synced.  0 or a negative
 * errno.
 */
static int
sync_name(struct agent *agent, const struct place *p)
{
	if (agent->settings.durability != WORD_durability_sync)
		return 0;
	int fd = jail_open_at(p->folder, ".", O_RDONLY | O_DIRECTORY, 0);
	int r = fd >= 0 ? syncs_folder(&agent->syncs, fd) : fd == -EACCES ? 0 : fd;
	fd_close(&fd);
	return r;
}

static bool
is_same_folder(const struct place *a, const struct place *b)
{
	struct stat x, y;

	return fstat(a->folder, &x) == 0 && fstat(b->folder, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

int
do_mkdir(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct place p;
	int r = place_init(&p, agent, in->f_mkdir.path);

	(void)out;
	(void)scratch;
	if (r < 0)
		return r;
	/* One that its owner can't enter is of no use, whatever the umask. */
	r = mkdirat(p.folder, p.name, (in->f_mkdir.mode & 0777) | 0700) < 0 ? -errno : 0;
	if (r == 0)
		r = sync_name(agent, &p);
	place_deinit(&p);
	return r;
}

static void
tell_change(struct message *out, const struct change *change)
{
	out->r_done.bytes = change->bytes;
	out->r_done.files = change->files;
}

/* Whether nothing is left in a folder but what no client is shown. */
static bool
is_bare(const struct place *p)
{
	struct folder folder;
	struct folder_item item;
	int fd = jail_open_at(p->folder, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	int r = fd < 0 ? fd : folder_init(&folder, fd);

	if (r < 0)
		return false;
	do
		r = folder_next(&folder, &item);
	while (r == 0 && slice_starts(item.name, SLICE(STAGE_PREFIX)));
	folder_deinit(&folder);
	return r == FOLDER_END;
}

/* One that is empty, and not on the way to where files are held, lest a file come in its place. */
static int
remove_folder(struct agent *agent, const struct place *p)
{
	int hold = hold_take(agent);
	int r = retain_check_new(agent, p->folder, p->name, false);

	if (r == 0 && unlinkat(p->folder, p->name, AT_REMOVEDIR) < 0)
		r = -errno;
	hold_release(agent, &hold);
	return r;
}

int
do_rmdir(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct change change = {0};
	struct place p;
	int r = place_init(&p, agent, in->f_rmdir.path);

	(void)scratch;
	if (r < 0)
		return r;
	if (!in->f_rmdir.recursive)
		r = remove_folder(agent, &p);
	/* What he is not shown must not keep him from it. */
	if (in->f_rmdir.recursive || (r == -ENOTEMPTY && is_bare(&p)))
		r = remove_tree(agent, p.folder, p.name, &change);
	place_deinit(&p);
	tell_change(out, &change);
	return r;
}

static int
unlink_place(struct agent *agent, const struct place *p, struct change *change)
{
	struct stat st;
	int hold = hold_take(agent);
	int r = fstatat(p->folder, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;

	if (r == 0)
		r = retain_check_name(agent, p->folder, p->name, &st);
	if (r == 0 && unlinkat(p->folder, p->name, 0) < 0)
		r = -errno;
	if (r == 0)
		change_gone(change, &st);
	hold_release(agent, &hold);
	return r;
}

int
do_unlink(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct change change = {0};
	struct place p;
	int r = place_init(&p, agent, in->f_unlink.path);

	(void)scratch;
	if (r < 0)
		return r;
	r = unlink_place(agent, &p, &change);
	/* What is deleted is not there any more for whoever asks, also of his part. */
	int part = r == 0 || r == -ENOENT ? stage_remove(agent, &p, &change) : 0;
	if (r == -ENOENT)
		r = part;
	place_deinit(&p);
	tell_change(out, &change);
	return r;
}

/* Takes the place of a file, of which a version may be kept.  *moved: facts of what does. */
static int
rename_over(struct agent *agent, const struct place *from, const struct stat *moved,
	    const struct place *to, struct change *change)
{
	struct stat st;

	if (fstatat(to->folder, to->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	int r = retain_check_name(agent, to->folder, to->name, &st);
	if (r == 0 && S_ISREG(st.st_mode))
		r = version_keep(agent, to->folder, to->name, false, change);
	/* A version is another name of it. */
	if (r == 0 && fstatat(to->folder, to->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0)
		r = admit(agent, from->folder, from->name, moved, to->folder);
	if (r == 0 && rename_at(from->folder, from->name, to->folder, to->name, 0) < 0)
		r = -errno;
	if (r == 0)
		change_gone(change, &st);
	return r;
}

/*
 * A folder replaces nothing, and the kernel lets nothing else replace a folder.  To replace a file
 * is to overwrite it, and takes that right.
 */
static int
rename_place(struct agent *agent, const struct place *from, const struct place *to, bool replace,
	     struct change *change)
{
	struct stat st, there;

	if (fstatat(from->folder, from->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	int r = retain_check_name(agent, from->folder, from->name, &st);
	if (r == 0)
		r = retain_check_new(agent, to->folder, to->name, S_ISLNK(st.st_mode));
	/* What does not come in keeps its time. */
	if (r == 0 && fstatat(to->folder, to->name, &there, AT_SYMLINK_NOFOLLOW) == 0)
		r = -EEXIST;
	if (r == 0)
		r = admit(agent, from->folder, from->name, &st, to->folder);
	if (r == 0)
		r = rename_to_free(from->folder, from->name, to->folder, to->name);
	if (r != -EEXIST || !replace)
		return r;
	if (!agent_may(agent, RIGHT(overwrite)))
		return -EACCES;
	if (S_ISDIR(st.st_mode))
		return -EEXIST;
	if (fstatat(to->folder, to->name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* The kernel would leave both names of one file as they are, and so nothing is replaced. */
	if (there.st_ino == st.st_ino && there.st_dev == st.st_dev)
		return 0;
	return rename_over(agent, from, &st, to, change);
}

int
do_rename(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct change change = {0};
	struct place from, to;
	int r = place_init(&from, agent, in->f_rename.from);

	(void)scratch;
	if (r < 0)
		return r;
	r = place_init(&to, agent, in->f_rename.to);
	if (r == 0) {
		int hold = hold_take(agent);
		r = rename_place(agent, &from, &to, in->f_rename.replace != 0, &change);
		/* A whole file came later than what is left of an upload of that name. */
		if (r == 0)
			(void)stage_remove(agent, &to, &change);
		hold_release(agent, &hold);
		if (r == 0)
			r = sync_name(agent, &to);
		if (r == 0 && !is_same_folder(&from, &to))
			r = sync_name(agent, &from);
		place_deinit(&to);
	}
	place_deinit(&from);
	tell_change(out, &change);
	return r;
}

/*
 * Opens a folder or a regular file that may be changed, without touching it (O_PATH).  The caller
 * has the hold.
 */
static int
open_to_change(const struct agent *agent, struct slice path, struct stat *st)
{
	int fd = jail_open(agent->root, path, O_PATH, 0);

	if (fd < 0)
		return fd;
	int r = fstat(fd, st) < 0                              ? -errno
		: S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ? 0
							       : -EPERM;
	if (r == 0)
		r = retain_check(agent, path, st);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

/*
 * The same, or the user's own part where there is nothing else of that name: then *path is its
 * path, in *scratch.
 */
static int
open_to_set(const struct agent *agent, struct slice *path, struct stat *st, struct buf *scratch)
{
	int fd = open_to_change(agent, *path, st);

	if (fd != -ENOENT)
		return fd;
	if (stage_path(agent, *path, scratch) < 0)
		return -ENOMEM;
	*path = buf_slice(scratch);
	fd = jail_open(agent->root, *path, O_PATH | O_NOFOLLOW, 0);
	if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))) {
		fd_close(&fd);
		return -ENOENT;
	}
	return fd;
}

/* Whether a folder's mode or group may be changed, for what is in it. */
static int
check_folder(const struct agent *agent, int fd, const struct stat *st)
{
	return S_ISDIR(st->st_mode) ? retain_check_tree(agent, fd) : 0;
}

/* The same file once more, this time in earnest: some calls do not take an O_PATH descriptor. */
static int
open_again(const struct agent *agent, struct slice path, const struct stat *st)
{
	struct stat now;
	int fd = jail_open(agent->root, path, O_RDONLY, 0);

	if (fd == -EACCES && S_ISREG(st->st_mode))
		fd = jail_open(agent->root, path, O_WRONLY, 0);
	if (fd >= 0 &&
	    (fstat(fd, &now) < 0 || now.st_ino != st->st_ino || now.st_dev != st->st_dev)) {
		fd_close(&fd);
		return -ESTALE;
	}
	return fd;
}

static int
change_mode(const struct agent *agent, const struct f_chmod *f, struct buf *scratch)
{
	struct slice path = f->path;
	struct stat st;
	int fd = open_to_set(agent, &path, &st, scratch);

	if (fd < 0)
		return fd;
	/* No client makes a program that acts as its owner; a folder keeps what it hands down. */
	mode_t mode = (f->mode & 0777) | (S_ISDIR(st.st_mode) ? st.st_mode & 07000 : 0);
	int r = check_folder(agent, fd, &st);
	if (r == 0 && syscall(NR_FCHMODAT2, fd, "", mode, AT_EMPTY_PATH) < 0)
		r = -errno;
	fd_close(&fd);
	if (r != -ENOSYS)
		return r;
	fd = open_again(agent, path, &st);
	if (fd < 0)
		return fd;
	r = fchmod(fd, mode) < 0 ? -errno : 0;
	fd_close(&fd);
	return r;
}

int
do_chmod(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	int hold = hold_take(agent);
	int r = change_mode(agent, &in->f_chmod, scratch);

	(void)out;
	hold_release(agent, &hold);
	return r;
}

/* A group by name or number; only one that the user is in. */
static int
find_group(const struct agent *agent, struct slice text, uint32_t *gid)
{
	uint64_t number;

	if (!names_find(&agent->groups, text, gid)) {
		if (number_parse_u64(text, UINT32_MAX - 1, &number) != 0)
			return -EINVAL;
		*gid = (uint32_t)number;
	}
	if (*gid == agent->who.gid)
		return 0;
	for (size_t i = 0; i < agent->who.n_groups; i++)
		if (agent->who.groups[i] == *gid)
			return 0;
	return -EPERM;
}

int
do_chgrp(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct stat st;
	uint32_t gid;
	int r = find_group(agent, in->f_chgrp.group, &gid);

	(void)out;
	(void)scratch;
	if (r < 0)
		return r;
	int hold = hold_take(agent);
	int fd = open_to_change(agent, in->f_chgrp.path, &st);
	r = fd < 0 ? fd : check_folder(agent, fd, &st);
	if (r == 0 && fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) < 0)
		r = -errno;
	fd_close(&fd);
	hold_release(agent, &hold);
	return r;
}

/* Before Linux 5.8 utimensat(2) does not know that flag. */
static int
set_times(int way, int file, const struct timespec times[2])
{
	int r = utimensat(way, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;

	if (r != -EINVAL)
		return r;
	return file < 0 ? file : futimens(file, times) < 0 ? -errno : 0;
}

/* Whether a part may be given a time. */
static int
check_part(const struct agent *agent, struct slice path)
{
	struct place p;
	int r = place_init(&p, agent, path);

	if (r < 0)
		return r;
	r = retain_check_part(agent, p.folder);
	place_deinit(&p);
	return r;
}

/* The digest that is kept with the file is still its own. */
static int
change_time(const struct agent *agent, const struct f_utime *f, struct buf *scratch)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {f->seconds, f->nanoseconds}};
	struct slice path = f->path;
	struct buf digest = BUF_INIT;
	struct stat st;
	int way = open_to_set(agent, &path, &st, scratch);

	if (way < 0)
		return way;
	int file = open_again(agent, path, &st);
	if (file >= 0)
		digest_get(file, &st, &digest);
	int r = path.p == f->path.p ? 0 : check_part(agent, f->path);
	if (r == 0)
		r = set_times(way, file, times);
	if (r == 0 && digest.len && fstat(file, &st) == 0)
		(void)digest_keep(file, &st, buf_slice(&digest));
	buf_deinit(&digest);
	fd_close(&file);
	fd_close(&way);
	return r;
}

int
do_utime(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	(void)out;
	if (in->f_utime.nanoseconds > 999999999)
		return -EINVAL;
	int hold = hold_take(agent);
	int r = change_time(agent, &in->f_utime, scratch);
	hold_release(agent, &hold);
	return r;
}

/* How many folders a folder is below the jail's root, or a negative errno. */
static int
depth_of(const struct agent *agent, int folder)
{
	struct stat root = {0}, st = {0};
	int at = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	int depth = 0;

	if (at < 0 || fstat(agent->root, &root) < 0 || fstat(at, &st) < 0)
		depth = -errno;
	while (depth >= 0 && (st.st_ino != root.st_ino || st.st_dev != root.st_dev)) {
		int up = jail_open_at(at, "..", O_PATH | O_DIRECTORY, 0);
		int r = up < 0 ? up : fstat(up, &st) < 0 ? -errno : 0;
		fd_close(&at);
		at = up;
		depth = r < 0 ? r : depth == PATH_MAX ? -ELOOP : depth + 1;
	}
	fd_close(&at);
	return depth;
}

/*
 * Appends a link's target as it is stored: relative, with ".." only at its front and no more of
 * them than lead to the jail's root.  So it means the same to programs of the host, which know of
 * no jail, and leads none of them out.
 */
static int
add_target(struct buf *out, struct slice target, int depth)
{
	bool absolute = target.n && target.p[0] == '/', down = false;
	int ups = 0;

	if (target.n == 0 || memchr(target.p, '\0', target.n))
		return -EINVAL;
	for (int i = 0; absolute && i < depth; i++)
		buf_add_str(out, "../");
	while (target.n) {
		const char *slash = memchr(target.p, '/', target.n);
		struct slice part = slash ? slice_head(target, (size_t)(slash - target.p)) : target;
		target = slice_from(target, slash ? part.n + 1 : part.n);
		if (part.n == 0 || slice_equal(part, SLICE(".")))
			continue;
		if (slice_equal(part, SLICE("..")) && (absolute || down || ++ups > depth))
			return -EPERM;
		down = down || !slice_equal(part, SLICE(".."));
		buf_add_slice(out, part);
		buf_add_byte(out, '/');
	}
	if (out->len == 0)
		buf_add_str(out, "./");
	if (buf_error(out) == 0)
		out->data[out->len - 1] = '\0';
	return buf_error(out);
}

/* A client that mirrors a tree makes its links each time: one that is there as it is to be is
 * well.  0 or a negative errno. */
static int
make_link(const struct buf *target, int folder, const char *name)
{
	char there[PATH_MAX];

	if (symlinkat(target->data, folder, name) == 0)
		return 0;
	const int error = errno;
	if (error != EEXIST)
		return -error;
	ssize_t n = readlinkat(folder, name, there, sizeof(there));
	const struct slice found = {there, n < 0 ? 0 : (size_t)n};
	return slice_equal(found, slice_of(target->data)) ? 0 : -EEXIST;
}

int
do_symlink(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct place p;
	int r = place_init(&p, agent, in->f_symlink.path);

	(void)out;
	if (r < 0)
		return r;
	r = depth_of(agent, p.folder);
	if (r >= 0)
		r = add_target(scratch, in->f_symlink.target, r);
	if (r == 0) {
		int hold = hold_take(agent);
		r = retain_check_new(agent, p.folder, p.name, true);
		if (r == 0)
			r = make_link(scratch, p.folder, p.name);
		hold_release(agent, &hold);
	}
	place_deinit(&p);
	return r;
}
