/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The life of a transfer; see pump.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>

#include "pump.h"

#define PUMP_MAGIC MAGIC('p', 'u', 'm', 'p')
#define TICK_MS    1000
/* How long a finished download waits for the client's FIN, so that bytes it sent meanwhile don't
 * become a reset. */
#define LINGER_MS 5000
#define SLICE_MAX (1024U * 1024)
#define SLICE_MIN (256U * 1024)
#define SCRATCH   (FILE_BLOCK + 16)
/* What a new connection takes at once. */
#define SHORT (32U * 1024)

/* What is written for longer may never end. */
#define HANG_MS 1000

static void on_socket(void *owner);
static void on_pipe(void *owner);
static void on_timer(uv_timer_t *timer);
static void wind_up(struct pump *p);

int
pumps_init(struct pumps *ps, uv_loop_t *loop, struct watcher *watcher, struct pool *pool,
	   struct turns *turns, const struct digests *digests)
{
	*ps = (struct pumps){.loop = loop,
			     .watcher = watcher,
			     .pool = pool,
			     .turns = turns,
			     .digests = digests,
			     .in = malloc(SCRATCH),
			     .out = malloc(2 * SCRATCH)};
	LIST_INIT(&ps->all);
	if (ps->in && ps->out)
		return 0;
	pumps_deinit(ps);
	return -ENOMEM;
}

void
pumps_deinit(struct pumps *ps)
{
	free(ps->in);
	free(ps->out);
	ps->in = ps->out = NULL;
}

static void
on_closed(uv_handle_t *handle)
{
	struct pump *p = handle->data;

	REQUIRE(p->magic == PUMP_MAGIC);
	LIST_REMOVE(p, link);
	free(p->text);
	p->magic = 0;
	free(p);
}

/* Closes the data connection. */
static void
close_connection(struct pump *p)
{
	turns_leave(p->all->turns, &p->turn);
	tls_free(p->tls);
	p->tls = NULL;
	watch_close(&p->socket_watch);
	fd_close(&p->socket);
}

static void
close_all(struct pump *p)
{
	char *block = NULL;
	size_t rest = 0;

	if (p->closing)
		return;
	p->closing = true;
	p->owner = NULL;
	if (p->begun && !p->ended)
		p->all->running--;
	p->ended = true;
	p->winds_up = false;
	close_connection(p);
	uv_close((uv_handle_t *)&p->timer, on_closed);
	watch_close(&p->pipe_watch);
	fd_close(&p->plan.fd);
	if (p->plan.kind == TRANSFER_RECEIVE && p->file)
		rest = pump_receive_unwritten(p, &block);
	file_free(&p->file, block, rest, p->position);
}

void
pump_free(struct pump *p)
{
	if (p)
		close_all(p);
}

void
pumps_close(struct pumps *ps)
{
	struct pump *p;

	LIST_FOREACH (p, &ps->all, link)
		close_all(p);
}

static void
go_on(struct pump *p, struct file *f)
{
	if (f->task == FILE_CLASSIFY)
		file_classified(f, uv_now(p->all->loop));
	if (p->winds_up) {
		wind_up(p);
	} else if (f->task == FILE_CLASSIFY) {
		p->step(p);
	} else if (p->plan.kind == TRANSFER_RECEIVE) {
		pump_receive_task_done(p);
	} else {
		pump_send_task_done(p);
	}
}

static void
task_done(struct file *f, void *owner)
{
	struct pump *p = owner;
	struct watcher *watcher = p->all->watcher;
	uint64_t begin = uv_hrtime();

	REQUIRE(p->magic == PUMP_MAGIC);
	go_on(p, f);
	watcher->told += uv_hrtime() - begin;
}

static void
on_turn(void *owner)
{
	struct pump *p = owner;

	REQUIRE(p->magic == PUMP_MAGIC);
	pump_tls_step(p);
}

/* 0 or a negative errno. */
static int
prepare(struct pump *p)
{
	if (p->plan.kind == TRANSFER_SEND_PIPE)
		return fd_set_nonblocking(p->plan.fd, true);
	if (!p->file)
		return -ENOMEM;
	return p->plan.kind == TRANSFER_RECEIVE ? pump_receive_init(p) : pump_send_init(p);
}

struct pump *
pump_new(struct pumps *all, int socket, struct tls *tls, const struct transfer_plan *plan,
	 const struct pump_terms *terms, const struct pump_calls *calls, void *owner)
{
	struct pump *p = calloc(1, sizeof(*p));
	int fd = plan->fd;

	if (!p) {
		tls_free(tls);
		fd_close(&socket);
		fd_close(&fd);
		return NULL;
	}
	*p = (struct pump){.magic = PUMP_MAGIC,
			   .all = all,
			   .calls = calls,
			   .owner = owner,
			   .plan = *plan,
			   .terms = *terms,
			   .tls = tls,
			   .turn = {.run = on_turn, .owner = p},
			   .socket = socket,
			   .position = plan->offset};
	p->step = plan->kind == TRANSFER_RECEIVE ? pump_receive_step : pump_send_step;
	LIST_INSERT_HEAD(&all->all, p, link);
	uv_timer_init(all->loop, &p->timer);
	p->timer.data = p;
	watch_init(&p->socket_watch, all->watcher, socket, on_socket, p);
	watch_init(&p->pipe_watch, all->watcher, plan->fd, on_pipe, p);
	if (tls)
		p->secure_by = uv_now(all->loop) + terms->handshake_ms;
	if (plan->kind != TRANSFER_SEND_PIPE) {
		p->plan.fd = -1;
		p->file = file_new(all->pool, &all->classes, fd, uv_now(all->loop), task_done, p);
	}
	if (prepare(p) < 0) {
		close_all(p);
		return NULL;
	}
	return p;
}

void
pump_go(struct pump *p)
{
	if (p->file && p->file->class == FILE_UNKNOWN)
		file_start(p->file, FILE_CLASSIFY, NULL, 0, 0);
	else
		p->step(p);
}

bool
pump_is_short(const struct pump *p)
{
	return p->plan.kind == TRANSFER_SEND_FILE && !p->tls && p->file->size <= SHORT &&
	       p->file->class != FILE_REMOTE;
}

void
pump_begin(struct pump *p)
{
	int on = 1;

	p->begun = true;
	p->all->running++;
	p->last_moved = p->tokens_at = uv_now(p->all->loop);
	if (p->tls)
		setsockopt(p->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	else if (p->plan.kind == TRANSFER_SEND_FILE && p->plan.rate == 0)
		setsockopt(p->socket, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	uv_timer_start(&p->timer, on_timer, TICK_MS, 0);
	if (p->tls)
		pump_tls_begin(p);
	else
		pump_go(p);
}

static void
drain(struct pump *p)
{
	/* A client that goes on sending is read for a few seconds, a little a turn. */
	ssize_t n = recv(p->socket, p->all->in, FILE_BLOCK, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_all(p);
	else if (watch_wait(&p->socket_watch, UV_READABLE) < 0)
		close_all(p);
}

static void
on_socket(void *owner)
{
	struct pump *p = owner;

	REQUIRE(p->magic == PUMP_MAGIC && !p->closing);
	if (p->lingers)
		drain(p);
	else if (p->secure_by)
		pump_tls_ready(p);
	else
		p->step(p);
}

static void
on_pipe(void *owner)
{
	struct pump *p = owner;

	REQUIRE(p->magic == PUMP_MAGIC);
	if (!p->ended)
		p->step(p);
}

void
pump_wait_socket(struct pump *p, int events)
{
	/* An upload that has ended may have been told so from within a step, and has no socket. */
	if (!p->ended && watch_wait(&p->socket_watch, events) < 0)
		pump_end(p, TRANSFER_RESET, 0);
}

void
pump_wait_pipe(struct pump *p, bool on)
{
	int r = p->closing ? 0 : watch_wait(&p->pipe_watch, on ? UV_READABLE : 0);

	if (r < 0)
		pump_end(p, TRANSFER_FILE_ERROR, r);
}

static void
on_timer(uv_timer_t *timer)
{
	struct pump *p = timer->data;
	uint64_t now = uv_now(timer->loop);

	REQUIRE(p->magic == PUMP_MAGIC);
	if (p->closing)
		return;
	if (p->lingers) {
		close_all(p);
		return;
	}
	if (p->winds_up) {
		wind_up(p);
		return;
	}
	if (p->secure_by && now >= p->secure_by) {
		pump_end(p, TRANSFER_TLS_FAILED, 0);
		return;
	}
	if (now >= p->last_moved + p->terms.stall_ms) {
		pump_end(p, TRANSFER_STALLED, 0);
		return;
	}
	uv_timer_start(&p->timer, on_timer, TICK_MS, 0);
	bool trickle = p->plan.kind == TRANSFER_RECEIVE && p->filled > 0;
	if ((p->held || trickle) && p->file && p->file->class == FILE_UNKNOWN)
		return;
	if (p->held || trickle) {
		p->held = false;
		p->step(p);
	}
}

void
pump_again(struct pump *p)
{
	if (!p->ended)
		watch_again(&p->socket_watch);
}

size_t
pump_allowance(struct pump *p, size_t n)
{
	uint64_t now = uv_now(p->all->loop);

	if (p->plan.rate == 0)
		return n;
	/* At most a second's worth is saved up, which bounds the burst. */
	uint64_t ms = now - p->tokens_at < 1000 ? now - p->tokens_at : 1000;
	uint64_t rate = p->plan.rate;
	int64_t gain = (int64_t)(rate / 1000 * ms + rate % 1000 * ms / 1000);
	if (gain > 0) {
		p->tokens_at = now;
		p->tokens = p->tokens + gain < (int64_t)rate ? p->tokens + gain : (int64_t)rate;
	}
	if (p->tokens > 0)
		return n < (uint64_t)p->tokens ? n : (size_t)p->tokens;

	/* Sleep until there is about a twentieth of a second's worth. */
	uint64_t sleep = rate >= 20 ? 50 : 1000 / rate + 1;
	p->held = true;
	pump_wait_socket(p, 0);
	if (!p->closing)
		uv_timer_start(&p->timer, on_timer, sleep, 0);
	return 0;
}

void
pump_count(struct pump *p, size_t n)
{
	p->moved += n;
	p->last_moved = uv_now(p->all->loop);
	if (p->plan.rate)
		p->tokens -= (int64_t)n;
}

size_t
pump_slice(const struct pump *p)
{
	size_t share = SLICE_MAX / (p->all->running ? p->all->running : 1);

	return share < SLICE_MIN ? SLICE_MIN : share;
}

bool
pump_is_socket_error(int error)
{
	static const int of_sockets[] = {-EPIPE,        -ECONNRESET,  -ECONNABORTED, -ETIMEDOUT,
					 -EHOSTUNREACH, -ENETUNREACH, -ENETDOWN,     -ENETRESET,
					 -ENOTCONN,     -EHOSTDOWN};

	for (size_t i = 0; i < sizeof(of_sockets) / sizeof(of_sockets[0]); i++)
		if (of_sockets[i] == error)
			return true;
	return false;
}

void
pump_end_by_socket(struct pump *p, int error)
{
	pump_end(p, error == -ETIMEDOUT ? TRANSFER_STALLED : TRANSFER_RESET, 0);
}

/* The end of a whole file: FIN, and then the client's.  Until then nothing but the socket is kept:
 * there may be many of these, and the session goes on without them. */
static void
linger(struct pump *p)
{
	shutdown(p->socket, SHUT_WR);
	p->lingers = true;
	file_free(&p->file, NULL, 0, 0);
	watch_close(&p->pipe_watch);
	fd_close(&p->plan.fd);
	tls_free(p->tls);
	p->tls = NULL;
	free(p->text);
	p->text = NULL;
	uv_timer_start(&p->timer, on_timer, LINGER_MS, 0);
	if (watch_wait(&p->socket_watch, UV_READABLE) < 0)
		close_all(p);
}

/* An upload has ended by close_notify: ours answers it, as far as there is room for it. */
static void
say_goodbye(struct pump *p)
{
	tls_end(p->tls, true);
	tls_flush(p->tls);
}

/* Tells the owner, where there is one: the last thing that is done with what it has. */
static void
tell(struct pump *p)
{
	const struct pump_result result = p->result;
	void *owner = p->owner;
	int fd = result.fd;

	p->owner = NULL;
	if (p->result.end == TRANSFER_COMPLETE && p->plan.kind != TRANSFER_RECEIVE)
		linger(p);
	else
		close_all(p);
	if (owner)
		p->calls->ended(owner, &result, p->digest);
	else
		fd_close(&fd);
}

/* Ends a download. */
static void
end_sending(struct pump *p)
{
	/* One that is not whole ends by a reset: FIN would look like the file's end. */
	struct linger reset = {1, 0};

	if (p->result.end != TRANSFER_COMPLETE)
		setsockopt(p->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	else if (p->file && p->file->hash.on)
		hash_end_named(&p->file->hash, p->plan.digest, p->digest);
	tell(p);
}

/*
 * What an upload has left at its end is written before it is told.  Where a write has hung for too
 * long it is told without its file, which ends by itself.
 */
static void
wind_up(struct pump *p)
{
	p->winds_up = true;
	if (pump_receive_rest(p)) {
		bool is_gone;
		bool settled = p->file->task == FILE_SYNC || p->file->task == FILE_FLUSH;
		p->result.lost = settled && p->file->result < 0;
		p->result.size = file_size(p->file, &is_gone);
		p->result.grown = (int64_t)(p->result.size - p->size_before);
		/* Who has removed it took away what there was of it then. */
		p->result.sure = !is_gone;
		p->result.may_hang = p->file->class == FILE_REMOTE ||
				     p->result.size > FILE_FREED_AT_ONCE;
		pump_receive_digest(p);
		p->result.fd = file_take(&p->file);
		tell(p);
		return;
	}
	uint64_t since = uv_hrtime() / 1000000 - p->file->started;
	if (since >= HANG_MS) {
		p->result.size = p->position;
		tell(p);
	} else {
		uv_timer_start(&p->timer, on_timer, HANG_MS - since, 0);
	}
}

static void
end_receiving(struct pump *p)
{
	if (p->tls && p->result.end == TRANSFER_COMPLETE)
		say_goodbye(p);
	close_connection(p);
	wind_up(p);
}

void
pump_end(struct pump *p, enum transfer_end end, int error)
{
	if (p->ended)
		return;
	p->ended = true;
	p->result = (struct pump_result){.end = end,
					 .error = error,
					 .bytes = p->moved,
					 .protected = p->tls && !p->secure_by,
					 .resumed = p->tls && tls_is_resumed(p->tls),
					 .why = p->tls ? tls_why(p->tls) : "",
					 .fd = -1};
	if (p->begun)
		p->all->running--;
	if (p->plan.kind == TRANSFER_RECEIVE)
		end_receiving(p);
	else
		end_sending(p);
}

void
pump_stop(struct pump *p, enum transfer_end end, int error)
{
	pump_end(p, end, error);
}
