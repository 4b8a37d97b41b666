/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The files of a host; see host_files.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "host_files.h"

/* More than any certificate with its chain, or list of what is revoked. */
#define SIZE_LIMIT (16U << 20)

/* Linux 6.3; the C library may not know it yet. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static void
add(struct host_sources *to, enum host_file kind, size_t index, const char *path)
{
	to->item[to->n++] = (struct host_source){
		.kind = kind, .index = (unsigned)index, .path = path};
}

int
host_sources_init(struct host_sources *sources, const struct settings *host)
{
	const struct {
		enum host_file kind;
		const struct texts *list;
	} lists[] = {{HOST_CERTIFICATE, &host->tls_certificate},
		     {HOST_KEY, &host->tls_key},
		     {HOST_OCSP, &host->tls_ocsp}};
	size_t max = 2;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		max += lists[i].list->n;
	*sources = (struct host_sources){.item = calloc(max, sizeof(*sources->item))};
	if (!sources->item)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t k = 0; k < lists[i].list->n; k++)
			add(sources, lists[i].kind, k, lists[i].list->item[k]);
	if (host->tls_client_ca[0])
		add(sources, HOST_CLIENT_CA, 0, host->tls_client_ca);
	if (host->tls_client_crl[0])
		add(sources, HOST_CLIENT_CRL, 0, host->tls_client_crl);
	return 0;
}

void
host_sources_deinit(struct host_sources *sources)
{
	free(sources->item);
	*sources = (struct host_sources){0};
}

static struct host_stamp
stamp_of(const struct stat *st)
{
	return (struct host_stamp){.known = true,
				   .dev = st->st_dev,
				   .ino = st->st_ino,
				   .size = st->st_size,
				   .seconds = st->st_ctim.tv_sec,
				   .nanoseconds = st->st_ctim.tv_nsec};
}

static bool
is_same(const struct host_stamp *a, const struct host_stamp *b)
{
	return a->known == b->known && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

bool
host_sources_changed(struct host_sources *sources)
{
	bool changed = false;

	for (size_t i = 0; i < sources->n; i++) {
		struct host_source *s = &sources->item[i];
		struct host_stamp now = {.known = false};
		struct stat st;
		if (stat(s->path, &st) == 0)
			now = stamp_of(&st);
		changed = changed || !is_same(&now, &s->stamp);
		s->stamp = now;
	}
	return changed;
}

/* An empty file in memory, or a negative errno. */
static int
new_copy(void)
{
	int fd = memfd_create("host", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	/* An older kernel does not know the last flag; a newer one may insist on it. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("host", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

/* The kernel copies: no byte of a key comes into this process's memory. */
static int
fill(int to, int from)
{
	size_t total = 0;

	for (;;) {
		ssize_t n = sendfile(to, from, NULL, SIZE_LIMIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		total += (size_t)n;
		if (total > SIZE_LIMIT)
			return -EFBIG;
	}
	return fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0
		       ? -errno
		       : 0;
}

/* The descriptor of a copy, or a negative errno. */
static int
copy(struct host_source *s)
{
	struct stat st;
	int from = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int to = -1, r = 0;

	s->stamp = (struct host_stamp){.known = false};
	if (from < 0 || fstat(from, &st) < 0) {
		r = -errno;
		/* What may not be read is no news until somebody has changed that. */
		if (r == -EACCES && stat(s->path, &st) == 0)
			s->stamp = stamp_of(&st);
	} else {
		s->stamp = stamp_of(&st);
		to = S_ISREG(st.st_mode) ? new_copy() : -EINVAL;
		r = to < 0 ? to : fill(to, from);
	}
	fd_close(&from);
	if (r < 0)
		fd_close(&to);
	return r < 0 ? r : to;
}

int
host_copies_init(struct host_copies *copies, struct host_sources *sources,
		 const struct host_source **wrong)
{
	int r = 0;

	*wrong = NULL;
	*copies = (struct host_copies){.fd = calloc(sources->n + 1, sizeof(*copies->fd))};
	if (!copies->fd)
		return -ENOMEM;
	/* All are looked at, also behind one that is wrong. */
	for (size_t i = 0; i < sources->n; i++) {
		int fd = copy(&sources->item[i]);
		if (fd >= 0)
			copies->fd[copies->n++] = fd;
		else if (r == 0) {
			r = fd;
			*wrong = &sources->item[i];
		}
	}
	if (r < 0)
		host_copies_deinit(copies);
	return r;
}

void
host_copies_deinit(struct host_copies *copies)
{
	for (size_t i = 0; i < copies->n; i++)
		fd_close(&copies->fd[i]);
	free(copies->fd);
	*copies = (struct host_copies){0};
}
