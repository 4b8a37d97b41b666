/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A load on an FTP server: as little work of its own as it can, so that the server is what is
 * measured.
 *
 *	load make BYTES FILE                                        what get expects to read
 *	load [-t] PORT USER PASSWORD get SESSIONS COUNT BYTES NAME  downloads COUNT files in all
 *	load [-t] PORT USER PASSWORD put SESSIONS COUNT BYTES NAME [FOLDERS]
 *	                                                            uploads COUNT files in all
 *	load [-t] PORT USER PASSWORD idle SESSIONS                  logs in and stays
 *
 * A file has BYTES bytes of one pattern.  A NAME that ends in "/" stands for NAME0, NAME1, ...; in
 * FOLDERS, which must be there, it is NAME0/0, ..., and one folder comes after the other.  A thread
 * a session, all on 127.0.0.1.  -t is TLS 1.3 by AUTH TLS with PROT P: every data connection offers
 * the newest ticket of its control connection.
 *
 * When all are logged in it says "ready" and waits for a line.  Then get and put do their work, say
 * how many data connections there were and how many resumed, and wait for another line; all leave.
 * Every byte that is read over TLS is compared, and only close_notify is an end; without TLS the
 * bytes are only counted, for a copy of them would cost more than the server.  A transfer is done
 * when its 226 has come.  Anything but success ends the program with status 1 and the reason.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK     ((size_t)1 << 20)
#define READ_SIZE ((size_t)128 << 10)
#define SEND_SIZE ((size_t)256 << 10)

struct session {
	int fd;
	SSL *ssl;
	SSL_SESSION *ticket; /* the newest of the control connection */
	size_t n;
	char in[2048];
};

static struct {
	uint16_t port;
	const char *user, *password, *name;
	bool upload;
	long count, folders;
	size_t bytes;
	atomic_long next, resumed;
	pthread_barrier_t stage; /* logged in, go, done, leave */
	SSL_CTX *tls;
} job;

static unsigned char pattern[CHUNK];

/* Anything that looks random will do; each of its bytes follows from its place. */
static void
pattern_init(void)
{
	uint64_t x = 88172645463325252;

	for (size_t i = 0; i < CHUNK; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (unsigned char)(x >> 32);
	}
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int
make(size_t bytes, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", path);
	for (size_t left = bytes; left;) {
		ssize_t r = write(fd, pattern, smaller(left, CHUNK));
		if (r <= 0)
			err(1, "%s", path);
		left -= (size_t)r;
	}
	return close(fd);
}

static int
dial(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "connect to port %u", port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static _Noreturn void
tls_fail(const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
	errx(1, "TLS: %s: %s", what, text);
}

/* Only control connections have a session to tell. */
static int
tls_new_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct session *s = SSL_get_app_data(ssl);

	if (!s)
		return 0;
	SSL_SESSION_free(s->ticket);
	s->ticket = ticket;
	return 1;
}

static void
tls_init(void)
{
	job.tls = SSL_CTX_new(TLS_client_method());
	/* One cipher, or each server's preference would decide what is compared. */
	if (!job.tls || !SSL_CTX_set_min_proto_version(job.tls, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(job.tls, "TLS_AES_128_GCM_SHA256"))
		tls_fail("SSL_CTX_new");
	SSL_CTX_set_session_cache_mode(job.tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(job.tls, tls_new_ticket);
	SSL_CTX_set_mode(job.tls, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
}

/* The client's end of a control connection, or of a data connection of it. */
static SSL *
tls_begin(int fd, struct session *control, SSL_SESSION *ticket)
{
	SSL *ssl = SSL_new(job.tls);

	if (!ssl || !SSL_set_fd(ssl, fd))
		tls_fail("SSL_new");
	SSL_set_app_data(ssl, control);
	if (ticket) {
		/* OpenSSL offers a session of TLS 1.3 once; a copy may be used again. */
		SSL_SESSION *copy = SSL_SESSION_dup(ticket);

		if (!copy || !SSL_set_session(ssl, copy))
			tls_fail("SSL_set_session");
		SSL_SESSION_free(copy);
	}
	ERR_clear_error();
	if (SSL_connect(ssl) != 1)
		tls_fail("handshake");
	return ssl;
}

/* Many records a system call, both ways. */
static SSL *
tls_begin_data(int fd, struct session *s)
{
	SSL *ssl = tls_begin(fd, NULL, s->ticket);

	SSL_set_read_ahead(ssl, 1);
	SSL_set_default_read_buffer_len(ssl, READ_SIZE);
	if (job.upload) {
		BIO *buffer = BIO_new(BIO_f_buffer());
		BIO *whole = SSL_get_wbio(ssl);

		if (!buffer || !BIO_set_write_buffer_size(buffer, SEND_SIZE) || !BIO_up_ref(whole))
			tls_fail("BIO_new");
		SSL_set0_wbio(ssl, BIO_push(buffer, whole));
	}
	if (SSL_session_reused(ssl))
		atomic_fetch_add(&job.resumed, 1);
	return ssl;
}

static ssize_t
control_read(struct session *s, void *to, size_t n)
{
	return s->ssl ? SSL_read(s->ssl, to, (int)n) : recv(s->fd, to, n, 0);
}

/* The last line of the next reply, which begins with one of the digits in `want`. */
static void
reply(struct session *s, char *line, size_t size, const char *want)
{
	for (;;) {
		char *end = memchr(s->in, '\n', s->n);
		if (!end) {
			size_t room = sizeof(s->in) - s->n;
			ssize_t r = room ? control_read(s, s->in + s->n, room) : 0;
			if (r <= 0)
				errx(1, "the server hung up");
			s->n += (size_t)r;
			continue;
		}
		size_t n = (size_t)(end - s->in);
		snprintf(line, size, "%.*s", (int)n, s->in);
		s->n -= n + 1;
		memmove(s->in, end + 1, s->n);
		if (strlen(line) < 4 || line[3] != ' ' || line[0] < '1' || line[0] > '5')
			continue;
		if (!strchr(want, line[0]))
			errx(1, "%s", line);
		return;
	}
}

static void
command(struct session *s, const char *text, char *line, size_t size, const char *want)
{
	size_t n = strlen(text);

	if (s->ssl ? SSL_write(s->ssl, text, (int)n) != (int)n
		   : send(s->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		errx(1, "cannot send a command");
	reply(s, line, size, want);
}

static void
session_open(struct session *s)
{
	char text[512], line[1024];

	*s = (struct session){.fd = dial(job.port)};
	reply(s, line, sizeof(line), "2");
	if (job.tls) {
		command(s, "AUTH TLS\r\n", line, sizeof(line), "2");
		s->ssl = tls_begin(s->fd, s, NULL);
		command(s, "PBSZ 0\r\n", line, sizeof(line), "2");
		command(s, "PROT P\r\n", line, sizeof(line), "2");
	}
	snprintf(text, sizeof(text), "USER %s\r\n", job.user);
	command(s, text, line, sizeof(line), "23");
	if (line[0] == '3') {
		snprintf(text, sizeof(text), "PASS %s\r\n", job.password);
		command(s, text, line, sizeof(line), "2");
	}
	command(s, "TYPE I\r\n", line, sizeof(line), "2");
}

static void
session_close(struct session *s)
{
	SSL_SESSION_free(s->ticket);
	SSL_free(s->ssl);
	close(s->fd);
}

static void
send_plain(int fd)
{
	for (size_t left = job.bytes; left;) {
		ssize_t r = send(fd, pattern, smaller(left, CHUNK), MSG_NOSIGNAL);
		if (r <= 0)
			err(1, "send");
		left -= (size_t)r;
	}
}

static void
receive_plain(int fd)
{
	size_t n = 0;
	ssize_t r;

	/* MSG_TRUNC on TCP: the kernel drops the bytes instead of copying them to us. */
	while ((r = recv(fd, NULL, CHUNK, MSG_TRUNC)) > 0)
		n += (size_t)r;
	if (r < 0)
		err(1, "recv");
	if (n != job.bytes)
		errx(1, "%zu bytes came instead of %zu", n, job.bytes);
}

static void
send_tls(SSL *ssl)
{
	for (size_t left = job.bytes; left;) {
		int r = SSL_write(ssl, pattern, (int)smaller(left, CHUNK));
		if (r <= 0)
			tls_fail("SSL_write");
		left -= (size_t)r;
	}
}

static void
receive_tls(SSL *ssl)
{
	static _Thread_local unsigned char in[READ_SIZE];
	size_t n = 0;
	int r;

	while ((r = SSL_read(ssl, in, sizeof(in))) > 0) {
		/* READ_SIZE may lie across the end of the pattern. */
		for (size_t done = 0, part; done < (size_t)r; done += part) {
			size_t at = (n + done) % CHUNK;
			part = smaller((size_t)r - done, CHUNK - at);
			if (memcmp(in + done, pattern + at, part) != 0)
				errx(1, "wrong bytes at %zu", n + done);
		}
		n += (size_t)r;
	}
	if (SSL_get_error(ssl, r) != SSL_ERROR_ZERO_RETURN)
		tls_fail("no close_notify");
	if (n != job.bytes)
		errx(1, "%zu bytes came instead of %zu", n, job.bytes);
}

/* The bytes over a data connection, which is closed. */
static void
transfer(struct session *s, int fd)
{
	SSL *ssl = s->ssl ? tls_begin_data(fd, s) : NULL;

	if (job.upload && ssl)
		send_tls(ssl);
	else if (job.upload)
		send_plain(fd);
	else if (ssl)
		receive_tls(ssl);
	else
		receive_plain(fd);
	if (ssl) {
		if (SSL_shutdown(ssl) < 0 && job.upload)
			tls_fail("SSL_shutdown");
		SSL_free(ssl);
	}
	if (ssl && job.upload) {
		/* What the server still sends must not turn our close into a reset. */
		char rest[4096];
		shutdown(fd, SHUT_WR);
		while (recv(fd, rest, sizeof(rest), 0) > 0)
			;
	}
	close(fd);
}

static void
file_name(long number, char *name, size_t size)
{
	size_t length = strlen(job.name);

	if (!length || job.name[length - 1] != '/')
		snprintf(name, size, "%s", job.name);
	else if (job.folders)
		snprintf(name, size, "%s%ld/%ld", job.name, number * job.folders / job.count,
			 number);
	else
		snprintf(name, size, "%s%ld", job.name, number);
}

static void
move(struct session *s, long number)
{
	char name[400], text[512], line[1024];
	unsigned a[6];

	command(s, "PASV\r\n", line, sizeof(line), "2");
	const char *open = strchr(line, '(');
	if (!open || sscanf(open, "(%u,%u,%u,%u,%u,%u)", a, a + 1, a + 2, a + 3, a + 4, a + 5) != 6)
		errx(1, "%s", line);
	int data = dial((uint16_t)(a[4] * 256 + a[5]));
	file_name(number, name, sizeof(name));
	snprintf(text, sizeof(text), "%s %s\r\n", job.upload ? "STOR" : "RETR", name);
	command(s, text, line, sizeof(line), "1");
	transfer(s, data);
	/* The next one begins when this one is confirmed: durable, where the server promises that.
	 */
	reply(s, line, sizeof(line), "2");
	if (strncmp(line, "226", 3) != 0)
		errx(1, "%s", line);
}

static void *
work(void *arg)
{
	struct session s;
	char line[1024];
	long number;

	(void)arg;
	session_open(&s);
	pthread_barrier_wait(&job.stage);
	pthread_barrier_wait(&job.stage);
	while ((number = atomic_fetch_add(&job.next, 1)) < job.count)
		move(&s, number);
	pthread_barrier_wait(&job.stage);
	pthread_barrier_wait(&job.stage);
	command(&s, "QUIT\r\n", line, sizeof(line), "2");
	session_close(&s);
	return NULL;
}

/* Tells our caller, and waits for what he says: a line, or the end. */
static void
tell(const char *text)
{
	char c;

	puts(text);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0 && c != '\n')
		;
}

static void
run(long sessions)
{
	pthread_t thread[256];
	char text[64];

	pthread_barrier_init(&job.stage, NULL, (unsigned)sessions + 1);
	for (long i = 0; i < sessions; i++)
		if (pthread_create(&thread[i], NULL, work, NULL) != 0)
			errx(1, "pthread_create");
	pthread_barrier_wait(&job.stage);
	tell("ready");
	pthread_barrier_wait(&job.stage);
	pthread_barrier_wait(&job.stage);
	snprintf(text, sizeof(text), "%ld %ld", job.count, atomic_load(&job.resumed));
	tell(text);
	pthread_barrier_wait(&job.stage);
	for (long i = 0; i < sessions; i++)
		pthread_join(thread[i], NULL);
}

static void
idle(long sessions)
{
	struct session *s = calloc((size_t)sessions, sizeof(*s));

	if (!s)
		err(1, "calloc");
	for (long i = 0; i < sessions; i++)
		session_open(&s[i]);
	tell("ready");
	for (long i = 0; i < sessions; i++)
		session_close(&s[i]);
	free(s);
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	pattern_init();
	if (argc == 4 && strcmp(argv[1], "make") == 0)
		return make((size_t)atoll(argv[2]), argv[3]);
	if (argc > 1 && strcmp(argv[1], "-t") == 0) {
		tls_init();
		argc--;
		argv++;
	}
	if (argc < 6)
		errx(2, "see the comment at the top of load.c");
	job.port = (uint16_t)atoi(argv[1]);
	job.user = argv[2];
	job.password = argv[3];
	job.upload = strcmp(argv[4], "put") == 0;
	long sessions = atol(argv[5]);
	if (strcmp(argv[4], "idle") == 0) {
		idle(sessions);
		return 0;
	}
	if (sessions < 1 || sessions > 256 || argc < 9)
		errx(2, "see the comment at the top of load.c");
	job.count = atol(argv[6]);
	job.bytes = (size_t)atoll(argv[7]);
	job.name = argv[8];
	job.folders = argc > 9 ? atol(argv[9]) : 0;
	run(sessions);
	return 0;
}
