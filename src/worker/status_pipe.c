/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A listing on the control connection; see status_pipe.h. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "status_pipe.h"

#define PIPE_MAGIC   MAGIC('p', 'i', 'p', 'e')
#define BYTES_A_TURN (16U * 1024)

struct status_pipe {
	uint32_t magic;
	struct session *session; /* NULL: closed */
	uv_poll_t poll;
	int fd;
	bool on;
};

static void
on_closed(uv_handle_t *handle)
{
	struct status_pipe *p = handle->data;

	free(p);
}

void
status_pipe_close(struct session *s)
{
	struct status_pipe *p = s->pipe;

	if (!p)
		return;
	s->pipe = NULL;
	p->session = NULL;
	uv_close((uv_handle_t *)&p->poll, on_closed);
	fd_close(&p->fd);
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct status_pipe *p = poll->data;

	REQUIRE(p->magic == PIPE_MAGIC);
	(void)events;
	if (!p->session)
		return;
	struct session *s = p->session;
	ssize_t n = status < 0 ? 0 : read(p->fd, s->worker->scratch, BYTES_A_TURN);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	session_enter(s);
	if (n <= 0)
		status_pipe_close(s);
	ftp_session_piped(&s->ftp, (struct slice){s->worker->scratch, n > 0 ? (size_t)n : 0});
	session_settle(s);
}

void
status_pipe_open(struct session *s, int fd)
{
	struct status_pipe *p = calloc(1, sizeof(*p));

	status_pipe_close(s);
	if (!p || fd_set_nonblocking(fd, true) < 0 ||
	    uv_poll_init(&s->worker->loop, &p->poll, fd) < 0) {
		free(p);
		fd_close(&fd);
		session_due(s, DUE_PIPED, 0);
		return;
	}
	p->magic = PIPE_MAGIC;
	p->session = s;
	p->fd = fd;
	p->poll.data = p;
	s->pipe = p;
}

void
status_pipe_go_on(struct session *s, bool on)
{
	struct status_pipe *p = s->pipe;

	if (!p || p->on == on)
		return;
	p->on = on;
	if (on)
		uv_poll_start(&p->poll, UV_READABLE, on_event);
	else
		uv_poll_stop(&p->poll);
}
