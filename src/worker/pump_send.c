/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Downloads and listings: a file or a pipe to the data connection.
 *
 * A file goes by sendfile(2), or, where it must be translated or may hang in a read, by blocks.  On
 * a local disk the window that comes next is first brought into memory by the pool, while this one
 * is sent.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "pump.h"

/* Bytes of text that are encoded at a time: up to twice as many come out. */
#define TEXT_BLOCK (128U * 1024)
/* Bytes that are taken from a pipe at once. */
#define PIPE_BLOCK (128U * 1024)

/* All is sent, but for what TLS has to say at the end. */
static void
complete(struct pump *p)
{
	if (p->tls && !p->eof)
		tls_end(p->tls, true);
	p->eof = true;
	if (!p->tls || pump_tls_flush(p))
		pump_end(p, TRANSFER_COMPLETE, 0);
}

/* The file has ended, or all that was asked for was sent. */
static void
end_of_file(struct pump *p)
{
	if (p->position < p->floor)
		pump_end(p, TRANSFER_FILE_SHRANK, 0);
	else
		complete(p);
}

/*
 * Sees to it that the file is in memory from p->position on.  Returns for how many bytes it is; 0
 * to wait for the pool.
 */
static size_t
warm_bytes(struct pump *p)
{
	if (p->file->class == FILE_MEMORY)
		return SIZE_MAX;
	while (!p->file->busy && p->warm < p->floor && p->warm < p->position + FILE_WINDOW) {
		uint64_t from = p->warm > p->position ? p->warm : p->position;
		uint64_t left = p->floor > from ? p->floor - from : 0;
		size_t n = left < FILE_WINDOW ? (size_t)left : FILE_WINDOW;
		if (file_is_cold(p->file, from, n)) {
			file_start(p->file, FILE_WARM, NULL, n, from);
			break;
		}
		p->warm = from + n;
	}
	/* Behind the size that the file had at first there is no promise: it is growing, so it is
	 * in memory. */
	if (p->position >= p->floor)
		return FILE_WINDOW;
	return p->warm > p->position ? (size_t)(p->warm - p->position) : 0;
}

/* What sendfile(2) could not do. */
static void
sendfile_failed(struct pump *p, int error)
{
	if (error == EAGAIN)
		pump_wait_socket(p, UV_WRITABLE);
	else if ((error == EINVAL || error == ENOSYS) && p->moved == 0)
		p->by_block = true;
	else if (pump_is_socket_error(-error))
		pump_end_by_socket(p, -error);
	else
		pump_end(p, TRANSFER_FILE_ERROR, -error);
}

/* The kernel's sendfile, or that of TLS in the kernel: bytes, 0 at the end, or a negative errno. */
static ssize_t
send_of_file(struct pump *p, size_t n)
{
	off_t at = (off_t)p->position;

	if (!p->tls) {
		ssize_t sent = sendfile(p->socket, p->file->fd, &at, n);
		return sent < 0 ? -errno : sent;
	}
	ssize_t sent = tls_sendfile(p->tls, p->file->fd, at, n);
	if (sent >= 0)
		return sent;
	return sent == TLS_AGAIN ? -EAGAIN : sent == TLS_RESET ? -ECONNRESET : -errno;
}

/* Reads a piece of the file and encrypts it.  As send_of_file(); -ECANCELED where it was sent, but
 * the socket has had enough, or the transfer was ended. */
static ssize_t
send_encrypted(struct pump *p, size_t n)
{
	char *bytes = p->all->in;

	if (!pump_tls_flush(p))
		return -ECANCELED;
	ssize_t got = pread(p->file->fd, bytes, n < p->piece ? n : p->piece, (off_t)p->position);
	if (got <= 0)
		return got < 0 ? -errno : 0;
	p->position += (uint64_t)got;
	return pump_tls_send(p, bytes, (size_t)got) ? got : -ECANCELED;
}

/* One piece of the file.  Whether to go on at once. */
static bool
send_file_slice(struct pump *p, size_t n)
{
	bool encrypts = p->tls && !tls_is_in_kernel(p->tls);
	ssize_t sent = encrypts ? send_encrypted(p, n) : send_of_file(p, n);

	if (sent > 0 && !encrypts) {
		p->position += (uint64_t)sent;
		pump_count(p, (size_t)sent);
	}
	if (sent > 0 || sent == -EINTR)
		return true;
	if (sent == 0)
		end_of_file(p);
	else if (sent != -ECANCELED)
		sendfile_failed(p, (int)-sent);
	return false;
}

static void
send_by_file(struct pump *p)
{
	size_t left = pump_slice(p);

	while (left > 0) {
		uint64_t to_go = p->end - p->position;
		if (to_go == 0) {
			end_of_file(p);
			return;
		}
		size_t n = to_go < left ? (size_t)to_go : left;
		size_t warm = warm_bytes(p);
		if (warm == 0) {
			pump_wait_socket(p, 0);
			return;
		}
		n = pump_allowance(p, n < warm ? n : warm);
		if (n == 0 || p->ended)
			return;
		uint64_t before = p->position;
		if (!send_file_slice(p, n))
			return;
		left -= (size_t)(p->position - before);
	}
	pump_wait_socket(p, UV_WRITABLE);
}

/* How many bytes the next read of the file shall have. */
static size_t
block_size(const struct pump *p)
{
	uint64_t to_go = p->end - p->position;
	size_t n = p->plan.ascii ? TEXT_BLOCK : FILE_BLOCK;

	return to_go < n ? (size_t)to_go : n;
}

/* Gives the n bytes of that block to the connection, translated where they must be. */
static void
take_block(struct pump *p, const char *block, size_t n)
{
	if (p->plan.ascii) {
		p->unsent = p->text;
		p->n_unsent = ascii_encode(&p->ascii, block, n, p->text);
	} else {
		p->unsent = block;
		p->n_unsent = n;
	}
}

/* Where the next read of the file goes, or NULL: what is translated at once need not stay. */
static char *
block_to_fill(struct pump *p)
{
	if (p->plan.ascii && !p->reads_aside)
		return p->all->in;
	return file_block(p->file, p->next) == 0 ? p->file->block[p->next] : NULL;
}

/* Reads in the loop, also while the pool warms what comes next. */
static ssize_t
read_here(struct pump *p, char *block, size_t n)
{
	struct file *f = p->file;

	if (!f->busy)
		return file_do(f, FILE_READ, block, n, p->position);
	ssize_t got = pread(f->fd, block, n, (off_t)p->position);
	if (got > 0)
		hash_add(&f->hash, block, (size_t)got);
	return got < 0 ? -errno : got;
}

/*
 * The next block of a file into p->unsent.  1: there is one; 0: the end; -EAGAIN: a task of the
 * pool brings it; another negative errno.
 */
static int
next_of_file(struct pump *p)
{
	size_t size = block_size(p);
	ssize_t n;
	char *block = block_to_fill(p);

	if (!block)
		return -ENOMEM;
	if (p->reads_aside) {
		if (p->file->busy)
			return -EAGAIN;
		if (!p->read_ahead && size > 0) {
			file_start(p->file, FILE_READ, block, size, p->position);
			return -EAGAIN;
		}
		n = size > 0 ? p->n_ahead : 0;
		p->read_ahead = false;
	} else {
		size_t warm = size ? warm_bytes(p) : SIZE_MAX;
		if (warm == 0)
			return -EAGAIN;
		n = read_here(p, block, size < warm ? size : warm);
	}
	if (n <= 0)
		return (int)n;
	p->position += (uint64_t)n;
	take_block(p, block, (size_t)n);
	if (!p->reads_aside)
		return 1;
	/* While this one is sent the next one is read. */
	p->next ^= 1;
	if (block_size(p) > 0 && file_block(p->file, p->next) == 0)
		file_start(p->file, FILE_READ, p->file->block[p->next], block_size(p), p->position);
	return 1;
}

/* The same for a pipe.  Its bytes keep their place in p->text until they are sent. */
static int
next_of_pipe(struct pump *p)
{
	ssize_t n = read(p->plan.fd, p->text, PIPE_BLOCK);

	if (n > 0) {
		p->unsent = p->text;
		p->n_unsent = (size_t)n;
		return 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		pump_wait_socket(p, 0);
		pump_wait_pipe(p, true);
		return -EAGAIN;
	}
	return n < 0 ? -errno : 0;
}

/* Whether to go on at once. */
static bool
refill(struct pump *p)
{
	int r = p->file ? next_of_file(p) : next_of_pipe(p);

	if (r == 1)
		return true;
	if (r == -EAGAIN) {
		if (p->file)
			pump_wait_socket(p, 0);
	} else if (r < 0) {
		pump_end(p, TRANSFER_FILE_ERROR, r);
	} else if (p->file) {
		end_of_file(p);
	} else {
		complete(p);
	}
	return false;
}

/* Encrypts of p->unsent, and sends.  Whether to go on at once. */
static bool
encrypt_unsent(struct pump *p, size_t *left)
{
	if (!pump_tls_flush(p))
		return false;
	size_t n = p->n_unsent < *left ? p->n_unsent : *left;
	n = pump_allowance(p, n < p->piece ? n : p->piece);
	if (n == 0 || p->ended)
		return false;
	const char *bytes = p->unsent;
	p->unsent += n;
	p->n_unsent -= n;
	*left -= n;
	return pump_tls_send(p, bytes, n);
}

/* Sends of p->unsent.  Whether to go on at once. */
static bool
send_unsent(struct pump *p, size_t *left)
{
	if (p->tls)
		return encrypt_unsent(p, left);
	size_t n = pump_allowance(p, p->n_unsent < *left ? p->n_unsent : *left);

	if (n == 0 || p->ended)
		return false;
	ssize_t sent = send(p->socket, p->unsent, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0) {
		if (errno == EAGAIN)
			pump_wait_socket(p, UV_WRITABLE);
		else if (errno != EINTR)
			pump_end_by_socket(p, -errno);
		return errno == EINTR;
	}
	p->unsent += sent;
	p->n_unsent -= (size_t)sent;
	*left -= (size_t)sent;
	pump_count(p, (size_t)sent);
	return true;
}

static void
send_by_block(struct pump *p)
{
	size_t left = pump_slice(p);

	if (!p->text && (p->plan.ascii || !p->file)) {
		p->text = malloc(p->file ? 2 * TEXT_BLOCK : PIPE_BLOCK);
		if (!p->text) {
			pump_end(p, TRANSFER_FILE_ERROR, -ENOMEM);
			return;
		}
	}
	if (!p->file)
		pump_wait_pipe(p, false);
	while (left > 0) {
		if (p->n_unsent == 0 && !refill(p))
			return;
		if (!send_unsent(p, &left))
			return;
	}
	pump_wait_socket(p, UV_WRITABLE);
}

/* Where to end, once it is known what kind of file it is. */
static void
measure(struct pump *p)
{
	uint64_t most = UINT64_MAX >> 1, from = p->plan.offset;

	p->end = p->plan.length > most - from ? most : from + p->plan.length;
	p->floor = p->end < p->file->size ? p->end : p->file->size;
	if (p->floor < from)
		p->floor = from;
	p->warm = from;
	/* A digest needs the bytes; one that takes its time is left to the pool with the reads. */
	p->reads_aside = p->file->class == FILE_REMOTE || p->file->hash.ctx;
	p->by_block = p->plan.ascii || p->reads_aside || p->file->hash.on;
}

int
pump_send_init(struct pump *p)
{
	return hash_begin_named(&p->file->hash, p->all->digests, p->plan.digest);
}

void
pump_send_step(struct pump *p)
{
	if (p->held || p->ended)
		return;
	if (p->eof) {
		complete(p);
		return;
	}
	if (p->file && p->end == 0)
		measure(p);
	if (p->file && !p->by_block)
		send_by_file(p);
	if (!p->ended && (!p->file || p->by_block))
		send_by_block(p);
}

void
pump_send_task_done(struct pump *p)
{
	struct file *f = p->file;

	if (f->task == FILE_WARM) {
		p->warm = f->offset + f->n;
	} else if (f->task == FILE_READ) {
		p->read_ahead = true;
		p->n_ahead = f->result;
	}
	/* When the socket is full the result waits. */
	if (p->socket_watch.events == 0)
		pump_send_step(p);
}
