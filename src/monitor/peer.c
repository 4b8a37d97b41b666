/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Processes and their channels; see peer.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/base/spawn.h>

#include "monitor.h"
#include "peer.h"

#define PEER_MAGIC MAGIC('P', 'E', 'E', 'R')
/* A turn of the loop takes so many messages of one peer, so that none starves the others. */
#define MESSAGES_A_TURN 64
#define QUEUE_MAX       20000
/* A channel that can be written to has three quarters of its buffer free: for far more than this.
 */
#define ROOM_HOLDS 16
/* How long a process whose channel ended has to leave. */
#define LEAVE_MS 1000

struct datagram {
	struct datagram *next;
	int fd;
	size_t length;
	char bytes[];
};

static struct peer *
peer_of(void *data)
{
	struct peer *p = data;

	REQUIRE(p->magic == PEER_MAGIC);
	return p;
}

static void peer_lose(struct peer *p);

static void
drop_first(struct peer *p)
{
	struct datagram *d = p->queue;

	p->queue = d->next;
	if (!p->queue)
		p->queue_end = NULL;
	p->queued--;
	fd_close(&d->fd);
	free(d);
}

/* Everything ended: the owner may free it. */
static void
finish(struct peer *p)
{
	if (p->handles || p->pid || p->dead)
		return;
	p->dead = true;
	p->magic = 0;
	p->class->gone(p, p->status);
}

static void
on_closed(uv_handle_t *handle)
{
	struct peer *p = peer_of(handle->data);

	p->handles--;
	finish(p);
}

/* A signal for whom we may signal.  Returns at once; SIGCHLD tells of the death. */
static void
kill_now(struct peer *p)
{
	if (p->pid && kill(p->pid, SIGKILL) < 0)
		LOG(ERROR, "a process cannot be killed", LOG_STR("role", p->class->name),
		    LOG_NUM("pid", p->pid), LOG_ERRNO(-errno));
}

static void
on_timer(uv_timer_t *timer)
{
	struct peer *p = peer_of(timer->data);

	LOG(WARNING, "a process took too long and is killed", LOG_STR("role", p->class->name),
	    LOG_NUM("pid", p->pid));
	kill_now(p);
	if (!p->lost)
		peer_lose(p);
}

/* Closes the channel.  The poll handle goes first: the number of the descriptor may be another's
 * right after. */
static void
close_channel(struct peer *p)
{
	p->lost = true;
	uv_close((uv_handle_t *)&p->poll, on_closed);
	wire_deinit(&p->wire);
	while (p->queue)
		drop_first(p);
	if (!p->pid)
		uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void
peer_lose(struct peer *p)
{
	close_channel(p);
	if (p->pid)
		uv_timer_start(&p->timer, on_timer, LEAVE_MS, 0);
	p->class->lost(p);
}

void
peer_end(struct peer *p, uint64_t grace_ms)
{
	if (p->lost)
		return;
	close_channel(p);
	if (p->pid)
		uv_timer_start(&p->timer, on_timer, grace_ms, 0);
}

void
peer_kill_after(struct peer *p, uint64_t ms)
{
	if (!p->lost)
		uv_timer_start(&p->timer, on_timer, ms, 0);
}

void
peer_keep(struct peer *p)
{
	if (!p->lost)
		uv_timer_stop(&p->timer);
}

/* A peer that broke the rules is not asked to leave. */
static void
punish(struct peer *p, const char *what)
{
	LOG(ERROR, "a process sent what is not legal and is killed",
	    LOG_STR("role", p->class->name), LOG_NUM("pid", p->pid), LOG_STR("message", what));
	kill_now(p);
	peer_lose(p);
}

/* Takes at most max messages.  The peer may be lost afterwards. */
static void
take_messages(struct peer *p, size_t max)
{
	for (size_t i = 0; i < max && !p->lost; i++) {
		struct message m;
		int r = wire_recv(&p->wire, &m);
		if (r == -EAGAIN)
			return;
		if (r == WIRE_CLOSED) {
			peer_lose(p);
			return;
		}
		/* No message to the monitor brings a descriptor, so WIRE_FD_LOST can't be legal
		 * either. */
		peer_handler handler = r == 0 ? p->class->handlers[m.id] : NULL;
		if (r != 0 || !handler)
			punish(p, r == 0 ? message_name(m.id) : "unreadable");
		else if (handler(p, &m) < 0 && !p->lost)
			punish(p, message_name(m.id));
	}
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void
watch(struct peer *p)
{
	uv_poll_start(&p->poll, UV_READABLE | (p->queue ? UV_WRITABLE : 0), on_poll);
}

/* Sends of the queue what goes. */
static void
send_queue(struct peer *p)
{
	while (p->queue) {
		struct datagram *d = p->queue;
		int r = wire_send_encoded(&p->wire, (struct slice){d->bytes, d->length}, d->fd);
		if (r == -EAGAIN)
			return;
		drop_first(p);
	}
	watch(p);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct peer *p = peer_of(poll->data);

	if (status < 0) {
		peer_lose(p);
		return;
	}
	if (events & UV_WRITABLE)
		send_queue(p);
	if (events & UV_READABLE)
		take_messages(p, MESSAGES_A_TURN);
}

static int
enqueue(struct peer *p, int fd)
{
	struct slice bytes = buf_slice(&p->wire.out);
	struct datagram *d = malloc(sizeof(*d) + bytes.n);

	if (!d)
		return -ENOMEM;
	*d = (struct datagram){.fd = -1, .length = bytes.n};
	memcpy(d->bytes, bytes.p, bytes.n);
	if (fd >= 0) {
		d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (d->fd < 0) {
			free(d);
			return -errno;
		}
	}
	if (p->queue_end)
		p->queue_end->next = d;
	else
		p->queue = d;
	p->queue_end = d;
	if (++p->queued == QUEUE_MAX) {
		LOG(ERROR, "a process reads no messages and is killed",
		    LOG_STR("role", p->class->name), LOG_NUM("pid", p->pid));
		kill_now(p);
	}
	watch(p);
	return 0;
}

int
peer_send(struct peer *p, const struct message *m)
{
	int r;

	if (p->lost || p->queued >= QUEUE_MAX)
		return -EPIPE;
	r = wire_encode(&p->wire, m);
	if (r < 0) {
		LOG(ERROR, "a message cannot be sent", LOG_STR("role", p->class->name),
		    LOG_STR("message", message_name(m->id)), LOG_ERRNO(r));
		return r;
	}
	if (!p->queue) {
		r = wire_send_encoded(&p->wire, buf_slice(&p->wire.out), m->fd);
		if (r != -EAGAIN)
			return r;
	}
	return enqueue(p, m->fd);
}

bool
peer_has_room(struct peer *p)
{
	struct pollfd pfd = {.fd = p->wire.fd, .events = POLLOUT};

	if (p->lost || p->queue)
		return false;
	if (p->room == 0 && poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLOUT))
		p->room = ROOM_HOLDS;
	if (p->room == 0)
		return false;
	p->room--;
	return true;
}

int
peer_adopt(struct peer *p, const struct peer_class *class, struct monitor *m, int fd)
{
	int r = fd_set_nonblocking(fd, true);

	*p = (struct peer){.magic = PEER_MAGIC, .class = class, .monitor = m, .handles = 2};
	if (r == 0)
		r = uv_poll_init(&m->loop, &p->poll, fd);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	uv_timer_init(&m->loop, &p->timer);
	p->poll.data = p->timer.data = p;
	wire_init(&p->wire, fd, WIRE_MONITOR, class->role);
	watch(p);
	return 0;
}

int
peer_start(struct peer *p, const struct peer_class *class, struct monitor *m)
{
	int pair[2];
	pid_t pid = 0;
	int r = fd_seqpacket_pair(pair);

	if (r < 0)
		return r;
	r = spawn_role(class->name, pair[1], m->log_fd, &pid);
	fd_close(&pair[1]);
	if (r == 0)
		r = peer_adopt(p, class, m, pair[0]);
	else
		fd_close(&pair[0]);
	if (r < 0) {
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		LOG(ERROR, "a process cannot be started", LOG_STR("role", class->name),
		    LOG_ERRNO(r));
		return r;
	}
	p->pid = pid;
	HASH_ADD_INT(m->children, pid, p);
	return 0;
}

/* Dead; but what it sent before its end still counts. */
static void
reaped(struct peer *p, int status)
{
	HASH_DEL(p->monitor->children, p);
	p->pid = 0;
	p->status = status;
	if (p->lost) {
		uv_close((uv_handle_t *)&p->timer, on_closed);
		return;
	}
	take_messages(p, SIZE_MAX);
	if (!p->lost)
		peer_lose(p);
}

void
peers_reap(struct monitor *m)
{
	for (;;) {
		struct peer *p;
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return;
		HASH_FIND_INT(m->children, &pid, p);
		if (p)
			reaped(p, status);
	}
}
