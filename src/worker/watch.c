/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Watches of many descriptors; see watch.h. */
#include <errno.h>

#include <wharf/base/fd.h>

#include "watch.h"

/* Between two looks at all else that the loop has: a step, or a handshake, takes a good part of
 * that. */
#define TURN_NS 250000

static void
on_idle(uv_idle_t *idle)
{
	(void)idle;
}

/* While some wait the loop must not sleep. */
static void
set_idle(struct watcher *all)
{
	if (TAILQ_EMPTY(&all->queue))
		uv_idle_stop(&all->idle);
	else
		uv_idle_start(&all->idle, on_idle);
}

static void
enqueue(struct watch *w)
{
	struct watcher *all = w->watcher;

	if (w->queued)
		return;
	w->queued = true;
	if (w->standing) {
		TAILQ_INSERT_TAIL(&all->standing, w, link);
	} else {
		TAILQ_INSERT_TAIL(&all->queue, w, link);
		all->n++;
	}
}

static void
dequeue(struct watch *w)
{
	struct watcher *all = w->watcher;

	if (!w->queued)
		return;
	w->queued = false;
	if (w->standing) {
		TAILQ_REMOVE(&all->standing, w, link);
	} else {
		TAILQ_REMOVE(&all->queue, w, link);
		all->n--;
	}
}

/* Where both directions have ended, that is told as whatever was asked for. */
static int
told_by(uint32_t events, int asked)
{
	return (events & EPOLLIN ? UV_READABLE : 0) | (events & EPOLLOUT ? UV_WRITABLE : 0) |
	       (events & EPOLLERR ? WATCH_BROKEN : 0) | (events & EPOLLHUP ? asked : 0);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct watcher *all = poll->data;
	struct epoll_event batch[WATCH_BATCH];

	(void)status;
	(void)events;
	int n = epoll_pwait(all->epoll, batch, WATCH_BATCH, 0, NULL);
	for (int i = 0; i < n; i++) {
		struct watch *w = batch[i].data.ptr;
		w->told = told_by(batch[i].events, w->events);
		enqueue(w);
	}
	/* Who is told may close others.  Those that are left are still ready, so the loop comes
	 * back when all else has had its turn. */
	const uint64_t until = uv_hrtime() + TURN_NS;
	struct watch *w = TAILQ_FIRST(&all->standing);
	while (w) {
		dequeue(w);
		w->ready(w->owner);
		w = uv_hrtime() < until ? TAILQ_FIRST(&all->standing) : NULL;
	}
}

/* Tells those that were there when it began, as far as the time goes; the others have theirs in the
 * next turn. */
static void
on_check(uv_check_t *check)
{
	struct watcher *all = check->data;
	struct watch *w;

	if (all->n == 0)
		return;
	uint64_t begin = uv_hrtime(), now = begin;
	for (size_t most = all->n; most > 0 && (w = TAILQ_FIRST(&all->queue)); most--) {
		dequeue(w);
		w->events = 0;
		w->ready(w->owner);
		now = uv_hrtime();
		if (now >= begin + TURN_NS)
			break;
	}
	all->told += now - begin;
	set_idle(all);
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
	TAILQ_INIT(&all->queue);
	TAILQ_INIT(&all->standing);
	uv_check_init(loop, &all->check);
	uv_idle_init(loop, &all->idle);
	all->poll.data = all->check.data = all->idle.data = all;
	uv_check_start(&all->check, on_check);
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
	uv_close((uv_handle_t *)&all->check, NULL);
	uv_close((uv_handle_t *)&all->idle, NULL);
	uv_close((uv_handle_t *)&all->poll, on_closed);
}

void
watch_init(struct watch *w, struct watcher *all, int fd, void (*ready)(void *owner), void *owner)
{
	*w = (struct watch){.watcher = all, .fd = fd, .ready = ready, .owner = owner};
}

void
watch_init_standing(struct watch *w, struct watcher *all, int fd, void (*ready)(void *owner),
		    void *owner)
{
	watch_init(w, all, fd, ready, owner);
	w->standing = true;
}

static int
control(const struct watch *w, int how, int events)
{
	struct epoll_event event = {.data.ptr = (void *)(uintptr_t)w};

	event.events = (w->standing ? 0U : EPOLLONESHOT) | (events & UV_READABLE ? EPOLLIN : 0U) |
		       (events & UV_WRITABLE ? EPOLLOUT : 0U);
	return epoll_ctl(w->watcher->epoll, how, w->fd, &event) < 0 ? -errno : 0;
}

/* Takes it from the kernel; and what was fetched already is not told any more. */
static void
switch_off(struct watch *w)
{
	if (w->events == 0)
		return;
	dequeue(w);
	set_idle(w->watcher);
	if (w->events != WATCH_AGAIN) {
		(void)control(w, EPOLL_CTL_DEL, 0);
		w->known = false;
	}
	w->events = 0;
}

int
watch_wait(struct watch *w, int events)
{
	int r = 0;

	if (events == w->events)
		return 0;
	/* What stands and goes on needs no end. */
	if (!w->standing || events == 0)
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
watch_again(struct watch *w)
{
	switch_off(w);
	w->events = WATCH_AGAIN;
	enqueue(w);
	set_idle(w->watcher);
}

void
watch_close(struct watch *w)
{
	if (w->watcher)
		switch_off(w);
	w->watcher = NULL;
}
