/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The upload of part.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "part.h"
#include "requests.h"

uint32_t
part_begin(struct part *p, const char *path, uint32_t how)
{
	const struct r_opened *r = &c.answer.r_opened;

	*p = (struct part){.fd = -1};
	snprintf(p->path, sizeof(p->path), "%s", path);
	const uint32_t error = ASK(&c, F_OPEN, f_open, how, 0644, slice_of(path))->r_opened.error;
	p->bytes = r->bytes;
	p->files = r->files;
	if (error)
		return error;
	p->fd = c.answer.fd;
	c.answer.fd = -1;
	p->size = r->size;
	p->replaces = r->replaces;
	p->created = r->created;
	p->made = r->made;
	p->versions = r->versions;
	snprintf(p->name, sizeof(p->name), "%.*s", SLICE_FMT(r->stage));
	return 0;
}

void
part_put(const struct part *p, const char *text)
{
	assert_int_equal(write(p->fd, text, strlen(text)), strlen(text));
}

uint32_t
part_begin_with(struct part *p, const char *path, const char *text)
{
	const uint32_t error = part_begin(p, path, WHOLE);

	if (error == 0)
		part_put(p, text);
	return error;
}

uint32_t
part_end_as(struct part *p, uint32_t how, uint32_t mode, const char *digest)
{
	const struct message m = {
		.id = MSG_F_COMMIT,
		.fd = p->fd,
		.f_commit = {7, how, mode, slice_of(p->path), slice_of(p->name), slice_of(digest)}};
	const uint32_t error = client_ask(&c, m)->r_closed.error;

	fd_close(&p->fd);
	return error;
}

uint32_t
part_end(struct part *p)
{
	return part_end_as(p, COMMIT_SYNC | COMMIT_REPLACE, 0644, "");
}

uint32_t
part_prepare(struct part *p)
{
	const struct r_opened *r = &c.answer.r_opened;
	const struct message m = {
		.id = MSG_F_PREPARE, .fd = p->fd, .f_prepare = {7, slice_of(p->path)}};
	const uint32_t error = client_ask(&c, m)->r_opened.error;

	fd_close(&p->fd);
	p->fd = c.answer.fd;
	c.answer.fd = -1;
	p->bytes = r->bytes;
	p->files = r->files;
	return error;
}

uint32_t
part_keep(struct part *p, bool discard)
{
	const struct message m = {.id = MSG_F_KEEP,
				  .fd = p->fd,
				  .f_keep = {7, discard, slice_of(p->path), slice_of(p->name)}};
	const uint32_t error = client_ask(&c, m)->r_closed.error;

	fd_close(&p->fd);
	return error;
}

void
counts(int64_t bytes, int64_t files)
{
	const bool closes = c.answer.id == MSG_R_CLOSED;

	assert_int_equal(closes ? c.answer.r_closed.bytes : c.answer.r_done.bytes, bytes);
	assert_int_equal(closes ? c.answer.r_closed.files : c.answer.r_done.files, files);
}

uint64_t
size_of(const char *path, uint8_t part, uint32_t error)
{
	assert_int_equal(ASK(&c, F_STAT, f_stat, slice_of(path), part)->r_stat.error, error);
	return c.answer.r_stat.size;
}
