/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Uploads: the data connection to a file.  To memory bytes go at once.  To a disk they gather in a
 * block, which is written where that does not wait, else by the pool, while the next block fills.
 *
 * An upload is complete when FIN came, every byte was written, and close() had nothing to say
 * against it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "pump.h"

/* A whole file that is no larger is written and closed in the loop: the page cache of a local disk
 * takes it at once. */
#define SMALL (64U * 1024)

size_t
pump_receive_rest(const struct pump *p, char **block)
{
	struct file *f = p->file;

	*block = f->block[p->next];
	/* The block that the pool writes now comes first. */
	return *block && f->task != FILE_CLOSE ? p->filled : 0;
}

static void
fail(struct pump *p, ssize_t error)
{
	/* What could not be written is not tried again. */
	p->filled = 0;
	pump_end(p, TRANSFER_FILE_ERROR, (int)error);
}

static bool
is_small(const struct pump *p)
{
	return (p->file->class == FILE_MEMORY && p->moved <= FILE_FREED_AT_ONCE) ||
	       (p->file->class == FILE_LOCAL && p->moved <= SMALL);
}

/* The bytes of the block are written, or on their way to it. */
static void
written(struct pump *p, size_t n)
{
	p->position += n;
	p->filled -= n;
}

/*
 * Has what was gathered written.  0: the block is free again.  -EAGAIN: the pool is busy with the
 * other one.  Else the transfer has ended.
 */
static int
flush(struct pump *p)
{
	struct file *f = p->file;
	char *block = f->block[p->next];
	ssize_t n = 0;

	if (p->filled == 0)
		return 0;
	if (f->busy)
		return -EAGAIN;
	if (f->class == FILE_MEMORY || (p->eof && is_small(p)))
		n = file_do(f, FILE_WRITE, block, p->filled, p->position);
	else if (f->class == FILE_LOCAL)
		n = file_write_nowait(f, block, p->filled, p->position);
	if (n < 0) {
		fail(p, n);
		return (int)n;
	}
	if ((size_t)n == p->filled) {
		written(p, p->filled);
		return 0;
	}
	file_start(f, FILE_WRITE, block + n, p->filled - (size_t)n, p->position + (uint64_t)n);
	written(p, p->filled);
	p->next ^= 1;
	return 0;
}

/* FIN came: all is written, then the file is closed, and what close() says is the end. */
static void
finish(struct pump *p)
{
	struct file *f = p->file;
	int r = file_block(f, p->next);

	if (r < 0) {
		fail(p, r);
		return;
	}
	if (p->plan.ascii && p->filled < FILE_BLOCK)
		p->filled += ascii_decode_end(&p->ascii, f->block[p->next] + p->filled);
	pump_wait_socket(p, 0);
	if (p->filled > 0 && flush(p) < 0)
		return;
	if (f->busy)
		return;
	if (!is_small(p)) {
		file_start(f, FILE_CLOSE, NULL, 0, 0);
		return;
	}
	r = (int)file_do(f, FILE_CLOSE, NULL, 0, 0);
	if (r < 0)
		fail(p, r);
	else
		pump_end(p, TRANSFER_COMPLETE, 0);
}

/* Puts n bytes that stand in `from` behind what the block has. */
static void
gather(struct pump *p, const char *from, size_t n)
{
	char *to = p->file->block[p->next] + p->filled;

	if (p->plan.ascii)
		p->filled += ascii_decode(&p->ascii, from, n, to);
	else
		p->filled += n;
}

/* Receives into the block, which has room.  Whether to go on at once. */
static bool
receive_some(struct pump *p, size_t *left)
{
	size_t room = FILE_BLOCK - p->filled;
	size_t n = pump_allowance(p, room < *left ? room : *left);

	if (n == 0 || p->ended)
		return false;
	char *to = p->plan.ascii ? p->all->in : p->file->block[p->next] + p->filled;
	ssize_t got = pump_receive(p, to, n);
	if (got < 0) {
		if (got == -EAGAIN) {
			/* Memory is not kept waiting, so that a reader of the file sees what came.
			 */
			if (p->file->class == FILE_MEMORY && flush(p) < 0)
				return false;
			pump_wait_socket(p, UV_READABLE);
		} else if (got != -EINTR && !p->ended) {
			pump_end_by_socket(p, (int)got);
		}
		return got == -EINTR && !p->ended;
	}
	if (got == 0) {
		p->eof = true;
		finish(p);
		return false;
	}
	pump_count(p, (size_t)got);
	*left -= (size_t)got;
	gather(p, to, (size_t)got);
	return true;
}

/* May the file grow by what the block holds? */
static bool
is_within(struct pump *p)
{
	uint64_t room = p->plan.length - (p->position - p->plan.offset);

	if (p->plan.length == UINT64_MAX || p->filled <= room)
		return true;
	p->filled = (size_t)room;
	if (flush(p) == 0)
		pump_end(p, TRANSFER_FILE_ERROR, -EFBIG);
	return false;
}

/* Cuts the file where that was asked for and it is longer.  Whether it is done. */
static bool
cut(struct pump *p)
{
	struct file *f = p->file;

	if (!p->plan.cut)
		return true;
	if (f->busy)
		return false;
	p->plan.cut = false;
	if (f->size == p->plan.offset && f->class != FILE_REMOTE)
		return true;
	if (f->class != FILE_MEMORY || f->size - p->plan.offset > FILE_FREED_AT_ONCE) {
		/* Goes on when it is done, for the socket may have nothing more to tell: TLS reads
		 * ahead. */
		pump_wait_socket(p, 0);
		file_start(f, FILE_CUT, NULL, 0, p->plan.offset);
		return false;
	}
	ssize_t r = file_do(f, FILE_CUT, NULL, 0, p->plan.offset);
	if (r < 0)
		fail(p, r);
	return r == 0;
}

void
pump_receive_step(struct pump *p)
{
	size_t left = pump_slice(p);
	int r;

	if (p->held || p->ended || !cut(p))
		return;
	if (p->eof) {
		finish(p);
		return;
	}
	while (left > 0) {
		if ((r = file_block(p->file, p->next)) < 0) {
			fail(p, r);
			return;
		}
		/* The timer's turn: a trickle is not kept longer than a second. */
		bool old = p->filled > 0 && uv_now(p->all->loop) - p->last_moved >= 900;
		if ((p->filled >= FILE_BLOCK || old) && !p->file->busy && flush(p) < 0)
			return;
		if ((r = file_block(p->file, p->next)) < 0) {
			fail(p, r);
			return;
		}
		if (p->filled >= FILE_BLOCK) {
			pump_wait_socket(p, 0);
			return;
		}
		if (!receive_some(p, &left) || !is_within(p))
			return;
	}
	pump_wait_socket(p, UV_READABLE);
	/* What TLS has in hand already the socket does not tell of. */
	if (p->tls && tls_has_more(p->tls))
		pump_again(p);
}

void
pump_receive_task_done(struct pump *p)
{
	struct file *f = p->file;

	if (f->result < 0) {
		fail(p, f->result);
		return;
	}
	if (f->task == FILE_CLOSE) {
		pump_end(p, TRANSFER_COMPLETE, 0);
		return;
	}
	p->last_moved = uv_now(p->all->loop);
	if (p->eof || p->socket_events == 0)
		pump_receive_step(p);
}
