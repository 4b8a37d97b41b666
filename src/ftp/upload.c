/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * STOR, APPE and STOU.  The file is opened, staged where that is possible, when the data connection
 * has come, so that a client that never connects has touched nothing (attacks A11); then room is
 * reserved, and only then 150 is said.  How the stream ended decides what becomes of it: a proved
 * end is committed by the agent, and the last reply is that commit's; all else is kept for its user
 * to go on with, or discarded where that is of no use.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/ftp/path.h>

#include "transfer.h"

#define LEAST_RESERVE (1024 * 1024) /* bytes of the quota that an upload begins with */

unsigned
stage_how(const struct ftp_session *s)
{
	bool stages = s->settings->durability != WORD_durability_none;

	return OPEN_WRITE | (stages ? OPEN_STAGE : 0) |
	       (s->settings->rights & RIGHT(overwrite) ? 0 : OPEN_EXCLUSIVE);
}

unsigned
commit_how(const struct ftp_session *s, bool replaces)
{
	bool may = replaces && (s->settings->rights & RIGHT(overwrite));

	return (s->settings->durability == WORD_durability_sync ? COMMIT_SYNC : 0) |
	       (may ? COMMIT_REPLACE : 0);
}

uint64_t
version_room(const struct r_opened *opened)
{
	return opened->versions && opened->stage.n == 0 ? opened->size : 0;
}

void
prepare_in_place(struct ftp_session *s, const char *path, int fd,
		 void (*then)(struct ftp_session *, struct message *))
{
	struct message m = {.id = MSG_F_PREPARE, .f_prepare = {.path = slice_of(path)}};

	ask_late(s, &m, fd, then);
}

bool
give_back(struct ftp_session *s, const char *path, const char *stage, int fd, bool discard,
	  void (*then)(struct ftp_session *, struct message *))
{
	struct slice staged = stage ? slice_of(stage) : SLICE_NULL;
	struct message m = {
		.id = MSG_F_KEEP,
		.f_keep = {.discard = discard, .path = slice_of(path), .stage = staged}};

	if (fd < 0)
		return false;
	if (!discard && staged.n == 0) {
		s->world->close(s, fd);
		return false;
	}
	if (s->closing)
		tell(s, &m, fd);
	else
		ask_late(s, &m, fd, then);
	return !s->closing;
}

static void
given_back(struct ftp_session *s, struct message *m)
{
	(void)m;
	if (s->closing)
		return;
	reply_aborts(s);
	transfer_end(s);
}

/* What was opened is not written to: it is as it was, or gone where it was made for this.  Whether
 * the agent was asked. */
static bool
drop_opened(struct ftp_session *s)
{
	struct transfer *t = s->transfer;
	int fd = t->plan.fd;

	t->plan.fd = -1;
	/* That it was opened is told before it is gone. */
	s->world->release(s);
	return give_back(s, t->path, t->stage, fd, t->made, given_back);
}

/* The upload ends before 150, and the reply to it was sent; what the client says next finds nothing
 * of it. */
static void
give_up(struct ftp_session *s)
{
	if (!drop_opened(s))
		transfer_end(s);
}

static void
reserve(struct ftp_session *s)
{
	const struct transfer *t = s->transfer;
	uint64_t wanted = t->allocated > t->size ? t->allocated - t->size : 0;
	/* Who has reserved nothing would not keep others from having the files counted. */
	uint64_t least = wanted ? wanted : 1;

	s->waits = WAIT_QUOTA;
	s->world->reserve(s, (wanted > LEAST_RESERVE ? wanted : LEAST_RESERVE) + t->version,
			  least + t->version, t->one_more, t->replaces);
}

/* Where in the file the bytes go.  No offset may leave a hole (attacks E13).  Returns whether there
 * is such a place. */
static bool
aim(struct ftp_session *s)
{
	struct transfer *t = s->transfer;
	bool ranged = s->range_start <= s->range_end;
	uint64_t offset = ranged ? s->range_start : s->restart;

	if (t->how & OPEN_UNIQUE)
		return true;
	if (t->appends) {
		t->plan.offset = t->size;
		return true;
	}
	if (offset > t->size) {
		reply(s, 554, "The file ends before the offset of %s.", ranged ? "RANG" : "REST");
		return false;
	}
	t->plan.offset = offset;
	/* The pump cuts, when the first byte can come and not sooner: where the quota refuses the
	 * upload, or TLS fails, the file is as it was (attacks B10). */
	t->plan.cut = !ranged && (t->size > offset || !*t->stage);
	t->plan.length = ranged ? s->range_end - s->range_start + 1 : UINT64_MAX;
	return true;
}

/* Takes what the agent has opened into the transfer.  0 or -ENOMEM. */
static int
adopt(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;

	t->plan.fd = m->fd;
	m->fd = -1;
	t->stage = slice_dup(m->r_opened.stage);
	t->one_more = m->r_opened.created || m->r_opened.versions;
	t->replaces = m->r_opened.replaces;
	t->made = m->r_opened.made;
	t->version = version_room(&m->r_opened);
	t->size = m->r_opened.size;
	if (t->how & OPEN_UNIQUE) {
		free(t->path);
		t->path = slice_dup(m->r_opened.name);
		t->said = slice_dup(path_base(m->r_opened.name));
	}
	bool named = !(t->how & OPEN_UNIQUE) || t->said;
	return t->stage && t->path && named ? 0 : -ENOMEM;
}

static void
opened(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;
	int error = answer_error(m);

	if (!error && adopt(s, m) < 0) {
		error = ENOMEM;
		fd_close(&t->plan.fd);
	}
	if (s->closing) {
		if (!error)
			drop_opened(s);
	} else if (s->aborts) {
		reply_aborted(s);
		give_up(s);
	} else if (error == ENOENT && !(t->how & OPEN_CREATE)) {
		/* Only an upload that begins at an offset does not make its file. */
		reply(s, 554, "There is no file to go on with.");
		give_up(s);
	} else if (error) {
		reply_errno_naming(s, error);
		give_up(s);
	} else if (!aim(s)) {
		give_up(s);
	} else {
		reserve(s);
	}
}

void
upload_connected(struct ftp_session *s)
{
	const struct transfer *t = s->transfer;
	struct message m = {.id = MSG_F_OPEN,
			    .f_open = {.how = t->how, .mode = t->mode, .path = slice_of(t->path)}};

	ask_late(s, &m, -1, opened);
}

static void
prepared(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;
	int error = answer_error(m);

	t->plan.fd = m->fd;
	m->fd = -1;
	if (s->closing) {
		drop_opened(s);
	} else if (s->aborts) {
		reply_aborted(s);
		give_up(s);
	} else if (error) {
		reply_errno_naming(s, error);
		give_up(s);
	} else {
		transfer_start(s);
	}
}

/* There is room.  What is written over is told to the agent first. */
static void
begin_to_write(struct ftp_session *s)
{
	struct transfer *t = s->transfer;
	int fd = t->plan.fd;

	if (*t->stage || t->made) {
		transfer_start(s);
		return;
	}
	t->plan.fd = -1;
	prepare_in_place(s, t->path, fd, prepared);
}

/* An upload that the quota has no room for is recorded although no byte of it came: somebody waits
 * for it. */
static void
refuse(struct ftp_session *s, int error)
{
	const struct transfer_result none = {.end = TRANSFER_QUOTA, .fd = -1};

	if (error == -EDQUOT)
		transfer_log(s, &none, false, 0);
}

void
upload_reserved(struct ftp_session *s, int error, uint64_t bytes)
{
	struct transfer *t = s->transfer;

	if (s->aborts) {
		reply_aborted(s);
		give_up(s);
	} else if (error) {
		refuse(s, error);
		reply_errno(s, error);
		give_up(s);
	} else {
		t->plan.reserved = bytes == UINT64_MAX ? bytes : bytes - t->version;
		begin_to_write(s);
	}
}

/* Which of the words of publish an end is, and one more; 0 for one that never publishes. */
static const unsigned verdicts[] = {
	[TRANSFER_ABORTED] = 1 + WORD_verdict_abor,
	[TRANSFER_RESET] = 1 + WORD_verdict_reset,
	[TRANSFER_STALLED] = 1 + WORD_verdict_timeout,
	[TRANSFER_CONTROL_LOST] = 1 + WORD_verdict_control_lost,
	[TRANSFER_SHUT_DOWN] = 1 + WORD_verdict_shutdown,
	[TRANSFER_TRUNCATED] = 1 + WORD_verdict_no_close_notify,
	[TRANSFER_SHORT] = 1 + WORD_verdict_short,
	[TRANSFER_QUOTA] = 0,
};

/* Whether the upload becomes the file.  One that is written in place is the file already. */
static bool
publishes(const struct ftp_session *s)
{
	const struct transfer *t = s->transfer;
	enum transfer_end end = t->result.end;

	if (t->result.fd < 0)
		return false;
	if (!*t->stage)
		return end == TRANSFER_COMPLETE;
	unsigned word = end == TRANSFER_COMPLETE
				? 1u + (t->result.protected ? WORD_verdict_close_notify
							    : WORD_verdict_fin)
				: verdicts[end];
	return word && (s->settings->publish >> (word - 1) & 1);
}

/*
 * Nobody can go on with what there was no room for; what was there before this upload stays.  Nor
 * with what a sync has failed for: the next one would say that all is well.
 */
static bool
is_of_no_use(const struct transfer *t)
{
	return t->result.lost || (t->plan.offset == 0 && (t->result.end == TRANSFER_QUOTA ||
							  t->result.end == TRANSFER_FILE_ERROR));
}

static void
reply_upload_error(struct ftp_session *s, int error)
{
	/* Who said how much will come could have been told before. */
	if (abs(error) == ENOSPC && s->transfer->allocated)
		reply_errno(s, EDQUOT);
	else
		reply_errno_naming(s, error);
}

static void
reply_verdict(struct ftp_session *s, int error)
{
	const struct transfer *t = s->transfer;
	enum transfer_end end = t->result.end;

	if (end == TRANSFER_FILE_ERROR)
		reply_upload_error(s, t->result.error);
	else if (end != TRANSFER_COMPLETE)
		transfer_reply_end(s, end);
	else if (error)
		reply_upload_error(s, error);
	else if (!t->publishes)
		reply(s, 451, "Such an end proves nothing here: the file is as it was.");
	else
		transfer_reply_end(s, end);
	reply_aborts(s);
}

static void
committed(struct ftp_session *s, struct message *m)
{
	struct transfer *t = s->transfer;
	int error = answer_error(m);

	if (!error)
		t->result.size = m->r_closed.size;
	transfer_log(s, &t->result, !error, error);
	t->ended = true;
	if (s->closing)
		return;
	reply_verdict(s, error);
	transfer_end(s);
}

static void
kept(struct ftp_session *s, struct message *m)
{
	(void)m;
	if (s->closing)
		return;
	reply_verdict(s, 0);
	transfer_end(s);
}

/* The end is proved: the agent makes it the file.  Where the session ends nobody waits for that. */
static void
commit(struct ftp_session *s)
{
	struct transfer *t = s->transfer;
	unsigned how = commit_how(s, !(t->how & OPEN_UNIQUE));
	struct message m = {.id = MSG_F_COMMIT,
			    .f_commit = {.how = how,
					 .mode = t->mode,
					 .path = slice_of(t->path),
					 .stage = slice_of(t->stage),
					 .digest = t->result.digest}};
	int fd = t->result.fd;

	t->result.fd = -1;
	if (s->closing) {
		tell(s, &m, fd);
		transfer_log(s, &t->result, true, 0);
		transfer_end(s);
	} else {
		ask_late(s, &m, fd, committed);
	}
}

/* Whether something is left that is not the file: what is staged; or, in place, nothing at all,
 * which goes. */
static bool
leaves_something(const struct transfer *t)
{
	return t->result.fd >= 0 && !t->publishes &&
	       (*t->stage || (t->made && t->result.size == 0));
}

static void
keep(struct ftp_session *s)
{
	struct transfer *t = s->transfer;
	int fd = t->result.fd;

	t->result.fd = -1;
	transfer_log(s, &t->result, false, 0);
	if (!give_back(s, t->path, t->stage, fd, !*t->stage || is_of_no_use(t), kept))
		transfer_end(s);
}

/* There is nothing to ask of the agent: no file came back, or one in place that is as it is. */
static void
end_at_once(struct ftp_session *s)
{
	struct transfer *t = s->transfer;

	if (t->result.fd >= 0)
		s->world->close(s, t->result.fd);
	t->result.fd = -1;
	transfer_log(s, &t->result, t->publishes, 0);
	if (!s->closing)
		reply_verdict(s, 0);
	transfer_end(s);
}

/* ALLO said how long the file will be; with TYPE A it may have counted the bytes of either end. */
static bool
is_short(const struct transfer *t)
{
	return t->result.end == TRANSFER_COMPLETE && t->result.size < t->allocated &&
	       (!t->plan.ascii || t->result.bytes < t->allocated);
}

void
upload_transferred(struct ftp_session *s, const struct transfer_result *result)
{
	struct transfer *t = s->transfer;

	t->result = *result;
	t->digest = slice_dup(result->digest);
	t->result.digest = t->digest ? slice_of(t->digest) : SLICE_NULL;
	if (is_short(t))
		t->result.end = TRANSFER_SHORT;
	t->publishes = publishes(s);
	/* In place there may be nothing left to do. */
	bool is_done = !*t->stage && !t->result.digest.n &&
		       s->settings->durability != WORD_durability_sync;
	if (t->publishes && !is_done)
		commit(s);
	else if (leaves_something(t))
		keep(s);
	else
		end_at_once(s);
}

void
upload_end(struct ftp_session *s)
{
	struct transfer *t = s->transfer;

	if (s->waits == WAIT_QUOTA) {
		drop_opened(s);
	} else if (s->waits == WAIT_AGENT && t->publishes && !t->ended) {
		/* It was asked for, and nobody is left to hear the answer. */
		transfer_log(s, &t->result, true, 0);
	}
}

void
upload_expire(struct ftp_session *s)
{
	if (s->waits == WAIT_AGENT && s->then == kept)
		reply_verdict(s, 0);
}

/* An upload to s->path, which becomes the transfer's. */
static void
begin(struct ftp_session *s, unsigned how, bool appends)
{
	struct transfer *t = transfer_begin(s, true);

	if (!t)
		return;
	t->path = s->path;
	s->path = NULL;
	t->appends = appends;
	t->how = how | stage_how(s);
	t->mode = 0666 & ~s->umask;
	t->allocated = s->allocated;
	t->plan.sync = s->settings->durability == WORD_durability_sync;
	transfer_connect(s);
}

void
do_stor(struct ftp_session *s, struct slice arg)
{
	bool whole = s->restart == 0 && s->range_start > s->range_end;
	bool stages = s->settings->durability != WORD_durability_none;

	(void)arg;
	uint64_t offset = s->range_start <= s->range_end ? s->range_start : s->restart;
	if (!transfer_may_restart(s))
		return;
	/* Staged, the agent knows whether he goes on with a part of his own. */
	if (!whole && !stages && !require_right(s, RIGHT(overwrite)))
		prepared_reset(s);
	else
		begin(s, (whole ? OPEN_WHOLE : 0) | (offset ? 0 : OPEN_CREATE), false);
}

/* REST says nothing about an append (attacks E15): it is dropped. */
void
do_appe(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	restart_reset(s);
	begin(s, OPEN_CREATE, true);
}

/* RFC 959 §4.1.3; a name that some clients suggest is not taken. */
void
do_stou(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	restart_reset(s);
	s->path = strdup(s->cwd);
	if (s->path)
		begin(s, OPEN_CREATE | OPEN_UNIQUE | OPEN_EXCLUSIVE, false);
	else
		reply_errno(s, ENOMEM);
}
