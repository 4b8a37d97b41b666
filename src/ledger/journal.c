/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The spool; see journal.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/wire/journal.h>

#include "journal.h"

/* Read at once; more than the longest record. */
#define CHUNK      (1U << 20)
#define RECORD_MAX ((size_t)WIRE_MAX + 8)
/* A record is one write(2): what is incomplete for so long was broken off, by a full disk. */
#define TAIL_MS 1000

static int
look(struct journal *j)
{
	struct stat st;

	if (fstat(j->fd, &st) < 0)
		return -errno;
	j->size = (uint64_t)st.st_size;
	return 0;
}

/* Gives the blocks back of what was taken.  It reads as zeros then; a file system that can't punch
 * keeps it until the spool is cut. */
static void
punch(const struct journal *j, uint64_t from, uint64_t to)
{
	if (to > from && fallocate(j->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
				   (off_t)(to - from)) < 0)
		LOG(DEBUG, "the spool cannot be punched", LOG_ERRNO(-errno));
}

static int
set_mark(struct journal *j, struct store *s, uint64_t taken, bool cutting)
{
	int r = store_set_spool(s, &(struct spool_mark){taken, cutting});

	if (r == 0)
		j->taken = j->next = taken;
	return r;
}

/* Cuts the spool to nothing: after a kill between the steps the mark tells that it was begun. */
static int
cut(struct journal *j, struct store *s)
{
	static const char zeros[4];
	int r = 0;

	/* So that was_cut() can tell. */
	punch(j, 0, j->taken);
	if (j->size >= sizeof(zeros) && pwrite(j->fd, zeros, sizeof(zeros), 0) < 0)
		r = -errno;
	if (r == 0)
		r = set_mark(j, s, j->taken, true);
	if (r == 0 && ftruncate(j->fd, 0) < 0)
		r = -errno;
	if (r == 0)
		r = set_mark(j, s, 0, false);
	return r == 0 ? look(j) : r;
}

/* Whether the spool was cut to nothing before a kill, and maybe written to since: what was taken
 * was made to begin with zeros. */
static bool
was_cut(const struct journal *j)
{
	char first[4] = {0};

	return j->size < j->taken || (pread(j->fd, first, sizeof(first), 0) > 0 &&
				      (first[0] || first[1] || first[2] || first[3]));
}

static int
find_place(struct journal *j, struct store *s, bool alone)
{
	struct spool_mark mark;
	int r = store_get_spool(s, &mark);

	if (r == 0)
		r = look(j);
	if (r < 0)
		return r;
	j->taken = j->next = mark.taken;
	if (mark.cutting && !alone)
		return set_mark(j, s, was_cut(j) ? 0 : mark.taken, false);
	if (mark.taken > j->size)
		LOG(WARNING, "the spool is shorter than what was taken of it",
		    LOG_NUM("taken", mark.taken), LOG_NUM("size", j->size));
	if (alone && (mark.cutting || mark.taken >= j->size) && (mark.taken || j->size))
		return cut(j, s);
	if (mark.taken > j->size)
		return set_mark(j, s, j->size, false);
	return mark.taken ? 0 : journal_restart(j, s);
}

int
journal_open(struct journal *j, struct store *s, const char *folder, bool alone)
{
	char *path = NULL;
	int r = 0;

	*j = (struct journal){.fd = -1};
	if (asprintf(&path, "%s/%s", folder, SPOOL_FILE) < 0)
		return -ENOMEM;
	j->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (j->fd < 0)
		r = errno == ENOENT ? 0 : -errno;
	else
		r = find_place(j, s, alone);
	if (r < 0)
		LOG(ERROR, "the journal's spool cannot be used", LOG_STR("file", path),
		    LOG_ERRNO(r));
	free(path);
	return r;
}

void
journal_close(struct journal *j)
{
	fd_close(&j->fd);
	buf_deinit(&j->in);
}

int
journal_restart(struct journal *j, struct store *s)
{
	if (j->fd < 0)
		return 0;
	/* What was taken was punched out, or reads as zeros, which are passed by. */
	off_t first = lseek(j->fd, 0, SEEK_DATA);
	int r = look(j);
	if (first < 0)
		first = errno == ENXIO ? (off_t)j->size : 0;
	if (r < 0 || (first == 0 && j->taken == 0))
		return r;
	return set_mark(j, s, (uint64_t)first, false);
}

bool
journal_waits(struct journal *j)
{
	return j->fd >= 0 && look(j) == 0 && j->size > j->taken;
}

/* The bytes from j->next on, as many as a turn takes. */
static int
read_chunk(struct journal *j)
{
	buf_reset(&j->in);
	if (buf_reserve(&j->in, CHUNK) < 0)
		return -ENOMEM;
	ssize_t n = pread(j->fd, j->in.data, CHUNK, (off_t)j->next);
	if (n < 0)
		return -errno;
	j->in.len = (size_t)n;
	return 0;
}

/* Whether what ends within a record may still become one. */
static bool
may_grow(struct journal *j, uint64_t end, uint64_t now, bool final)
{
	if (final)
		return false;
	if (j->tail_at != j->next || j->tail_end != end) {
		j->tail_at = j->next;
		j->tail_end = end;
		j->tail_since = now;
	}
	return now - j->tail_since < TAIL_MS;
}

/*
 * The place of the next record behind what is none, or the end of the bytes.  The length of a
 * record has zeros, and no text of a client has any, so nobody can write a record into another one.
 */
static size_t
find_record(struct slice bytes)
{
	for (size_t at = 1; at < bytes.n; at++) {
		struct message m;
		size_t skip;
		if (journal_decode(slice_from(bytes, at), &m, &skip) > 0)
			return at;
	}
	return bytes.n;
}

static size_t
count_zeros(struct slice bytes)
{
	size_t n = 0;

	while (n < bytes.n && bytes.p[n] == '\0')
		n++;
	return n;
}

/*
 * How many bytes to pass by that are no record; 0 where the next turn may tell more.  Zeros are
 * what was taken before, but for the first two bytes of a length.
 */
static size_t
pass_by(const struct journal *j, struct slice bytes, bool may_go_on)
{
	const size_t zeros = count_zeros(bytes);
	size_t n = zeros > 2 && zeros < bytes.n ? zeros - 2 : zeros == bytes.n ? zeros : 0;

	if (n == 0)
		n = find_record(bytes);
	if (n == bytes.n && may_go_on)
		n = n > RECORD_MAX ? n - RECORD_MAX : 0;
	if (n > zeros)
		LOG(WARNING, "the spool has something that is no record: it is passed by",
		    LOG_NUM("at", j->next), LOG_NUM("bytes", n));
	return n;
}

/* Makes a row of the first record of the bytes.  Returns how many were taken, 0 where they end
 * within it, or a negative errno. */
static ssize_t
take_record(const struct journal *j, struct store *s, struct slice bytes, bool may_go_on)
{
	struct message m = {.fd = -1};
	size_t skip;
	ssize_t n = journal_decode(bytes, &m, &skip);

	if (n == 0 && may_go_on)
		return 0;
	if (n <= 0)
		return (ssize_t)pass_by(j, bytes, may_go_on);
	int r = store_record(s, &m);
	return r < 0 ? r : n;
}

int
journal_take(struct journal *j, struct store *s, uint64_t now, bool final)
{
	int records = 0;
	int r = look(j);

	j->next = j->taken;
	if (r == 0)
		r = read_chunk(j);
	struct slice bytes = buf_slice(&j->in);
	while (r == 0 && bytes.n && records < JOURNAL_BATCH) {
		const uint64_t end = j->next + bytes.n;
		ssize_t n = take_record(j, s, bytes, true);
		if (n == 0 && end >= j->size && !may_grow(j, end, now, final))
			n = take_record(j, s, bytes, false);
		if (n <= 0) {
			r = (int)n;
			break;
		}
		records++;
		j->next += (uint64_t)n;
		bytes = slice_from(bytes, (size_t)n);
	}
	if (r == 0 && j->next != j->taken)
		r = store_set_spool(s, &(struct spool_mark){j->next, false});
	return r < 0 ? r : records;
}

void
journal_taken(struct journal *j)
{
	punch(j, j->taken, j->next);
	j->taken = j->next;
}

void
journal_again(struct journal *j)
{
	j->next = j->taken;
}
