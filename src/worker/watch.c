/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Short-lived watches; see watch.h. */
#include <errno.h>

#include <wharf/base/fd.h>

#include "watch.h"

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct watcher *all = poll->data;

	(void)status;
	(void)events;
	all->at = 0;
	all->n = epoll_pwait(all->epoll, all->batch, WATCH_BATCH, 0, NULL);
	while (all->at < all->n) {
		struct watch *w = all->batch[all->at++].data.ptr;
		if (!w)
			continue;
		w->events = 0;
		w->ready(w->owner);
	}
	all->n = 0;
}

int
watcher_init(struct watcher *all, uv_loop_t *loop)
{
	*all = (struct watcher){.epoll = epoll_create1(EPOLL_CLOEXEC)};
	if (all->epoll < 0)
		return -errno;
	int r = uv_poll_init(loop, &all->poll, all->epoll);
	if (r < 0) {
		fd_close(&all->epoll);
		return r;
	}
	all->poll.data = all;
	return uv_poll_start(&all->poll, UV_READABLE, on_ready);
}

static void
on_closed(uv_handle_t *handle)
{
	struct watcher *all = handle->data;

	fd_close(&all->epoll);
}

void
watcher_close(struct watcher *all)
{
	uv_close((uv_handle_t *)&all->poll, on_closed);
}

void
watch_init(struct watch *w, struct watcher *all, int fd, void (*ready)(void *owner), void *owner)
{
	*w = (struct watch){.watcher = all, .fd = fd, .ready = ready, .owner = owner};
}

static int
control(const struct watch *w, int how, int events)
{
	struct epoll_event event = {.data.ptr = (void *)(uintptr_t)w};

	event.events = EPOLLONESHOT | (events & UV_READABLE ? EPOLLIN : 0U) |
		       (events & UV_WRITABLE ? EPOLLOUT : 0U);
	return epoll_ctl(w->watcher->epoll, how, w->fd, &event) < 0 ? -errno : 0;
}

/* Takes it from the kernel; and what was fetched already is not told any more. */
static void
switch_off(struct watch *w)
{
	struct watcher *all = w->watcher;

	if (w->events == 0)
		return;
	(void)control(w, EPOLL_CTL_DEL, 0);
	for (int i = all->at; i < all->n; i++)
		if (all->batch[i].data.ptr == w)
			all->batch[i].data.ptr = NULL;
	w->events = 0;
	w->known = false;
}

int
watch_wait(struct watch *w, int events)
{
	int r = 0;

	if (events == w->events)
		return 0;
	switch_off(w);
	if (events == 0)
		return 0;
	r = control(w, w->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, events);
	/* Another watch had that descriptor before. */
	if (r == -EEXIST)
		r = control(w, EPOLL_CTL_MOD, events);
	if (r == 0) {
		w->known = true;
		w->events = events;
	}
	return r;
}

void
watch_close(struct watch *w)
{
	if (w->watcher)
		switch_off(w);
	w->watcher = NULL;
}
