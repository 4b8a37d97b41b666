/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The world around a worker; see around.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/fd.h>

#include "around.h"

struct worker_world world = {.spool = -1};
int worker_log = -1;

char *
random_bytes(size_t n)
{
	char *p = malloc(n + 1);
	uint64_t x = 88172645463325252U + n;

	assert_non_null(p);
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		p[i] = (char)x;
	}
	return p;
}

void
wait_for(int fd, short events)
{
	struct pollfd p = {fd, events, 0};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

void
tell(struct wire *w, struct message m)
{
	assert_int_equal(wire_send(w, &m), 0);
	if (m.fd >= 0)
		close(m.fd);
}

struct message
hear(struct wire *w, enum message_id id)
{
	struct message m;

	wait_for(w->fd, POLLIN);
	assert_int_equal(wire_recv(w, &m), 0);
	assert_string_equal(message_name(m.id), message_name(id));
	return m;
}

void
make_channel(struct wire *mine, enum wire_role self, int *theirs)
{
	int pair[2];

	assert_int_equal(fd_seqpacket_pair(pair), 0);
	wire_init(mine, pair[0], self, WIRE_WORKER);
	mine->phase = WIRE_SERVING;
	*theirs = pair[1];
}

/* The file is opened anew, as an agent would: RETR and STOR must not share an offset. */
int
reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, flags | O_CLOEXEC);
	assert_true(again >= 0);
	return again;
}

static void
start_listener(int i)
{
	struct settings set;
	struct buf bytes = BUF_INIT;

	assert_int_equal(settings_init(&set), 0);
	set.passive_ports = (struct port_range){LOW_PORT, HIGH_PORT};
	set.active_port = 0;
	set.login_delay = 0;
	set.data_timeout = 1;
	set.stall_timeout = 2;
	set.login_timeout = i == LISTENER_HASTY ? 2 : 60;
	set.sources = (struct order){{i == LISTENER_USERS ? WORD_source_users
				      : i == LISTENER_PAM ? WORD_source_pam
							  : WORD_source_anonymous},
				     1};
	settings_encode(&set, &bytes);
	tell(&world.monitor, (struct message){.id = MSG_W_LISTENER,
					      .fd = -1,
					      .w_listener = {(uint32_t)i, buf_slice(&bytes)}});
	buf_deinit(&bytes);
	settings_deinit(&set);
}

static void
exec_worker(int channel)
{
	struct rlimit limit = {FILE_LIMIT, FILE_LIMIT};
	int null = open("/dev/null", O_RDWR);

	setrlimit(RLIMIT_FSIZE, &limit);
	dup2(null, 0);
	dup2(null, 1);
	if (worker_log >= 0)
		dup2(worker_log, STDERR_FILENO);
	dup2(channel, 3);
	execl(getenv("WHARF_WORKER"), "wharfd-worker", (char *)NULL);
	_exit(127);
}

int
start_worker(void **state)
{
	struct settings set;
	struct buf bytes = BUF_INIT;
	int channel;

	(void)state;
	const int spool = world.spool;

	memset(&world, 0, sizeof(world));
	world.spool = spool;
	signal(SIGPIPE, SIG_IGN);
	make_channel(&world.monitor, WIRE_MONITOR, &channel);
	world.monitor.phase = WIRE_START;
	world.pid = fork();
	if (world.pid == 0)
		exec_worker(channel);
	close(channel);
	assert_int_equal(settings_init(&set), 0);
#ifdef WHARF_SANITIZED
	/* The sanitizer looks for leaks by means that the sandbox forbids. */
	set.sandbox = WORD_sandbox_none;
#endif
	set.log_level = getenv("WHARF_TEST_LOG") ? WORD_log_level_debug
			: worker_log >= 0        ? WORD_log_level_info
						 : WORD_log_level_error;
	settings_encode(&set, &bytes);
	tell(&world.monitor, (struct message){.id = MSG_W_START,
					      .fd = -1,
					      .w_start = {1, 1, 0, 0, 0, buf_slice(&bytes)}});
	for (int i = 0; i < LISTENERS; i++)
		start_listener(i);
	if (world.spool >= 0)
		tell(&world.monitor,
		     (struct message){.id = MSG_W_SPOOL,
				      .fd = reopen(world.spool, O_WRONLY | O_APPEND)});
	tell(&world.monitor, (struct message){.id = MSG_W_RUN, .fd = -1});
	hear(&world.monitor, MSG_M_READY);
	world.monitor.phase = WIRE_SERVING;
	make_channel(&world.agent, WIRE_AGENT, &channel);
	tell(&world.monitor, (struct message){.id = MSG_W_AGENT, .fd = channel, .w_agent = {7}});
	make_channel(&world.users, WIRE_AUTH, &channel);
	tell(&world.monitor,
	     (struct message){.id = MSG_W_AUTH, .fd = channel, .w_auth = {WORD_source_users}});
	buf_deinit(&bytes);
	settings_deinit(&set);
	return 0;
}

/* It drains, and ends with status 0: without a leak, where a sanitizer looks. */
int
stop_worker(void **state)
{
	int status = -1;

	(void)state;
	tell(&world.monitor, (struct message){.id = MSG_W_DRAIN, .fd = -1, .w_drain = {5}});
	assert_int_equal(waitpid(world.pid, &status, 0), world.pid);
	assert_int_equal(status, 0);
	wire_deinit(&world.monitor);
	wire_deinit(&world.agent);
	wire_deinit(&world.users);
	return 0;
}

struct sockaddr_in
loopback(uint32_t host, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
}

/* A socket bound to 127.0.0.x, any port. */
int
bound_socket(uint32_t host)
{
	struct sockaddr_in at = loopback(host, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

uint16_t
port_of(int fd)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

int
connect_from(uint32_t host, uint16_t port)
{
	int fd = bound_socket(host);
	struct sockaddr_in to = loopback(INADDR_LOOPBACK, port);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* The code of the next reply, whose last line is left in c->in. */
int
reply_code(struct client *c)
{
	for (;;) {
		char *end;
		while (!(end = memchr(c->in, '\n', c->have))) {
			wait_for(c->fd, POLLIN);
			ssize_t n = recv(c->fd, c->in + c->have, sizeof(c->in) - c->have - 1, 0);
			if (n <= 0)
				return 0;
			c->have += (size_t)n;
		}
		size_t line = (size_t)(end - c->in) + 1;
		int code = atoi(c->in);
		bool last = code >= 100 && c->in[3] == ' ';
		static char text[65536];
		memcpy(text, c->in, line);
		text[line - 1] = '\0';
		memmove(c->in, c->in + line, c->have - line);
		c->have -= line;
		if (last) {
			/* What follows stays in place; the text goes behind it. */
			snprintf(c->in + c->have, sizeof(c->in) - c->have, "%s", text);
			return code;
		}
	}
}

const char *
reply_text(const struct client *c)
{
	return c->in + c->have;
}

void
say(struct client *c, const char *text)
{
	assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

struct client *
connect_client(int listener)
{
	struct client *c = calloc(1, sizeof(*c));
	int at = bound_socket(INADDR_LOOPBACK);
	struct message m = {.id = MSG_W_SESSION};
	int on = 1;

	assert_non_null(c);
	/* As the monitor's listeners have it. */
	assert_int_equal(setsockopt(at, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	assert_int_equal(listen(at, 1), 0);
	c->fd = connect_from(INADDR_LOOPBACK, port_of(at));
	m.fd = accept(at, NULL, NULL);
	close(at);
	c->session = ++world.sessions;
	m.w_session.session = c->session;
	m.w_session.listener = (uint32_t)listener;
	*(struct sockaddr_in *)&m.w_session.peer = loopback(INADDR_LOOPBACK, port_of(c->fd));
	*(struct sockaddr_in *)&m.w_session.local = loopback(INADDR_LOOPBACK, port_of(m.fd));
	tell(&world.monitor, m);
	assert_int_equal(reply_code(c), 220);
	return c;
}

void
hear_ended(struct client *c)
{
	assert_int_equal(hear(&world.monitor, MSG_M_ENDED).m_ended.session, c->session);
	free(c);
}

/* The client hangs up, and the monitor is told. */
void
disconnect(struct client *c)
{
	close(c->fd);
	hear_ended(c);
}

void
admit(struct client *c, const char *user)
{
	struct settings set;
	struct buf bytes = BUF_INIT;

	assert_int_equal(settings_init(&set), 0);
	set.active_port = world.active_port;
	set.data_timeout = 1;
	set.stall_timeout = 2;
	if (world.change)
		world.change(&set);
	settings_encode(&set, &bytes);
	tell(&world.monitor,
	     (struct message){.id = MSG_W_LOGIN,
			      .fd = -1,
			      .w_login = {c->session, 7, slice_of(user), buf_slice(&bytes)}});
	buf_deinit(&bytes);
	settings_deinit(&set);
}

struct client *
login(void)
{
	struct client *c = connect_client(LISTENER_ANONYMOUS);

	SAYS(c, "USER anonymous", 331);
	say(c, "PASS me@example.org\r\n");
	assert_int_equal(hear(&world.monitor, MSG_M_ANONYMOUS).m_anonymous.session, c->session);
	admit(c, "anonymous");
	assert_int_equal(reply_code(c), 230);
	SAYS(c, "TYPE I", 200);
	return c;
}

uint16_t
passive(struct client *c)
{
	unsigned a, b;

	SAYS(c, "PASV", 227);
	const char *at = strstr(reply_text(c), "(127,0,0,1,");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "(127,0,0,1,%u,%u)", &a, &b), 2);
	uint16_t port = (uint16_t)(a * 256 + b);
	assert_in_range(port, LOW_PORT, HIGH_PORT);
	return port;
}

static void
tell_opened(uint32_t id, int fd, int flags)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	tell(&world.agent, (struct message){.id = MSG_R_OPENED,
					    .fd = reopen(fd, flags),
					    .r_opened = {.id = id, .size = (uint64_t)st.st_size}});
}

/* The agent opens what it is asked for: an end of fd of its own; to write it is told again, with
 * what it has opened, when it will be written. */
void
answer_open(int fd, int flags)
{
	struct message m = hear(&world.agent, MSG_F_OPEN);

	tell_opened(m.f_open.id, fd, flags);
	if (!(m.f_open.how & OPEN_WRITE))
		return;
	m = hear(&world.agent, MSG_F_PREPARE);
	assert_true(m.fd >= 0);
	close(m.fd);
	tell_opened(m.f_prepare.id, fd, flags);
}

/* The agent is shown a file that is whole, and proved; it was opened in place. */
void
answer_commit(void)
{
	struct message m = hear(&world.agent, MSG_F_COMMIT);
	struct stat st;

	assert_int_equal(m.f_commit.stage.n, 0);
	assert_int_equal(m.f_commit.how & COMMIT_SYNC, COMMIT_SYNC);
	assert_true(slice_starts(m.f_commit.digest, SLICE("crc32:")));
	assert_int_equal(fstat(m.fd, &st), 0);
	close(m.fd);
	tell(&world.agent,
	     (struct message){.id = MSG_R_CLOSED,
			      .fd = -1,
			      .r_closed = {.id = m.f_commit.id, .size = (uint64_t)st.st_size}});
}

char *
read_all(int fd, size_t *n)
{
	size_t cap = 1 << 20;
	char *p = malloc(cap);

	*n = 0;
	for (;;) {
		wait_for(fd, POLLIN);
		ssize_t got = recv(fd, p + *n, cap - *n, 0);
		if (got <= 0) {
			if (got < 0)
				*n = SIZE_MAX;
			return p;
		}
		*n += (size_t)got;
		if (*n == cap)
			assert_non_null(p = realloc(p, cap *= 2));
	}
}

void
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
		assert_true(done > 0);
		p += done;
		n -= (size_t)done;
	}
}

/* A file without a name on a disk, or in memory. */
int
temporary(bool in_memory)
{
	char path[] = "/var/tmp/wharf-test-XXXXXX";
	int fd = in_memory ? memfd_create("wharf-test", MFD_CLOEXEC) : mkstemp(path);

	assert_true(fd >= 0);
	if (!in_memory)
		unlink(path);
	return fd;
}

struct opening
open_data(struct client *c, bool active)
{
	struct opening o = {active, -1, 0};
	char line[64];

	if (!active) {
		o.port = passive(c);
		return o;
	}
	o.listener = bound_socket(INADDR_LOOPBACK);
	assert_int_equal(listen(o.listener, 1), 0);
	uint16_t port = port_of(o.listener);
	snprintf(line, sizeof(line), "PORT 127,0,0,1,%d,%d\r\n", port >> 8, port & 255);
	say(c, line);
	assert_int_equal(reply_code(c), 200);
	return o;
}

int
take_data(struct opening *o)
{
	if (!o->active)
		return connect_from(INADDR_LOOPBACK, o->port);
	wait_for(o->listener, POLLIN);
	int fd = accept(o->listener, NULL, NULL);
	close(o->listener);
	return fd;
}

int
start_upload(struct client *c, int file, bool active)
{
	struct opening o = open_data(c, active);

	say(c, "STOR f\r\n");
	int fd = take_data(&o);
	answer_open(file, O_RDWR);
	assert_int_equal(reply_code(c), 150);
	return fd;
}

void
upload(struct client *c, int file, bool active, const char *bytes, size_t n, int code)
{
	int fd = start_upload(c, file, active);

	for (size_t at = 0; at < n;) {
		ssize_t done = send(fd, bytes + at, n - at, MSG_NOSIGNAL);
		if (done < 0)
			break;
		at += (size_t)done;
	}
	shutdown(fd, SHUT_WR);
	if (code == 226)
		answer_commit();
	assert_int_equal(reply_code(c), code);
	close(fd);
}

void
assert_file_is(int file, const char *want, size_t n)
{
	struct stat st;
	char *got = malloc(n + 1);

	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, n);
	assert_int_equal(pread(file, got, n, 0), (ssize_t)n);
	assert_memory_equal(got, want, n);
	free(got);
}
