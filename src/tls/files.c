/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The files of a host: struct tls_files of wharf/tls/hosts.h. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"

enum { FILE_MAX = 16 << 20, PIECE = 16 << 10, FILES_MAX = UINT8_MAX + 1 };

/* How many files an option can name. */
static const unsigned places[HOST_FILES] = {
	[HOST_CERTIFICATE] = FILES_MAX, [HOST_KEY] = FILES_MAX, [HOST_OCSP] = FILES_MAX,
	[HOST_CLIENT_CA] = 1,           [HOST_CLIENT_CRL] = 1,
};

struct list {
	struct buf *file; /* one without data was not added */
	unsigned n;
};

struct tls_files {
	struct list kind[HOST_FILES];
};

struct tls_files *
tls_files_new(void)
{
	return calloc(1, sizeof(struct tls_files));
}

void
tls_files_free(struct tls_files **files)
{
	if (!*files)
		return;
	for (unsigned k = 0; k < HOST_FILES; k++) {
		struct list *l = &(*files)->kind[k];
		for (unsigned i = 0; i < l->n; i++)
			buf_wipe(&l->file[i]);
		free(l->file);
	}
	free(*files);
	*files = NULL;
}

/* A buffer grows by realloc(), which leaves what it held behind: so it is moved by hand. */
static int
make_room(struct buf *b)
{
	struct buf larger = BUF_INIT;

	if (b->cap - b->len >= PIECE)
		return 0;
	if (buf_reserve(&larger, b->len + PIECE) < 0)
		return -ENOMEM;
	buf_add(&larger, b->data, b->len);
	buf_wipe(b);
	*b = larger;
	return 0;
}

static int
read_all(int fd, struct buf *to)
{
	for (;;) {
		ssize_t n;

		if (make_room(to) < 0)
			return -ENOMEM;
		n = pread(fd, to->data + to->len, to->cap - to->len, (off_t)to->len);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			to->len += (size_t)n;
		if (to->len > FILE_MAX)
			return -EFBIG;
	}
}

static int
list_grow(struct list *l, unsigned n)
{
	struct buf *file;

	if (n <= l->n)
		return 0;
	file = realloc(l->file, n * sizeof(*file));
	if (!file)
		return -ENOMEM;
	for (l->file = file; l->n < n; l->n++)
		file[l->n] = BUF_INIT;
	return 0;
}

int
tls_files_add(struct tls_files *files, enum host_file kind, unsigned index, int fd)
{
	struct buf bytes = BUF_INIT;
	int result;

	if ((unsigned)kind >= HOST_FILES || index >= places[kind])
		return -ERANGE;
	result = list_grow(&files->kind[kind], index + 1);
	if (result == 0)
		result = read_all(fd, &bytes);
	if (result < 0) {
		buf_wipe(&bytes);
		return result;
	}
	buf_wipe(&files->kind[kind].file[index]);
	files->kind[kind].file[index] = bytes;
	return 0;
}

struct slice
tls_files_get(const struct tls_files *files, enum host_file kind, unsigned index)
{
	const struct list *l = &files->kind[kind];

	return index < l->n ? buf_slice(&l->file[index]) : SLICE_NULL;
}
