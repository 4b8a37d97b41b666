/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* F_KEEP, the end of an upload that is not proved: what is staged is kept for later, or discarded.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "hold.h"
#include "stage.h"

/* Removes the name of the file with these facts.  0 or a negative errno. */
static int
discard(int folder, const char *name, const struct stat *st, struct change *change)
{
	if (unlinkat(folder, name, 0) < 0)
		return -errno;
	change_gone(change, st);
	return 0;
}

/*
 * A part with a random name gets the ordinary one, unless that is written now; the part that had it
 * is older.  0, or a negative errno and it can't be kept.
 */
static int
keep_under_own_name(struct agent *agent, const struct place *place, const char *stage,
		    struct change *change)
{
	char own[STAGE_NAME_SIZE];

	int r = stage_remove(agent, place, change);
	if (r < 0 && r != -ENOENT)
		return r;
	stage_name(agent, slice_of(place->name), own);
	return rename_to_free(place->folder, stage, place->folder, own);
}

/* What is staged is kept, or discarded.  0 or a negative errno. */
static int
keep_staged(struct agent *agent, const struct f_keep *f, const struct stat *st,
	    struct change *change)
{
	char stage[STAGE_NAME_SIZE];
	struct place place;
	int r = stage_parse(f->stage, stage);

	if (r == 0)
		r = place_init(&place, agent, f->path);
	if (r != 0)
		return r;
	bool goes = f->discard || st->st_size == 0;
	if (!stage_is_named(place.folder, stage, st))
		r = -ESTALE;
	else if (!goes && stage_is_random(f->stage))
		goes = keep_under_own_name(agent, &place, stage, change) < 0;
	if (r == 0 && goes)
		r = discard(place.folder, stage, st, change);
	place_deinit(&place);
	return r;
}

/* Whether a file may be one that was made in place, and that nobody has written to: it is empty,
 * and open to write.  0 or a negative errno. */
static int
check_made(const struct agent *agent, int fd, const struct stat *st)
{
	if (st->st_size > 0)
		return -ENOTEMPTY;
	return agent_may(agent, RIGHT(write)) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR
		       ? 0
		       : -EACCES;
}

/* Removes such a file, where the name is still its own.  0 or a negative errno. */
static int
discard_in_place(struct agent *agent, struct slice path, const struct stat *st,
		 struct change *change)
{
	struct place place;
	int r = place_init(&place, agent, path);

	if (r < 0)
		return r;
	int hold = hold_take(agent);
	r = stage_is_named(place.folder, place.name, st)
		    ? discard(place.folder, place.name, st, change)
		    : -ESTALE;
	hold_release(agent, &hold);
	place_deinit(&place);
	return r;
}

int
do_keep(struct agent *agent, const struct message *in, struct message *out, struct buf *scratch)
{
	const struct f_keep *f = &in->f_keep;
	struct change change = {0};
	struct stat st;
	int r = fstat(in->fd, &st) < 0 ? -errno : 0;

	(void)scratch;
	out->r_closed.size = r == 0 ? (uint64_t)st.st_size : 0;
	if (r < 0)
		return r;
	if (f->stage.n > 0)
		r = keep_staged(agent, f, &st, &change);
	else if (f->discard && (r = check_made(agent, in->fd, &st)) == 0)
		r = discard_in_place(agent, f->path, &st, &change);
	out->r_closed.bytes = change.bytes;
	out->r_closed.files = change.files;
	return r;
}
