/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Listening sockets; see listener.h. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/conf/passive.h>

#include "listener.h"
#include "worker.h"

#define LISTENER_MAGIC MAGIC('L', 'S', 'T', 'N')
#define BACKLOG        4096
/* A turn of the loop accepts so many, then looks at the rest of the world. */
#define ACCEPTS_A_TURN 64
#define PAUSE_MS       100
/* Workers that are all behind with reading catch up in less. */
#define BUSY_PAUSE_MS 5

struct listener {
	uint32_t magic;
	struct monitor *monitor;
	size_t index;
	int fd;
	struct sockaddr_storage local; /* where it is bound; of no family: to all addresses */
	uv_poll_t poll;
	bool open; /* poll is initialised and not closed */
	struct settings settings;
};

static void
log_listener(const char *what, const struct conf_listener *l, int r)
{
	struct buf text = BUF_INIT;

	address_format(&text, &l->address);
	if (r < 0)
		LOG(ERROR, what, LOG_STR("listener", l->name),
		    LOG_BYTES("address", buf_slice(&text)), LOG_ERRNO(r));
	else
		LOG(INFO, what, LOG_STR("listener", l->name),
		    LOG_BYTES("address", buf_slice(&text)));
	buf_deinit(&text);
}

/*
 * What Linux hands on to each connection that is accepted, so that it costs none of them a call.
 * RFC 959 §4.1.3 sends Telnet's signals as urgent data: they stay in their place in the stream.
 */
static int
set_inherited(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_OOBINLINE, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_NODELAY, 1},    {IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 15}, {IPPROTO_TCP, TCP_KEEPCNT, 4},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			       sizeof(int)) < 0)
			return -errno;
	return 0;
}

/* A bound and listening socket, or a negative errno.  "*" is the IPv6 wildcard and takes IPv4 too.
 */
static int
open_socket(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	bool v6 = address->ss_family == AF_INET6;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, only = v6 && !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0) ||
	    bind(fd, (const struct sockaddr *)address,
		 v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) < 0 ||
	    set_inherited(fd) < 0 || listen(fd, BACKLOG) < 0) {
		int r = -errno;
		fd_close(&fd);
		return r;
	}
	return fd;
}

/* The local address of all its connections, where that is one. */
static struct sockaddr_storage
bound_address(int fd)
{
	const struct sockaddr_storage unknown = {.ss_family = AF_UNSPEC};
	struct sockaddr_storage a = unknown;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return unknown;
	address_unmap(&a);
	return address_is_any(&a) ? unknown : a;
}

int
listeners_open(struct monitor *m)
{
	const struct conf_listener *from;
	size_t n = conf_listeners(m->conf, &from);

	m->listeners = calloc(n, sizeof(*m->listeners));
	if (!m->listeners)
		return -ENOMEM;
	for (m->n_listeners = 0; m->n_listeners < n; m->n_listeners++) {
		size_t i = m->n_listeners;
		struct listener *l = &m->listeners[i];
		const struct conf_subject nobody = {.listener = i};

		*l = (struct listener){.magic = LISTENER_MAGIC, .monitor = m, .index = i, .fd = -1};
		l->fd = open_socket(&from[i].address);
		int r = l->fd < 0 ? l->fd : conf_settings_for(m->conf, &nobody, &l->settings);
		if (r < 0)
			fd_close(&l->fd);
		else
			l->local = bound_address(l->fd);
		log_listener(r < 0 ? "a listener cannot be opened" : "listening", &from[i], r);
		if (r < 0)
			return r;
	}
	return 0;
}

/* 421 for who can't be let in; what the socket does not take at once is lost. */
static void
turn_away(int fd)
{
	static const char text[] = "421 Too many connections, please try again later.\r\n";

	(void)!send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

/* The least loaded worker that can take a session, or NULL. */
static struct worker *
choose_worker(struct monitor *m)
{
	struct worker *best = NULL;

	for (size_t i = 0; i < m->n_workers; i++) {
		struct worker *w = &m->workers[i];
		if (w->takes_sessions && (!best || w->sessions < best->sessions) &&
		    peer_has_room(&w->peer))
			best = w;
	}
	return best;
}

static void
log_refusal(const struct sockaddr_storage *peer, enum admission_verdict verdict)
{
	static const char *const why[] = {"memory", "max_sessions", "max_sessions_per_address",
					  "login_penalty"};
	struct buf text = BUF_INIT;

	address_format_host(&text, peer);
	LOG(INFO, "a connection was turned away", LOG_BYTES("peer", buf_slice(&text)),
	    LOG_STR("limit", why[verdict]));
	buf_deinit(&text);
}

/* Where a client block holds the peer: the settings before his login, encoded.  0 or -ENOMEM. */
static int
settings_by_address(const struct listener *l, struct session *s,
		    const struct sockaddr_storage *peer, struct buf *out)
{
	const struct conf_subject subject = {.listener = l->index, .address = peer};
	struct settings settings;

	s->login_timeout = l->settings.login_timeout;
	if (!conf_has_client(l->monitor->conf, peer))
		return 0;
	int r = conf_settings_for(l->monitor->conf, &subject, &settings);
	if (r < 0)
		return r;
	s->login_timeout = settings.login_timeout;
	settings_encode(&settings, out);
	settings_deinit(&settings);
	return buf_error(out);
}

/* Tells the worker.  0 or a negative errno. */
static int
hand_over(const struct listener *l, struct worker *w, int fd, struct session *s)
{
	struct message msg = {.id = MSG_W_SESSION, .fd = fd};
	struct buf settings = BUF_INIT;
	struct sockaddr_storage peer = endpoint_address(&s->peer);
	int r = settings_by_address(l, s, &peer, &settings);

	msg.w_session.session = s->id;
	msg.w_session.listener = (uint32_t)l->index;
	msg.w_session.peer = peer;
	msg.w_session.local = endpoint_address(&s->local);
	msg.w_session.settings = buf_slice(&settings);
	passive_address_for(&l->settings.passive_address, &peer, &msg.w_session.passive_address);
	if (r == 0)
		r = peer_send(&w->peer, &msg);
	buf_deinit(&settings);
	return r;
}

static void
admit(struct listener *l, struct worker *w, int fd, const struct sockaddr_storage *peer)
{
	struct monitor *m = l->monitor;
	struct session *s = session_new(&m->sessions);

	if (!s || admission_enter(&m->admission, peer) < 0) {
		log_refusal(peer, ADMITTED);
		session_free(&m->sessions, &s);
		turn_away(fd);
		return;
	}
	struct sockaddr_storage local = l->local.ss_family == AF_UNSPEC ? bound_address(fd)
									: l->local;
	s->worker = (uint32_t)w->index;
	s->listener = (uint32_t)l->index;
	s->peer = endpoint_of(peer);
	s->local = endpoint_of(&local);
	w->sessions++;

	if (hand_over(l, w, fd, s) < 0) {
		worker_forget_session(m, s);
		turn_away(fd);
		return;
	}
	close(fd);
}

static void
stop_all(struct monitor *m)
{
	for (size_t i = 0; i < m->n_listeners; i++)
		if (m->listeners[i].open)
			uv_poll_stop(&m->listeners[i].poll);
}

static void
on_pause_over(uv_timer_t *timer)
{
	listeners_start(timer->data);
}

/*
 * No descriptor is left: a spare one is given up to tell the first client so, and accepting rests,
 * for the cause will still be there.
 */
static void
out_of_descriptors(struct listener *l)
{
	struct monitor *m = l->monitor;

	LOG(WARNING, "no descriptor is left for a connection",
	    LOG_NUM("sessions", session_count(&m->sessions)));
	fd_close(&m->spare_fd);
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		turn_away(fd);
	m->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* One connection.  False when there is none, or accepting must rest. */
static bool
accept_one(struct listener *l)
{
	struct monitor *m = l->monitor;
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);
	struct worker *w = choose_worker(m);
	unsigned pause = 0;

	if (!w) {
		pause = BUSY_PAUSE_MS;
	} else {
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			address_unmap(&peer);
			enum admission_verdict verdict = admission_check(&m->admission, &peer,
									 uv_now(&m->loop));
			if (verdict == ADMITTED) {
				admit(l, w, fd, &peer);
			} else {
				log_refusal(&peer, verdict);
				turn_away(fd);
			}
			return true;
		}
		if (errno == EAGAIN)
			return false;
		if (errno == EMFILE || errno == ENFILE)
			out_of_descriptors(l);
		else if (errno != ENOMEM && errno != ENOBUFS)
			return true; /* that connection broke already: accept(2) tells its error */
		pause = PAUSE_MS;
	}
	stop_all(m);
	uv_timer_start(&m->accept_pause, on_pause_over, pause, 0);
	return false;
}

static void
on_connection(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)status;
	(void)events;
	REQUIRE(l->magic == LISTENER_MAGIC);
	for (int i = 0; i < ACCEPTS_A_TURN; i++)
		if (!accept_one(l))
			return;
}

void
listeners_start(struct monitor *m)
{
	for (size_t i = 0; i < m->n_listeners && !m->draining; i++) {
		struct listener *l = &m->listeners[i];
		if (!l->open) {
			l->open = uv_poll_init(&m->loop, &l->poll, l->fd) == 0;
			l->poll.data = l;
		}
		if (l->open)
			uv_poll_start(&l->poll, UV_READABLE, on_connection);
	}
}

void
listeners_close(struct monitor *m)
{
	uv_timer_stop(&m->accept_pause);
	for (size_t i = 0; i < m->n_listeners; i++) {
		struct listener *l = &m->listeners[i];
		if (l->open)
			uv_close((uv_handle_t *)&l->poll, NULL);
		l->open = false;
		fd_close(&l->fd);
	}
}

void
listeners_free(struct monitor *m)
{
	for (size_t i = 0; i < m->n_listeners; i++)
		settings_deinit(&m->listeners[i].settings);
	free(m->listeners);
	m->listeners = NULL;
	m->n_listeners = 0;
}
