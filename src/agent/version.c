/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Versions: what agent.h says.  Those of a file are in VERSION_FOLDER/<its name>/, each named by
 * the time when it was put aside, "20261122025701.123456789", so that the names sort as they came
 * and a file's own name may be as long as any.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include <wharf/base/fd.h>
#include <wharf/ftp/when.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"
#include "folder.h"
#include "retain.h"
#include "stage.h"

#define NAME_LENGTH    24 /* YYYYMMDDHHMMSS.nnnnnnnnn */
#define VERSIONS_MAX   4096
#define TRIES          16
#define COPY_AT_ONCE   (256UL * 1024 * 1024)
#define NANOS_A_SECOND 1000000000L

/* The versions of one file. */
struct versions {
	int folder;
	char (*names)[NAME_LENGTH + 1]; /* sorted, the newest last */
	size_t n;
};

static bool
is_version(struct slice name)
{
	if (name.n != NAME_LENGTH || name.p[14] != '.')
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (i != 14 && (name.p[i] < '0' || name.p[i] > '9'))
			return false;
	return true;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int
read_names(struct versions *v)
{
	struct folder_item item;
	struct folder folder;
	int fd = jail_open_same(v->folder, ".");
	int r = fd < 0 ? fd : folder_init(&folder, fd);

	if (r < 0)
		return r;
	v->names = malloc(VERSIONS_MAX * sizeof(v->names[0]));
	if (!v->names)
		r = -ENOMEM;
	while (r == 0 && v->n < VERSIONS_MAX && (r = folder_next(&folder, &item)) == 0)
		if (is_version(item.name))
			name_terminate(item.name, v->names[v->n++]);
	folder_deinit(&folder);
	if (r < 0)
		return r;
	qsort(v->names, v->n, sizeof(v->names[0]), compare);
	return 0;
}

/* Opens a folder of a folder, which only its owner may enter, and makes it where that is wanted. */
static int
open_own(int folder, const char *name, bool make)
{
	int fd = jail_open_same(folder, name);

	if (fd != -ENOENT || !make)
		return fd;
	if (mkdirat(folder, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	return jail_open_same(folder, name);
}

static void
versions_deinit(struct versions *v)
{
	fd_close(&v->folder);
	free(v->names);
}

/* The versions of a file.  0 or a negative errno: -ENOENT where there are none, unless `make`. */
static int
versions_init(struct versions *v, int folder, const char *name, bool make)
{
	int all = open_own(folder, VERSION_FOLDER, make);

	*v = (struct versions){.folder = all};
	if (all < 0)
		return all;
	v->folder = open_own(all, name, make);
	fd_close(&all);
	int r = v->folder < 0 ? v->folder : read_names(v);
	if (r < 0)
		versions_deinit(v);
	return r;
}

/* The facts of the newest one.  Whether there is one. */
static bool
look_at_newest(const struct versions *v, struct stat *st)
{
	return v->n && fstatat(v->folder, v->names[v->n - 1], st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether the newest one is another name of that file. */
static bool
is_newest(const struct versions *v, const struct stat *st)
{
	struct stat newest;

	return look_at_newest(v, &newest) && newest.st_ino == st->st_ino &&
	       newest.st_dev == st->st_dev;
}

static bool
is_before(struct timespec a, struct timespec b)
{
	return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/*
 * Whether the newest one is a copy of that file as it is: who was about to write it and did not has
 * put it aside already.  The file has not changed since: a client can choose its size and its time,
 * but not its ctime, nor that of a version.
 */
static bool
is_copied(const struct versions *v, const struct stat *st)
{
	struct stat newest;

	return look_at_newest(v, &newest) && newest.st_size == st->st_size &&
	       newest.st_mtim.tv_sec == st->st_mtim.tv_sec &&
	       newest.st_mtim.tv_nsec == st->st_mtim.tv_nsec &&
	       is_before(st->st_ctim, newest.st_ctim);
}

/* The name of one that is put aside now: later than all others, whatever the clock does. */
static int
choose_name(const struct versions *v, char name[NAME_LENGTH + 1])
{
	struct timespec now, newest;
	struct buf text = BUF_INIT;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -errno;
	if (v->n && when_parse(slice_of(v->names[v->n - 1]), &newest) == 0 &&
	    (newest.tv_sec > now.tv_sec ||
	     (newest.tv_sec == now.tv_sec && newest.tv_nsec >= now.tv_nsec))) {
		now = newest;
		now.tv_sec += ++now.tv_nsec / NANOS_A_SECOND;
		now.tv_nsec %= NANOS_A_SECOND;
	}
	when_format(&text, now.tv_sec);
	buf_printf(&text, ".%09ld", now.tv_nsec);
	int r = buf_error(&text);
	if (r == 0)
		snprintf(name, NAME_LENGTH + 1, "%.*s", (int)text.len, text.data);
	buf_deinit(&text);
	return r;
}

/* Copies what a file holds, sharing its blocks where the file system can. */
static int
copy_bytes(int from, int to)
{
	ssize_t n;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	do
		n = copy_file_range(from, NULL, to, NULL, COPY_AT_ONCE, 0);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

/* Makes the copy, with the mode and the time of what it is of. */
static int
fill(const struct agent *agent, int from, int to, struct stat *st)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	/* It is a part until it is whole, and nobody's to sweep. */
	if (fcntl(to, F_OFD_SETLK, &range) < 0 || fstat(from, st) < 0)
		return -errno;
	int r = copy_bytes(from, to);
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
	if (r == 0 &&
	    (fchmod(to, st->st_mode & 0777) < 0 || futimens(to, times) < 0 || fstat(to, st) < 0))
		r = -errno;
	if (r == 0 && agent->settings.durability == WORD_durability_sync && fsync(to) < 0)
		r = -errno;
	return r;
}

static int
keep_copy(const struct agent *agent, int folder, const char *name, const struct versions *v,
	  const char *version, struct change *change)
{
	char part[STAGE_NAME_SIZE];
	struct stat st = {0};
	int r = stage_random_name(part);
	int from = r < 0 ? r : jail_open_at(folder, name, O_RDONLY | O_NOFOLLOW, 0);

	if (from < 0)
		return from;
	int to = jail_open_at(v->folder, part, O_WRONLY | O_CREAT | O_EXCL, 0600);
	r = to < 0 ? to : fill(agent, from, to, &st);
	if (r == 0 && rename_at(v->folder, part, v->folder, version, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r == 0) {
		change->bytes += st.st_size;
		change->files++;
		if (agent->settings.durability == WORD_durability_sync && fsync(v->folder) < 0)
			r = -errno;
	} else if (to >= 0) {
		unlinkat(v->folder, part, 0);
	}
	fd_close(&to);
	fd_close(&from);
	return r;
}

/* Another name where that can be had; where it can't, a copy will do. */
static int
keep_link(const struct agent *agent, int folder, const char *name, const struct versions *v,
	  const char *version, struct change *change)
{
	if (linkat(folder, name, v->folder, version, 0) == 0)
		return 0;
	switch (errno) {
	case EPERM:
	case EXDEV:
	case EMLINK:
	case EOPNOTSUPP:
		return keep_copy(agent, folder, name, v, version, change);
	default:
		return -errno;
	}
}

/* Removes the oldest beyond the number, but for those that must stay. */
static void
prune(const struct agent *agent, const struct versions *v, size_t n, struct change *change)
{
	struct stat st;

	for (size_t i = 0; i < v->n && n > agent->settings.versions; i++) {
		if (fstatat(v->folder, v->names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (retain_check_in(agent, v->folder, &st) < 0 ||
		    unlinkat(v->folder, v->names[i], 0) < 0)
			continue;
		change_gone(change, &st);
		n--;
	}
}

/* Adds the newest version. */
static int
add_version(const struct agent *agent, int folder, const char *name, bool copied,
	    const struct versions *v, struct change *change)
{
	char version[NAME_LENGTH + 1];
	int r = -EEXIST;

	for (int i = 0; i < TRIES && r == -EEXIST; i++) {
		r = choose_name(v, version);
		if (r == 0)
			r = copied ? keep_copy(agent, folder, name, v, version, change)
				   : keep_link(agent, folder, name, v, version, change);
	}
	return r;
}

int
version_keep(const struct agent *agent, int folder, const char *name, bool copied,
	     struct change *change)
{
	struct versions v;
	struct stat st;

	if (agent->settings.versions == 0)
		return 0;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	int r = versions_init(&v, folder, name, true);
	if (r < 0)
		return r;
	/* Who put it aside before has not come to replace it.  A link is not enough for a copy. */
	bool is_kept = is_newest(&v, &st);
	if (is_kept && copied) {
		r = unlinkat(v.folder, v.names[--v.n], 0) < 0 ? -errno : 0;
		is_kept = false;
	}
	is_kept = is_kept || (r == 0 && is_copied(&v, &st));
	if (r == 0 && !is_kept)
		r = add_version(agent, folder, name, copied, &v, change);
	if (r == 0)
		prune(agent, &v, is_kept ? v.n : v.n + 1, change);
	versions_deinit(&v);
	return r;
}

bool
version_is_due(const struct agent *agent, int folder, const char *name, bool copied,
	       const struct stat *st)
{
	struct versions v;

	if (agent->settings.versions == 0 || !S_ISREG(st->st_mode))
		return false;
	if (versions_init(&v, folder, name, false) < 0)
		return true;
	bool is = !is_copied(&v, st) && (copied || !is_newest(&v, st));
	versions_deinit(&v);
	return is;
}

bool
version_is_twin(int folder, const char *name, const struct stat *st)
{
	struct versions v;

	if (st->st_nlink != 2 || versions_init(&v, folder, name, false) < 0)
		return false;
	bool is = is_newest(&v, st);
	versions_deinit(&v);
	return is;
}
