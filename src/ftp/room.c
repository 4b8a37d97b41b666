/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * How much room there is: ALLO (RFC 959 §4.1.3), AVBL
 * (draft-peterson-streamlined-ftp-command-extensions), and the quota by SITE QUOTA and XQUOTA,
 * which no RFC describes.
 */
#include <wharf/base/check.h>
#include <wharf/ftp/number.h>

#include "command.h"

void
ask_quota(struct ftp_session *s, void (*then)(struct ftp_session *s, const struct quota *quota))
{
	s->waits = WAIT_QUOTA;
	s->task->told = then;
	s->world->ask_quota(s);
}

void
ftp_session_quota_told(struct ftp_session *s, int error, const struct quota *quota)
{
	if (s->closing || !CHECK(s->waits == WAIT_QUOTA && s->task && s->task->told))
		return;
	s->waits = WAIT_NONE;
	if (error)
		reply_errno(s, error);
	else
		s->task->told(s, quota);
	finish(s);
	session_answered(s);
}

/* What is left of a limit; UINT64_MAX where there is none. */
static uint64_t
left_of(uint64_t limit, uint64_t used, uint64_t reserved)
{
	if (limit == UINT64_MAX)
		return UINT64_MAX;
	return used < limit && reserved < limit - used ? limit - used - reserved : 0;
}

uint64_t
quota_left(const struct quota *quota)
{
	return left_of(quota->limit_bytes, quota->bytes, quota->reserved_bytes);
}

static uint64_t
room(const struct ftp_session *s, const struct quota *quota)
{
	uint64_t left = quota_left(quota);

	return left < s->task->room ? left : s->task->room;
}

/* Asks for the disk's room and then for the quota's. */
static void
ask_room(struct ftp_session *s, const char *path,
	 void (*then)(struct ftp_session *, struct message *))
{
	struct message m = {.id = MSG_F_SPACE, .f_space = {.path = slice_of(path)}};

	ask(s, &m, then);
}

static void
allo_told(struct ftp_session *s, const struct quota *quota)
{
	if (room(s, quota) < s->task->size) {
		reply(s, 552, "There is no room for so much.");
		return;
	}
	s->allocated = s->task->size;
	reply(s, 200, "There is room.");
}

static void
allo_answered(struct ftp_session *s, struct message *m)
{
	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	s->task->room = m->r_space.bytes;
	ask_quota(s, allo_told);
}

/* "n", or "n R m" with a record size that files have no use for.  What it says counts for the next
 * upload, which is broken where it is shorter. */
void
do_allo(struct ftp_session *s, struct slice arg)
{
	struct slice rest, record;
	struct slice number = split_word(arg, &rest);
	struct slice r = split_word(rest, &record);
	uint64_t bytes, record_size;
	bool bad = number_parse_u64(number, UINT64_MAX, &bytes) != 0;

	s->allocated = 0;
	if (rest.n)
		bad = bad || !slice_equal_nocase(r, SLICE("R")) ||
		      number_parse_u64(record, UINT64_MAX, &record_size) != 0;
	if (bad) {
		reply(s, 501, "A size in bytes is wanted.");
		return;
	}
	struct task *task = task_begin(s);
	if (!task)
		return;
	task->size = bytes;
	ask_room(s, s->cwd, allo_answered);
}

static void
avbl_told(struct ftp_session *s, const struct quota *quota)
{
	reply(s, 213, "%llu", (unsigned long long)room(s, quota));
}

static void
avbl_answered(struct ftp_session *s, struct message *m)
{
	if (answer_error(m)) {
		reply_errno(s, answer_error(m));
		return;
	}
	s->task->room = m->r_space.bytes;
	ask_quota(s, avbl_told);
}

void
do_avbl(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (task_begin(s))
		ask_room(s, s->path, avbl_answered);
}

/* " name: number", or what stands for no limit. */
static void
add_line(struct buf *b, const char *name, uint64_t number)
{
	buf_printf(b, " %s: ", name);
	if (number == UINT64_MAX)
		buf_add_str(b, "Unlimited");
	else
		buf_add_u64(b, number);
	buf_add_str(b, "\r\n");
}

static bool
has_limit(const struct quota *q)
{
	return q->limit_bytes != UINT64_MAX || q->limit_files != UINT64_MAX;
}

/* The form that clients know from another server.  Who has no limit is not counted. */
static void
xquota_told(struct ftp_session *s, const struct quota *q)
{
	struct buf b = BUF_INIT;

	buf_add_str(&b, "213-File and disk usage\r\n");
	if (has_limit(q))
		add_line(&b, "File count", q->files);
	add_line(&b, "File limit", q->limit_files);
	if (has_limit(q))
		add_line(&b, "Disk usage", q->bytes);
	add_line(&b, "Disk limit", q->limit_bytes);
	buf_add_str(&b, "213 End\r\n");
	reply_raw(s, 213, &b);
	buf_deinit(&b);
}

void
do_xquota(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (task_begin(s))
		ask_quota(s, xquota_told);
}

static void
quota_told(struct ftp_session *s, const struct quota *q)
{
	struct buf b = BUF_INIT;

	if (!has_limit(q)) {
		reply(s, 200, "You have no quota.");
		return;
	}
	buf_add_str(&b, "200-Quota\r\n");
	add_line(&b, "Bytes used", q->bytes);
	add_line(&b, "Bytes reserved", q->reserved_bytes);
	add_line(&b, "Bytes free", quota_left(q));
	add_line(&b, "Bytes limit", q->limit_bytes);
	add_line(&b, "Files used", q->files);
	add_line(&b, "Files reserved", q->reserved_files);
	add_line(&b, "Files free", left_of(q->limit_files, q->files, q->reserved_files));
	add_line(&b, "Files limit", q->limit_files);
	buf_add_str(&b, "200 End\r\n");
	reply_raw(s, 200, &b);
	buf_deinit(&b);
}

void
site_quota(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (task_begin(s))
		ask_quota(s, quota_told);
}
