/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * epoll and connections: see loop.h.
 */
#include "loop.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH   64
#define SILENCE 120000 /* ms */

void
loop_init(struct loop *l)
{
	l->fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->fd < 0)
		err(1, "epoll_create1");
}

uint64_t
loop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void
loop_run(struct loop *l, const long *pending)
{
	struct epoll_event events[BATCH];

	while (*pending > 0) {
		int n = epoll_wait(l->fd, events, BATCH, SILENCE);
		if (n == 0)
			errx(1, "the server is silent, and %ld sessions wait", *pending);
		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			struct watch *w = events[i].data.ptr;
			/* Closed by what came before it in this batch? */
			if (w->fd >= 0)
				w->ready(w);
		}
	}
}

void
watch_dial(struct watch *w, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int one = 1;

	w->events = 0;
	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0 ||
	    (connect(w->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS))
		err(1, "connect to port %u", port);
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void
watch_want(struct watch *w, struct loop *l, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	if (w->events == events)
		return;
	if (epoll_ctl(l->fd, w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e) < 0)
		err(1, "epoll_ctl");
	w->events = events;
}

void
watch_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->events = 0;
}
