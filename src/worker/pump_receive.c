/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Uploads: the data connection to a file.  To memory bytes go at once.  To a disk they gather in a
 * block, which is written where that does not wait, else by the pool, while the next block fills.
 *
 * An upload is complete when FIN came, every byte was written, and the file system had nothing to
 * say against it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "pump.h"

/* A whole file that is no larger is written and closed in the loop: the page cache of a local disk
 * takes it at once. */
#define SMALL (64U * 1024)

/* How much is asked for at a time when what is reserved goes to its end, at first and at most. */
#define MORE_FIRST (1U << 20)
#define MORE_MAX   (64U << 20)
/* So much of it is left when more is asked for, so that the bytes need not wait; a small upload
 * does not ask again. */
#define MORE_AHEAD (2U * FILE_BLOCK)
/* What is larger is on disk before its end is told: its agent then has little left to do. */
#define SYNC_FROM (1U << 20)
/* How fast a disk is at least, in bytes a millisecond. */
#define SYNC_RATE 8192
/* A block of text is full when it has less room than this: it never fills to the end, for what
 * comes becomes less, and to go on would be to ask for a few bytes, and then for fewer. */
#define TEXT_ROOM (64U * 1024)
/* Bytes of a file that one task adds to a digest. */
#define HASH_PIECE (16U << 20)

int
pump_receive_init(struct pump *p)
{
	struct file *f = p->file;

	p->size_before = f->size;
	p->limit = UINT64_MAX;
	if (p->plan.reserved < UINT64_MAX - f->size)
		p->limit = f->size + p->plan.reserved;
	/* A file that is gone on with is read again at its end. */
	return p->plan.offset == 0 ? hash_begin_named(&f->hash, p->all->digests, p->plan.digest)
				   : 0;
}

/* How many of the bytes that are to be written are reserved. */
static size_t
reserved(const struct pump *p)
{
	uint64_t left = p->limit > p->position ? p->limit - p->position : 0;

	return left < p->filled ? (size_t)left : p->filled;
}

size_t
pump_receive_unwritten(const struct pump *p, char **block)
{
	struct file *f = p->file;

	*block = f->block[p->next];
	/* The block that the pool writes now comes first. */
	return *block && f->task != FILE_CLOSE ? reserved(p) : 0;
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

static void
ask_for_more(struct pump *p)
{
	uint64_t had = p->limit - p->size_before, wanted = had / 2;

	if (p->asks)
		return;
	wanted = wanted < MORE_FIRST ? MORE_FIRST : wanted > MORE_MAX ? MORE_MAX : wanted;
	p->asks = p->asking = true;
	p->calls->more(p->owner, wanted);
	p->asking = false;
}

/*
 * Whether all that was gathered is reserved.  Where it is not, more is asked for; where there is no
 * more, what is reserved is written, and that is the end.
 */
static bool
is_reserved(struct pump *p)
{
	if (p->limit == UINT64_MAX)
		return true;
	if (reserved(p) == p->filled && !p->refused && !p->eof &&
	    p->limit - p->position - p->filled < MORE_AHEAD)
		ask_for_more(p);
	/* Each answer may bring a little. */
	while (!p->ended && !p->asks && !p->refused && reserved(p) < p->filled)
		ask_for_more(p);
	if (!p->ended && p->refused && reserved(p) < p->filled)
		pump_end(p, TRANSFER_QUOTA, 0);
	return !p->ended && reserved(p) == p->filled;
}

void
pump_granted(struct pump *p, int error, uint64_t bytes)
{
	if (p->ended)
		return;
	p->asks = false;
	p->refused = error == -EDQUOT;
	p->last_moved = uv_now(p->all->loop);
	if (error == 0)
		p->limit = bytes < UINT64_MAX - p->limit ? p->limit + bytes : UINT64_MAX;
	/* What is reserved is used all the same: it may be enough. */
	if (error < 0 && !p->refused && reserved(p) < p->filled)
		pump_end(p, TRANSFER_FILE_ERROR, error);
	else if (!p->asking)
		p->step(p);
}

/* Digests that take their time are computed by the pool, with the write. */
static bool
is_slow(const struct pump *p)
{
	return p->file->hash.ctx && p->filled > SMALL;
}

/* Writes n bytes that were gathered, or some of them, where that does not wait.  How many, or a
 * negative errno. */
static ssize_t
write_now(struct pump *p, size_t n)
{
	struct file *f = p->file;
	char *block = f->block[p->next];

	if (is_slow(p))
		return 0;
	if (f->class == FILE_MEMORY || (p->eof && is_small(p)))
		return file_do(f, FILE_WRITE, block, n, p->position);
	return f->class == FILE_LOCAL ? file_write_nowait(f, block, n, p->position) : 0;
}

/*
 * Has what was gathered written.  0: the block is free again.  -EAGAIN: the pool is busy with the
 * other one, or more of the quota is asked for.  Else the transfer has ended.
 */
static int
flush(struct pump *p)
{
	struct file *f = p->file;
	char *block = f->block[p->next];

	if (p->filled == 0)
		return 0;
	if (f->busy)
		return -EAGAIN;
	if (!is_reserved(p))
		return p->ended ? -ECANCELED : -EAGAIN;
	ssize_t n = write_now(p, p->filled);
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

/* Whether the digest that was computed so far is that of all of a file of that size. */
static bool
is_hashed(const struct pump *p, uint64_t size)
{
	return p->file->hash.on && p->file->hash.n == size;
}

/*
 * The next piece of a file that has to be read for its digest: bytes were there before, or stand
 * behind.  Whether there is one.  Where the file can't be read there is no digest.
 */
static bool
hash_again(struct pump *p)
{
	struct file *f = p->file;
	bool is_gone;

	if (p->plan.digest == WORD_digest_none || is_hashed(p, file_size(f, &is_gone)) ||
	    (fcntl(f->fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return false;
	if (!p->reads_again) {
		p->reads_again = true;
		hash_deinit(&f->hash);
		if (hash_begin_named(&f->hash, p->all->digests, p->plan.digest) < 0)
			return false;
	}
	if (!f->hash.on || file_block(f, 0) < 0)
		return false;
	file_start(f, FILE_HASH, f->block[0], HASH_PIECE, f->hash.n);
	return true;
}

/*
 * All is written; what is still to be done before that counts as the end.  Errors that come late
 * are told by fdatasync(2), for small files in the agent, which fsyncs them; where no sync is
 * wanted, by what close(2) says where it may say anything, which is on file systems of the network.
 * Whether something runs.
 */
static bool
is_settling(struct pump *p)
{
	struct file *f = p->file;

	if (p->plan.sync && !p->synced && f->class != FILE_MEMORY && p->moved > SYNC_FROM) {
		p->synced = true;
		/* It takes as long as the disk does: no stall. */
		p->last_moved = uv_now(p->all->loop) + p->moved / SYNC_RATE;
		file_start(f, FILE_SYNC, NULL, 0, 0);
		return true;
	}
	if (!p->plan.sync && !p->flushed && f->class == FILE_REMOTE) {
		p->flushed = true;
		file_start(f, FILE_FLUSH, NULL, 0, 0);
		return true;
	}
	return hash_again(p);
}

/* FIN came: all is written, and then settled. */
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
	if (!f->busy && !is_settling(p))
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
			if (p->file->class == FILE_MEMORY)
				flush(p);
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

/* Whether the block is to be written before more is received. */
static bool
is_full(const struct pump *p)
{
	return p->filled >= (p->plan.ascii ? FILE_BLOCK - TEXT_ROOM : FILE_BLOCK);
}

/* May the file grow by what the block holds? */
static bool
is_within(struct pump *p)
{
	uint64_t room = p->plan.length - (p->position - p->plan.offset);

	if (p->plan.length == UINT64_MAX || p->filled <= room)
		return true;
	p->filled = (size_t)room;
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
		if ((is_full(p) || old) && !p->file->busy)
			flush(p);
		if (p->ended)
			return;
		if ((r = file_block(p->file, p->next)) < 0) {
			fail(p, r);
			return;
		}
		if (is_full(p)) {
			pump_wait_socket(p, 0);
			return;
		}
		if (!receive_some(p, &left) || !is_within(p))
			return;
	}
	/* What TLS has in hand already the socket does not tell of. */
	if (p->tls && tls_has_more(p->tls))
		pump_again(p);
	else
		pump_wait_socket(p, UV_READABLE);
}

void
pump_receive_task_done(struct pump *p)
{
	struct file *f = p->file;

	if (f->result < 0) {
		fail(p, f->result);
		return;
	}
	if (f->task == FILE_HASH && f->result == 0)
		p->plan.digest = WORD_digest_none; /* it shrank */
	p->last_moved = uv_now(p->all->loop);
	if (p->eof || p->socket_watch.events == 0)
		pump_receive_step(p);
}

bool
pump_receive_rest(struct pump *p)
{
	struct file *f = p->file;

	if (f->busy)
		return false;
	if (f->result < 0)
		p->filled = 0;
	p->filled = reserved(p);
	if (p->filled == 0)
		return true;
	ssize_t n = write_now(p, p->filled);
	if (n < 0 || (size_t)n == p->filled) {
		p->position += n < 0 ? 0 : p->filled;
		p->filled = 0;
		return true;
	}
	file_start(f, FILE_WRITE, f->block[p->next] + n, p->filled - (size_t)n,
		   p->position + (uint64_t)n);
	written(p, p->filled);
	return false;
}

void
pump_receive_digest(struct pump *p)
{
	if (is_hashed(p, p->result.size))
		hash_end_named(&p->file->hash, p->plan.digest, p->digest);
}
