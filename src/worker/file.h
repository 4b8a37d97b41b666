/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The file's side of a transfer.  What may block for long runs as a task in the pool, one at a
 * time; it outlives the transfer when that ends first, and then what it holds is freed at its end.
 */
#ifndef WHARF_WORKER_FILE_H
#define WHARF_WORKER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hash.h"
#include "pool.h"

/* How a file system behaves. */
enum file_class {
	FILE_UNKNOWN, /* its kind has to be asked for, by FILE_CLASSIFY */
	FILE_MEMORY,  /* never waits: tmpfs */
	FILE_LOCAL,   /* waits for a disk, unless the page cache has it */
	FILE_REMOTE,  /* may hang for ever in any call: FUSE, NFS, and all that is not known */
};

/* Bytes of one block, and of what is looked at at once for being in memory. */
#define FILE_BLOCK  (256U * 1024)
#define FILE_WINDOW (2U * 1024 * 1024)
/* What is larger and in memory is cut and closed by the pool: freeing a gigabyte of pages takes
 * longer than a turn may. */
#define FILE_FREED_AT_ONCE (4U * 1024 * 1024)

/* The kinds of the file systems that were seen last, by their device numbers. */
struct file_classes {
	struct {
		uint64_t device, seen; /* seen: milliseconds */
		enum file_class class;
	} row[16];
	unsigned next;
};

enum file_task {
	FILE_CLASSIFY,
	FILE_READ,
	FILE_WRITE,
	FILE_CUT,
	FILE_CLOSE,
	FILE_SYNC,  /* its bytes are on disk */
	FILE_FLUSH, /* what close() would say: a file system of the network tells of its errors so
		     */
	FILE_HASH,  /* n bytes from offset on go into the digest; result: how many there were */
	FILE_TASKS
};

struct file {
	uint32_t magic;
	struct pool *pool;
	struct file_classes *classes;
	struct pool_job job;
	int fd;
	uint64_t device,
		size;  /* as the kernel knew them at first, without asking the file system */
	bool has_name; /* then */
	enum file_class class;
	char *block[2]; /* of FILE_BLOCK and a little more each; made on demand */

	bool busy;        /* a task runs */
	uint64_t started; /* ms: since when */
	enum file_task task;
	char *bytes;
	size_t n;
	uint64_t offset;
	ssize_t result; /* of the task: bytes, 0, or a negative errno */
	size_t tail;    /* an abandoned file: so many bytes of tail_block are still to be written */
	char *tail_block;
	uint64_t tail_offset;

	struct hash hash; /* of what FILE_READ, FILE_WRITE and FILE_HASH have moved */

	void (*done)(struct file *f, void *owner); /* NULL: abandoned */
	void *owner;
};

/* Takes over fd (regular, open).  now: milliseconds.  NULL: memory is out, and fd is closed. */
struct file *file_new(struct pool *pool, struct file_classes *classes, int fd, uint64_t now,
		      void (*done)(struct file *f, void *owner), void *owner);
/*
 * Lets go of the file: what runs ends by itself.  tail bytes of `block` (one of f->block, or NULL)
 * belong at tail_offset and are written first.  *f becomes NULL.
 */
void file_free(struct file **f, char *block, size_t tail, uint64_t tail_offset);

/* Lets go of the file but for its descriptor, which becomes the caller's.  No task may run.  *f
 * becomes NULL. */
int file_take(struct file **f);
/* How many bytes the file has now, and whether it has lost its last name since it was opened, as
 * the kernel knows it without asking the file system. */
uint64_t file_size(const struct file *f, bool *is_gone);

/* Makes f->block[i].  0 or -ENOMEM. */
int file_block(struct file *f, unsigned i);

/* Starts a task; f->done() comes later, from the loop, with f->result.  None may be running. */
void file_start(struct file *f, enum file_task task, char *bytes, size_t n, uint64_t offset);
/* Does it here and now.  Returns what would be f->result. */
ssize_t file_do(struct file *f, enum file_task task, char *bytes, size_t n, uint64_t offset);

/* After FILE_CLASSIFY: takes its result over and remembers it. */
void file_classified(struct file *f, uint64_t now);
/* Would reading n bytes there wait for the disk, as far as a few probes can tell? */
bool file_is_cold(const struct file *f, uint64_t offset, size_t n);
/* Writes n bytes where that does not wait.  Returns how many, 0 when it would, or a negative errno.
 */
ssize_t file_write_nowait(struct file *f, const char *bytes, size_t n, uint64_t offset);

#endif
