/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* F_STAT and F_SPACE, and what a file's mode means to this user. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/ftp/entry.h>
#include <wharf/sandbox/jail.h>

#include "retain.h"
#include "stage.h"

void
look_owners(const struct agent *agent, uint32_t uid, uint32_t gid, struct slice *owner,
	    struct slice *group)
{
	switch (agent->settings.list_owners) {
	case WORD_list_owners_names:
		*owner = names_of(&agent->users, uid);
		*group = names_of(&agent->groups, gid);
		break;
	case WORD_list_owners_hidden:
		*owner = *group = SLICE("ftp");
		break;
	default:
		*owner = *group = SLICE_NULL;
		break;
	}
}

static bool
is_in_group(const struct identity *who, uint32_t gid)
{
	bool is = who->gid == gid;

	for (size_t i = 0; i < who->n_groups && !is; i++)
		is = who->groups[i] == gid;
	return is;
}

/*
 * The three bits of a mode that count for this user.  Nobody here has a capability, so root is a
 * user too.
 */
static unsigned
own_bits(const struct agent *agent, const struct stat *st)
{
	unsigned shift = 0;

	if (st->st_uid == agent->who.uid)
		shift = 6;
	else if (is_in_group(&agent->who, st->st_gid))
		shift = 3;
	return st->st_mode >> shift & 7;
}

/* Whether the file may be taken out of its folder: renamed or removed. */
static bool
is_movable(const struct agent *agent, const struct stat *st, const struct stat *parent)
{
	if (!parent || (own_bits(agent, parent) & 3) != 3)
		return false;
	return !(parent->st_mode & S_ISVTX) || st->st_uid == agent->who.uid ||
	       parent->st_uid == agent->who.uid;
}

unsigned
look_perm(const struct agent *agent, const struct stat *st, const struct stat *parent)
{
	/* The fact's letter, the bits of the file's own mode, the right. */
	static const struct {
		unsigned perm, bits, right;
		bool folder;
	} rows[] = {
		{PERM_RETRIEVE, 4, RIGHT(read), false},   {PERM_APPEND, 2, RIGHT(overwrite), false},
		{PERM_STORE, 2, RIGHT(overwrite), false}, {PERM_ENTER, 1, 0, true},
		{PERM_LIST, 5, RIGHT(list), true},        {PERM_CREATE, 3, RIGHT(write), true},
		{PERM_MKDIR, 3, RIGHT(mkdir), true},      {PERM_PURGE, 3, RIGHT(delete), true},
	};
	unsigned bits = own_bits(agent, st), perm = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].folder == S_ISDIR(st->st_mode) &&
		    (bits & rows[i].bits) == rows[i].bits && agent_may(agent, rows[i].right))
			perm |= rows[i].perm;
	if (is_movable(agent, st, parent)) {
		perm |= agent_may(agent, RIGHT(delete)) ? PERM_DELETE : 0;
		perm |= agent_may(agent, RIGHT(rename)) ? PERM_RENAME : 0;
	}
	return perm;
}

/* Whether the user has a part of that name in the folder; then its facts are in *st. */
static bool
look_at_part(const struct agent *agent, int folder, struct slice base, struct stat *st)
{
	char name[STAGE_NAME_SIZE];
	struct stat part;

	if (agent->settings.durability == WORD_durability_none)
		return false;
	stage_name(agent, base, name);
	if (fstatat(folder, name, &part, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(part.st_mode) ||
	    part.st_uid != agent->who.uid)
		return false;
	part.st_mode &= ~(mode_t)S_ISVTX;
	*st = part;
	return true;
}

/*
 * What a path leads to, or the link itself where it leads nowhere.  *in_folder: whether it has a
 * parent, whose facts are in *parent then.  wants_part: of the user's own part, where there is one.
 */
static int
look_at(const struct agent *agent, struct slice path, bool wants_part, struct stat *st,
	struct stat *parent, bool *in_folder)
{
	struct slice base;
	char name[NAME_MAX + 1];
	int fd = jail_open(agent->root, path, O_PATH, 0);
	int r = fd < 0 ? fd : fstat(fd, st) < 0 ? -errno : 0;

	fd_close(&fd);
	int folder = jail_parent(agent->root, path, O_PATH, &base);
	*in_folder = folder >= 0 && fstat(folder, parent) == 0;
	if (wants_part && folder >= 0 && look_at_part(agent, folder, base, st))
		r = 0;
	if ((r == -ENOENT || r == -ELOOP) && folder >= 0) {
		name_terminate(base, name);
		if (fstatat(folder, name, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st->st_mode))
			r = 0;
	}
	fd_close(&folder);
	return r;
}

static bool
is_link(const struct agent *agent, struct slice path)
{
	struct stat st;
	int fd = jail_open(agent->root, path, O_PATH | O_NOFOLLOW, 0);
	bool is = fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);

	fd_close(&fd);
	return is;
}

/* What retention takes of a file's letters; a link can go whatever it leads to. */
static unsigned
perm_of_held(const struct agent *agent, struct slice path, const struct stat *st)
{
	if (retain_check(agent, path, st) == 0)
		return 0;
	return is_link(agent, path) ? PERM_HELD_CONTENT : PERM_HELD;
}

int
do_stat(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct r_stat *o = &out->r_stat;
	struct stat st, parent;
	bool in_folder;
	int r = look_at(agent, in->f_stat.path, in->f_stat.part != 0, &st, &parent, &in_folder);

	(void)scratch;
	if (r < 0)
		return r;
	o->mode = st.st_mode;
	o->size = (uint64_t)st.st_size;
	o->mtime = st.st_mtime;
	o->nlink = st.st_nlink;
	o->uid = st.st_uid;
	o->gid = st.st_gid;
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	o->perm = look_perm(agent, &st, in_folder ? &parent : NULL) &
		  ~perm_of_held(agent, in->f_stat.path, &st);
	/* RMD removes no link, nor what is behind it. */
	if (S_ISDIR(st.st_mode) && is_link(agent, in->f_stat.path))
		o->perm &= ~(unsigned)PERM_DELETE;
	look_owners(agent, st.st_uid, st.st_gid, &o->owner, &o->group);
	return 0;
}

int
do_space(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	struct statvfs fs;
	int fd = jail_open(agent->root, in->f_space.path, O_PATH, 0);

	(void)scratch;
	if (fd < 0)
		return fd;
	int r = fstatvfs(fd, &fs) < 0 ? -errno : 0;
	fd_close(&fd);
	if (r == 0)
		out->r_space.bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return r;
}
