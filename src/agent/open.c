/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * F_OPEN: a regular file for a worker, to read or to write; F_PREPARE: what is open in place is
 * about to be written over.  Between the two the worker asks for room, so that an opening that
 * nothing comes of has changed nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/random.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "digest.h"
#include "hold.h"
#include "open.h"
#include "retain.h"
#include "stage.h"

/* How often a name may appear or vanish under our hands. */
#define RACES 16
/* RFC 1123 §4.1.2.9 leaves the name of STOU to the server. */
#define UNIQUE_PREFIX "ftp."

/* Opens a file that is there, and refuses what is not a regular file. */
static int
open_existing(const struct agent *agent, struct slice path, int flags, struct stat *st)
{
	int fd = jail_open(agent->root, path, flags, 0);

	if (fd < 0)
		return fd;
	int r = fstat(fd, st) < 0      ? -errno
		: S_ISREG(st->st_mode) ? 0
		: S_ISDIR(st->st_mode) ? -EISDIR
				       : -ENXIO;
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

/* Whether a file may be written over: nobody else writes it now, and it need not stay.  0 or a
 * negative errno. */
static int
check_old(struct agent *agent, struct slice path, int fd, struct stat *st)
{
	int r = stage_lock(agent, fd);

	/* Not every file system has locks. */
	if (r == -EBUSY)
		return r;
	int hold = hold_take(agent);
	r = fstat(fd, st) < 0 ? -errno : retain_check(agent, path, st);
	hold_release(agent, &hold);
	return r;
}

/* A digest of all of it needs to read what is there; who may not do that may still write. */
static int
open_old(const struct agent *agent, struct slice path, struct stat *st)
{
	int fd = open_existing(agent, path, O_RDWR, st);

	return fd == -EACCES ? open_existing(agent, path, O_WRONLY, st) : fd;
}

/*
 * Opens to write.  Whether the file is new is known, not guessed: it is either made with O_EXCL or
 * opened without O_CREAT, and a name that comes or goes between the two is tried again.
 */
static int
open_new_or_old(const struct agent *agent, const struct f_open *in, bool *created, struct stat *st)
{
	const bool may_make = (in->how & OPEN_CREATE) && agent_may(agent, RIGHT(write));
	int fd = -ENOENT;

	*created = false;
	if ((in->how & OPEN_EXCLUSIVE) && !may_make)
		return -EACCES;
	for (int i = 0; i < RACES; i++) {
		if (may_make) {
			fd = jail_open(agent->root, in->path, O_RDWR | O_CREAT | O_EXCL,
				       in->mode & 0777);
			*created = fd >= 0;
			if (fd != -EEXIST || (in->how & OPEN_EXCLUSIVE))
				break;
		}
		if (!agent_may(agent, RIGHT(overwrite)))
			return -EACCES;
		fd = open_old(agent, in->path, st);
		if (fd != -ENOENT || !may_make)
			break;
	}
	return fd == -ENOENT && (in->how & OPEN_CREATE) && !may_make ? -EACCES : fd;
}

/*
 * Where an open file has its versions, by the name that it was opened with.  1, 0 for one behind a
 * link, which has none there, or a negative errno.
 */
static int
version_place(struct place *p, const struct agent *agent, struct slice path, const struct stat *st)
{
	int r = place_init(p, agent, path);

	if (r < 0)
		return r;
	if (stage_is_named(p->folder, p->name, st))
		return 1;
	place_deinit(p);
	return 0;
}

/* Whether a version is kept of the file, as *st has it, before it is written over. */
static bool
will_keep_version(const struct agent *agent, struct slice path, const struct stat *st)
{
	struct place p;

	if (!agent->settings.versions || version_place(&p, agent, path, st) <= 0)
		return false;
	bool will = version_is_due(agent, p.folder, p.name, true, st);
	place_deinit(&p);
	return will;
}

/* What is there before the worker writes.  0 or a negative errno. */
static int
begin(struct agent *agent, const struct f_open *in, int fd, bool created, struct r_opened *out)
{
	struct stat st = {0};
	int r = 0;

	if (created)
		(void)stage_lock(agent, fd);
	else
		r = check_old(agent, in->path, fd, &st);
	out->created = out->made = created;
	out->replaces = !created;
	out->versions = !created && r == 0 && will_keep_version(agent, in->path, &st);
	out->size = (uint64_t)st.st_size;
	out->files = created;
	return r;
}

int
open_in_place(struct agent *agent, const struct f_open *f, struct r_opened *out)
{
	struct stat st;
	bool created = false;
	int fd = retain_check_way(agent, f->path);

	if (fd == 0)
		fd = open_new_or_old(agent, f, &created, &st);
	if (fd < 0)
		return fd;
	int r = begin(agent, f, fd, created, out);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

int
open_unique_path(struct slice path, struct buf *out)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[12];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	buf_reset(out);
	buf_add_slice(out, path);
	if (out->len == 0 || out->data[out->len - 1] != '/')
		buf_add_byte(out, '/');
	buf_add_str(out, UNIQUE_PREFIX);
	for (size_t i = 0; i < sizeof(random); i++)
		buf_add_byte(out, letters[random[i] % 32]);
	return buf_error(out);
}

static int
open_unique(struct agent *agent, const struct f_open *in, struct r_opened *out, struct buf *path)
{
	struct f_open f = *in;
	int fd = -EEXIST;

	f.how |= OPEN_CREATE | OPEN_EXCLUSIVE;
	for (int i = 0; i < OPEN_UNIQUE_TRIES && fd == -EEXIST; i++) {
		int r = open_unique_path(in->path, path);
		if (r < 0)
			return r;
		f.path = buf_slice(path);
		fd = f.how & OPEN_STAGE ? open_staged(agent, &f, out, path)
					: open_in_place(agent, &f, out);
	}
	/* The staging file's name may stand behind, and has moved the buffer then. */
	out->name = slice_head(buf_slice(path), f.path.n);
	return fd;
}

static int
open_to_read(const struct agent *agent, const struct f_open *f, struct r_opened *out,
	     struct buf *scratch)
{
	struct stat st;
	int fd = agent_may(agent, RIGHT(read)) ? open_existing(agent, f->path, O_RDONLY, &st)
					       : -EACCES;

	if (fd < 0)
		return fd;
	out->size = (uint64_t)st.st_size;
	if (f->how & OPEN_DIGEST)
		digest_get(fd, &st, scratch);
	out->digest = buf_slice(scratch);
	return fd;
}

int
do_open(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	const struct f_open *f = &in->f_open;
	const unsigned way = f->how & (OPEN_READ | OPEN_WRITE);
	struct r_opened *o = &out->r_opened;
	int fd = -EINVAL;

	o->name = f->path;
	if (way == OPEN_READ)
		fd = open_to_read(agent, f, o, scratch);
	else if (way == OPEN_WRITE && (f->how & OPEN_UNIQUE))
		fd = open_unique(agent, f, o, scratch);
	else if (way == OPEN_WRITE)
		fd = f->how & OPEN_STAGE ? open_staged(agent, f, o, scratch)
					 : open_in_place(agent, f, o);
	out->fd = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

/* Keeps a version of the file, as *st has it.  0 or a negative errno. */
static int
keep_version(const struct agent *agent, struct slice path, const struct stat *st,
	     struct change *change)
{
	struct place p;
	int r = version_place(&p, agent, path, st);

	if (r <= 0)
		return r;
	r = version_keep(agent, p.folder, p.name, true, change);
	place_deinit(&p);
	return r;
}

int
do_prepare(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct r_opened *o = &out->r_opened;
	struct change change = {0};
	struct stat st = {0};
	int r = fstat(in->fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;

	(void)scratch;
	/* A version is younger than the last change of what it is of. */
	if (r == 0)
		r = digest_keep(in->fd, &st, SLICE_NULL);
	if (r == 0 && agent->settings.versions)
		r = keep_version(agent, in->f_prepare.path, &st, &change);
	o->size = (uint64_t)st.st_size;
	o->bytes = change.bytes;
	o->files = change.files;
	if (r == 0)
		out->fd = fcntl(in->fd, F_DUPFD_CLOEXEC, 0);
	return r == 0 && out->fd < 0 ? -errno : r;
}
