/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Downloads and listings: a file or a pipe to the data connection.
 *
 * A file goes by sendfile(2), or by blocks where it must be translated, or may have to be waited
 * for.  Those the pool reads: always where a read may hang for ever, and on a local disk from where
 * the page cache has it no more.  There is another reason to copy then: pages that wait in sockets
 * can't be reclaimed, and where memory is short those go that were read for others and not sent
 * yet.
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
/* Where so many are at work, the blocks that the pool reads are smaller. */
#define MANY          64
#define BLOCK_OF_MANY (64U * 1024)

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

/* For how many bytes from p->position on the file is in memory; 0 where it is to be waited for. */
static size_t
warm_bytes(struct pump *p)
{
	/* Behind the size that the file had at first there is no promise: it is growing, so it is
	 * in memory. */
	if (p->file->class == FILE_MEMORY || p->position >= p->floor)
		return FILE_WINDOW;
	if (p->warm <= p->position) {
		uint64_t left = p->floor - p->position;
		size_t n = left < FILE_WINDOW ? (size_t)left : FILE_WINDOW;
		if (file_is_cold(p->file, p->position, n))
			return 0;
		p->warm = p->position + n;
	}
	return (size_t)(p->warm - p->position);
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
			p->reads_aside = true;
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

	if (p->reads_aside && p->all->running > MANY)
		n = BLOCK_OF_MANY;
	return to_go < n ? (size_t)to_go : n;
}

/* Gives the n bytes of that block to the connection, translated where they must be. */
static void
take_block(struct pump *p, const char *block, size_t n)
{
	p->position += n;
	if (p->plan.ascii) {
		p->unsent = p->text;
		p->n_unsent = ascii_encode(&p->ascii, block, n, p->text);
	} else {
		p->unsent = block;
		p->n_unsent = n;
	}
}

/* Has the pool read the next block.  0 or -ENOMEM. */
static int
read_ahead(struct pump *p)
{
	struct file *f = p->file;

	if (file_block(f, p->next) < 0)
		return -ENOMEM;
	file_start(f, FILE_READ, f->block[p->next], block_size(p), p->position);
	return 0;
}

/* As next_of_file(), by the pool: while this block is sent the next one is read. */
static int
next_by_pool(struct pump *p)
{
	const char *block = p->file->block[p->next];
	int r;

	if (p->file->busy)
		return -EAGAIN;
	if (!p->has_ahead && block_size(p) > 0)
		return (r = read_ahead(p)) < 0 ? r : -EAGAIN;
	ssize_t n = block_size(p) > 0 ? p->n_ahead : 0;
	p->has_ahead = false;
	if (n <= 0)
		return (int)n;
	take_block(p, block, (size_t)n);
	p->next ^= 1;
	if (block_size(p) > 0)
		(void)read_ahead(p);
	return 1;
}

/* As next_of_file(), here: it does not wait.  What is translated at once need not stay. */
static int
next_here(struct pump *p, size_t n)
{
	struct file *f = p->file;

	if (!p->plan.ascii && file_block(f, p->next) < 0)
		return -ENOMEM;
	char *block = p->plan.ascii ? p->all->in : f->block[p->next];
	ssize_t got = file_do(f, FILE_READ, block, n, p->position);
	if (got <= 0)
		return (int)got;
	take_block(p, block, (size_t)got);
	return 1;
}

/*
 * The next block of a file into p->unsent.  1: there is one; 0: the end; -EAGAIN: a task of the
 * pool brings it; another negative errno.
 */
static int
next_of_file(struct pump *p)
{
	size_t size = block_size(p), warm;

	if (!p->reads_aside && size > 0) {
		warm = warm_bytes(p);
		if (warm > 0)
			return next_here(p, size < warm ? size : warm);
		p->reads_aside = true;
	}
	return p->reads_aside ? next_by_pool(p) : 0;
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

static bool
is_by_block(const struct pump *p)
{
	return !p->file || p->by_block || p->reads_aside;
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
	p->by_block = p->plan.ascii || p->file->hash.on;
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
	if (!is_by_block(p))
		send_by_file(p);
	if (!p->ended && is_by_block(p))
		send_by_block(p);
}

void
pump_send_task_done(struct pump *p)
{
	p->has_ahead = true;
	p->n_ahead = p->file->result;
	/* When the socket is full the result waits. */
	if (p->socket_watch.events == 0)
		pump_send_step(p);
}
