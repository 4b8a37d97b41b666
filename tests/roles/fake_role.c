/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Stands in for wharfd-worker, wharfd-agent and wharfd-ledger, by the name it was started under, to
 *try the monitor and the auth process alone.  As a worker it does what its client says, a line
 *each, and answers with lines:
 *
 *	users NAME SECRET | users-certificate NAME | pam NAME SECRET | pam-ask NAME |
 *	pam-certificate NAME | secret TEXT | anonymous | active |
 *logout | illegal | crash | about | socket | timeout | quit
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/fd.h>
#include <wharf/conf/settings.h>
#include <wharf/sandbox/identity.h>
#include <wharf/wire/wire.h>

#define SESSIONS 64

struct client {
	int fd;
	uint64_t session;
	struct wire pam;
	struct sockaddr_storage passive, local;
	uint64_t login_timeout; /* 0: the listener's */
};

static struct wire monitor, users;
static char host_text[2000]; /* of the host that is being sent */
static int host_wrong;       /* the kind of a file of it that says "broken", or -1 */
static struct client clients[SESSIONS];
static unsigned worker_number;
static bool late; /* a user of that name is known: ready only when it is to leave */

static void say(const struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(const struct client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdprintf(c->fd, fmt, ap);
	va_end(ap);
}

static struct client *
find(uint64_t session)
{
	for (size_t i = 0; i < SESSIONS; i++)
		if (clients[i].fd >= 0 && clients[i].session == session)
			return &clients[i];
	return NULL;
}

static void
hang_up(struct client *c)
{
	struct message m = {.id = MSG_M_ENDED, .fd = -1};

	m.m_ended.session = c->session;
	wire_send(&monitor, &m);
	wire_deinit(&c->pam);
	fd_close(&c->fd);
}

static void
ask(struct wire *w, const struct client *c, const char *user, enum login_proof proof,
    const char *secret)
{
	struct message m = {.id = MSG_A_LOGIN, .fd = -1};

	m.a_login = (struct a_login){c->session, slice_of(user), (uint8_t)proof,
				     proof == PROOF_SECRET ? slice_of(secret) : SLICE_NULL};
	if (wire_send(w, &m) < 0)
		say(c, "no auth\n");
}

static void
send_plain(enum message_id id, const struct client *c)
{
	struct message m = {.id = id, .fd = -1};

	/* The session is the first field of all of these. */
	m.m_pam.session = c->session;
	wire_send(&monitor, &m);
}

/* What a session's socket is given with. */
static void
about_socket(const struct client *c)
{
	static const struct {
		int level, name;
	} options[] = {{SOL_SOCKET, SO_OOBINLINE},   {SOL_SOCKET, SO_KEEPALIVE},
		       {IPPROTO_TCP, TCP_NODELAY},   {IPPROTO_TCP, TCP_KEEPIDLE},
		       {IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT}};
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);

	say(c, "socket");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int value = -1;
		socklen_t n = sizeof(value);
		getsockopt(c->fd, options[i].level, options[i].name, &value, &n);
		say(c, " %d", value);
	}
	getsockname(c->fd, (struct sockaddr *)&local, &length);
	address_unmap(&local);
	say(c, " %s\n",
	    memcmp(&local, &c->local, sizeof(struct sockaddr_in)) ? "elsewhere" : "here");
}

static void
about(const struct client *c)
{
	struct buf b = BUF_INIT;
	char environ_bytes[64];
	FILE *f = fopen("/proc/self/environ", "r");

	address_format_host(&b, &c->passive);
	size_t env = f ? fread(environ_bytes, 1, sizeof(environ_bytes), f) : 99;
	if (f)
		fclose(f);
	say(c, "worker %u uid %u passive %.*s environ %zu\n", worker_number, getuid(), (int)b.len,
	    b.data, env);
	buf_deinit(&b);
}

/* The name and secret of a login by PAM wait for the channel. */
static char pam_user[64], pam_secret[64];
static enum login_proof pam_proof;

static void
obey(struct client *c, char *line)
{
	char word[24] = "", one[64] = "", two[64] = "";
	struct message m = {.fd = -1};

	sscanf(line, "%23s %63s %63s", word, one, two);
	if (strcmp(word, "users") == 0) {
		ask(&users, c, one, PROOF_SECRET, two);
	} else if (strcmp(word, "users-certificate") == 0) {
		ask(&users, c, one, PROOF_CERTIFICATE, NULL);
	} else if (strncmp(word, "pam", 3) == 0) {
		strcpy(pam_user, one);
		strcpy(pam_secret, two);
		pam_proof = strcmp(word, "pam") == 0       ? PROOF_SECRET
			    : strcmp(word, "pam-ask") == 0 ? PROOF_PROMPT
							   : PROOF_CERTIFICATE;
		send_plain(MSG_M_PAM, c);
	} else if (strcmp(word, "secret") == 0) {
		m.id = MSG_A_SECRET;
		m.a_secret = (struct a_secret){c->session, slice_of(one)};
		wire_send(&c->pam, &m);
	} else if (strcmp(word, "anonymous") == 0) {
		m.id = MSG_M_ANONYMOUS;
		m.m_anonymous = (struct m_anonymous){c->session, SLICE("anonymous")};
		wire_send(&monitor, &m);
	} else if (strcmp(word, "active") == 0) {
		send_plain(MSG_M_ACTIVE, c);
	} else if (strcmp(word, "logout") == 0) {
		wire_deinit(&c->pam);
		send_plain(MSG_M_LOGOUT, c);
		say(c, "logged out\n");
	} else if (strcmp(word, "illegal") == 0) {
		m.id = MSG_M_ACTIVE;
		m.m_active.session = c->session + 1000;
		wire_send(&monitor, &m);
	} else if (strcmp(word, "crash") == 0) {
		abort();
	} else if (strcmp(word, "timeout") == 0) {
		say(c, "timeout %llu\n", (unsigned long long)c->login_timeout);
	} else if (strcmp(word, "socket") == 0) {
		about_socket(c);
	} else if (strcmp(word, "about") == 0) {
		about(c);
	} else {
		hang_up(c);
	}
}

static void
on_pam_channel(const struct message *m)
{
	struct client *c = find(m->w_pam.session);

	if (!c)
		return;
	if (m->w_pam.error) {
		say(c, "no pam %u\n", m->w_pam.error);
		return;
	}
	wire_deinit(&c->pam);
	wire_init(&c->pam, m->fd, WIRE_WORKER, WIRE_AUTH);
	c->pam.phase = WIRE_SERVING;
	ask(&c->pam, c, pam_user, pam_proof, pam_secret);
}

static void
on_login(const struct message *m)
{
	const struct client *c = find(m->w_login.session);
	struct settings s;

	if (!c || settings_decode(&s, m->w_login.settings) < 0)
		return;
	say(c, "login %.*s agent %u rights %llx\n", SLICE_FMT(m->w_login.user), m->w_login.agent,
	    (unsigned long long)s.rights);
	settings_deinit(&s);
}

static uint64_t
login_timeout_of(struct slice settings)
{
	struct settings s;
	uint64_t timeout;

	if (settings.n == 0 || settings_decode(&s, settings) < 0)
		return 0;
	timeout = s.login_timeout;
	settings_deinit(&s);
	return timeout;
}

static void
on_host(const struct message *m)
{
	struct settings s;

	if (settings_decode(&s, m->w_host.settings) < 0)
		exit(3);
	host_wrong = -1;
	snprintf(host_text, sizeof(host_text), "host %u \"%.*s\" certificates %zu:", m->w_host.host,
		 SLICE_FMT(m->w_host.name), s.tls_certificate.n);
	settings_deinit(&s);
}

/* A file holds a word: it is shown, and when it is "broken" the host is not taken. */
static void
on_host_file(const struct message *m)
{
	char word[100];
	size_t at = strlen(host_text);
	ssize_t n = pread(m->fd, word, sizeof(word) - 1, 0);

	word[n > 0 ? n : 0] = '\0';
	word[strcspn(word, "\n")] = '\0';
	if (strcmp(word, "broken") == 0)
		host_wrong = m->w_host_file.kind;
	if (strcmp(word, "fatal") == 0)
		exit(3);
	snprintf(host_text + at, sizeof(host_text) - at, " %u.%u=%s", m->w_host_file.kind,
		 m->w_host_file.index, word);
	if (write(m->fd, "x", 1) > 0)
		exit(3); /* it should be sealed */
	close(m->fd);
}

static void
on_host_end(const struct message *m)
{
	struct message answer = {.id = MSG_M_HOST, .fd = -1};

	dprintf(2, "fake worker %u: %s\n", worker_number, host_text);
	answer.m_host.host = m->w_host_end.host;
	if (host_wrong >= 0) {
		answer.m_host.kind = (uint8_t)host_wrong;
		answer.m_host.text = SLICE("it says broken");
	}
	wire_send(&monitor, &answer);
}

static void
on_session(const struct message *m)
{
	for (size_t i = 0; i < SESSIONS; i++)
		if (clients[i].fd < 0) {
			clients[i] = (struct client){
				.fd = m->fd,
				.session = m->w_session.session,
				.pam = {.fd = -1},
				.passive = m->w_session.passive_address,
				.local = m->w_session.local,
				.login_timeout = login_timeout_of(m->w_session.settings)};
			fd_set_nonblocking(m->fd, false);
			say(&clients[i], "session\n");
			return;
		}
	close(m->fd);
}

static void
say_ready(void)
{
	wire_send(&monitor, &(struct message){.id = MSG_M_READY, .fd = -1});
	monitor.phase = WIRE_SERVING;
}

static void
on_monitor(void)
{
	struct message m;
	const struct client *c;

	if (wire_recv(&monitor, &m) != 0)
		exit(3);
	switch (m.id) {
	case MSG_W_START:
		worker_number = m.w_start.worker;
		break;
	case MSG_W_HOST:
		on_host(&m);
		break;
	case MSG_W_HOST_FILE:
		on_host_file(&m);
		break;
	case MSG_W_HOST_END:
		on_host_end(&m);
		break;
	case MSG_W_USER:
		dprintf(2, "fake worker %u: user %.*s requires %u\n", worker_number,
			SLICE_FMT(m.w_user.user), m.w_user.require_tls);
		late = slice_equal(m.w_user.user, SLICE("late"));
		break;
	case MSG_W_RUN:
		dprintf(2, "fake worker %u: runs\n", worker_number);
		if (!late)
			say_ready();
		break;
	case MSG_W_SPOOL:
		dprintf(2, "fake worker %u: spool %d\n", worker_number,
			write(m.fd, "spooled\n", 8) == 8);
		fd_close(&m.fd);
		break;
	case MSG_W_LEDGER:
		dprintf(2, "fake worker %u: ledger\n", worker_number);
		fd_close(&m.fd);
		break;
	case MSG_W_AUTH:
		wire_deinit(&users);
		wire_init(&users, m.fd, WIRE_WORKER, WIRE_AUTH);
		users.phase = WIRE_SERVING;
		break;
	case MSG_W_SESSION:
		on_session(&m);
		break;
	case MSG_W_PAM:
		on_pam_channel(&m);
		break;
	case MSG_W_LOGIN:
		on_login(&m);
		break;
	case MSG_W_REFUSED:
		c = find(m.w_refused.session);
		if (c)
			say(c, "refused %u\n", m.w_refused.why);
		break;
	case MSG_W_ACTIVE:
		c = find(m.w_active.session);
		if (c)
			say(c, "active %u\n", m.w_active.error);
		fd_close(&m.fd);
		break;
	case MSG_W_LOG:
		dup2(m.fd, 2);
		dprintf(2, "fake worker: new log\n");
		fd_close(&m.fd);
		break;
	case MSG_W_DRAIN:
		if (late)
			say_ready();
		_exit(0);
	default:
		fd_close(&m.fd);
	}
}

static void
on_auth(struct wire *w)
{
	static const char *const verdicts[] = {"ok", "no", "unknown"};
	struct message m;

	if (wire_recv(w, &m) != 0) {
		wire_deinit(w);
		return;
	}
	struct client *c = find(m.l_prompt.session);
	if (!c)
		return;
	if (m.id == MSG_L_PROMPT)
		say(c, "prompt %.*s\n", SLICE_FMT(m.l_prompt.text));
	else
		say(c, "verdict %s\n", verdicts[m.l_result.verdict]);
}

static void
on_client(struct client *c)
{
	char line[256];
	size_t n = 0;

	while (n < sizeof(line) - 1 && read(c->fd, line + n, 1) == 1)
		if (line[n++] == '\n')
			break;
	line[n] = '\0';
	if (n)
		obey(c, line);
	else
		hang_up(c);
}

static void
worker(void)
{
	users.fd = -1;
	for (size_t i = 0; i < SESSIONS; i++)
		clients[i].fd = clients[i].pam.fd = -1;
	for (;;) {
		struct pollfd fds[2 + 2 * SESSIONS] = {{.fd = monitor.fd, .events = POLLIN},
						       {.fd = users.fd, .events = POLLIN}};
		for (size_t i = 0; i < SESSIONS; i++) {
			fds[2 + i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
			fds[2 + SESSIONS + i] = (struct pollfd){.fd = clients[i].pam.fd,
								.events = POLLIN};
		}
		poll(fds, 2 + 2 * SESSIONS, -1);
		if (fds[1].revents)
			on_auth(&users);
		for (size_t i = 0; i < SESSIONS; i++) {
			if (fds[2 + SESSIONS + i].revents)
				on_auth(&clients[i].pam);
			if (fds[2 + i].revents)
				on_client(&clients[i]);
		}
		if (fds[0].revents)
			on_monitor();
	}
}

/*
 * Says what the file "plan" of the root folder wants, a line each: "stages" or "swept BYTES FILES
 * LEFT [SINCE]".
 */
static void
follow_plan(const char *root)
{
	char path[300], line[100];
	unsigned long long bytes, files, since = 0;
	unsigned left;
	FILE *f;

	snprintf(path, sizeof(path), "%s/plan", root);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		struct message m = {.id = MSG_R_STAGES, .fd = -1};
		if (sscanf(line, "swept %llu %llu %u %llu", &bytes, &files, &left, &since) >= 3) {
			m.id = MSG_R_SWEPT;
			m.r_swept = (struct r_swept){bytes, files, since, (uint8_t)left};
		}
		wire_send(&monitor, &m);
	}
	if (f)
		fclose(f);
}

/* The root folder "/hang" never becomes ready. */
static void
agent(void)
{
	struct message m, answer = {.id = MSG_R_READY, .fd = -1};
	struct stat st;
	char root[256], key[65] = "";

	if (wire_recv(&monitor, &m) != 0 || m.id != MSG_G_START)
		exit(3);
	snprintf(root, sizeof(root), "%.*s", SLICE_FMT(m.g_start.root));
	for (size_t i = 0; i < m.g_start.key.n && i < 32; i++)
		snprintf(key + 2 * i, 3, "%02x", (unsigned char)m.g_start.key.p[i]);
	dprintf(2,
		"fake agent: user=%.*s uid=%u gid=%u groups=%zu root=%s ppid=%d sweep=%u key=%s\n",
		SLICE_FMT(m.g_start.user), m.g_start.uid, m.g_start.gid,
		wire_ids_count(m.g_start.groups), root, getppid(), m.g_start.sweep, key);
	if (strcmp(root, "/hang") == 0)
		poll(NULL, 0, -1);
	if (stat(root, &st) < 0) {
		answer.r_ready.error = 2;
		answer.r_ready.what = SLICE("root folder");
	}
	wire_send(&monitor, &answer);
	monitor.phase = WIRE_SERVING;
	if (!answer.r_ready.error)
		follow_plan(root);
	while (wire_recv(&monitor, &m) == 0)
		;
}

/* Takes what it is sent until the monitor is gone. */
static void
ledger(void)
{
	struct message m;

	if (wire_recv(&monitor, &m) != 0 || m.id != MSG_K_START)
		exit(3);
	dprintf(2, "fake ledger: uid=%u alone=%u\n", m.k_start.uid, m.k_start.alone);
	wire_send(&monitor, &(struct message){.id = MSG_K_READY, .fd = -1});
	monitor.phase = WIRE_SERVING;
	while (wire_recv(&monitor, &m) == 0) {
		if (m.id == MSG_K_CHANNEL)
			dprintf(2, "fake ledger: channel of worker %u\n", m.k_channel.worker);
		if (m.id == MSG_K_FREED)
			dprintf(2, "fake ledger: freed %.*s %llu bytes %llu files since %llu\n",
				SLICE_FMT(m.k_freed.user), (unsigned long long)m.k_freed.bytes,
				(unsigned long long)m.k_freed.files,
				(unsigned long long)m.k_freed.since);
		if (m.id == MSG_K_LOG)
			dup2(m.fd, 2);
		fd_close(&m.fd);
	}
	dprintf(2, "fake ledger: the end\n");
}

int
main(int argc, char **argv)
{
	bool is_worker = argc > 0 && strcmp(argv[0], "wharfd-worker") == 0;
	bool is_ledger = argc > 0 && strcmp(argv[0], "wharfd-ledger") == 0;

	identity_die_with_parent();
	wire_init(&monitor, 3,
		  is_worker   ? WIRE_WORKER
		  : is_ledger ? WIRE_LEDGER
			      : WIRE_AGENT,
		  WIRE_MONITOR);
	if (is_worker)
		worker();
	else if (is_ledger)
		ledger();
	else
		agent();
	return 0;
}
