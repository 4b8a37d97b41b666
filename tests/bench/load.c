/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A load on an FTP server: as little work of its own as it can, so that the server is what is
 *measured.
 *
 *	load PORT USER PASSWORD get SESSIONS COUNT NAME       downloads COUNT files in all, over so
 *many sessions load PORT USER PASSWORD put SESSIONS COUNT BYTES DIR  uploads COUNT files of so many
 *bytes into DIR load PORT USER PASSWORD idle SESSIONS                 logs in, says "ready", and
 *quits at the end of its input
 *
 * With get, a name that ends in "/" stands for the files that put makes: NAME0, NAME1, ...  A
 *thread a session, all on 127.0.0.1.  Anything but success ends the program with status 1 and the
 *server's reply.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (1 << 20)

struct session {
	int fd;
	char in[8192];
	size_t n;
};

static struct {
	uint16_t port;
	const char *user, *password, *name;
	bool upload;
	long count;
	size_t bytes;
	atomic_long next;
} job;

static char zeros[CHUNK];

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

/* The last line of the next reply, which begins with one of the digits in `want`. */
static void
reply(struct session *s, char *line, size_t size, const char *want)
{
	for (;;) {
		char *end = memchr(s->in, '\n', s->n);
		if (!end) {
			ssize_t r = s->n < sizeof(s->in)
					    ? recv(s->fd, s->in + s->n, sizeof(s->in) - s->n, 0)
					    : 0;
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
	if (send(s->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		err(1, "send");
	reply(s, line, size, want);
}

static void
session_open(struct session *s)
{
	char text[512], line[1024];

	s->n = 0;
	s->fd = dial(job.port);
	reply(s, line, sizeof(line), "2");
	snprintf(text, sizeof(text), "USER %s\r\n", job.user);
	command(s, text, line, sizeof(line), "23");
	snprintf(text, sizeof(text), "PASS %s\r\n", job.password);
	command(s, text, line, sizeof(line), "2");
	command(s, "TYPE I\r\n", line, sizeof(line), "2");
}

static void
move(struct session *s, long number)
{
	char text[512], line[1024];
	unsigned a[6];
	size_t length = strlen(job.name);
	const char *verb = job.upload ? "STOR" : "RETR";

	command(s, "PASV\r\n", line, sizeof(line), "2");
	const char *open = strchr(line, '(');
	if (!open || sscanf(open, "(%u,%u,%u,%u,%u,%u)", a, a + 1, a + 2, a + 3, a + 4, a + 5) != 6)
		errx(1, "%s", line);
	int data = dial((uint16_t)(a[4] * 256 + a[5]));
	if (length && job.name[length - 1] == '/')
		snprintf(text, sizeof(text), "%s %s%ld\r\n", verb, job.name, number);
	else
		snprintf(text, sizeof(text), "%s %s\r\n", verb, job.name);
	command(s, text, line, sizeof(line), "1");
	if (job.upload) {
		for (size_t left = job.bytes; left;) {
			ssize_t r = send(data, zeros, left < CHUNK ? left : CHUNK, MSG_NOSIGNAL);
			if (r <= 0)
				err(1, "send");
			left -= (size_t)r;
		}
		close(data);
	} else {
		/* MSG_TRUNC on TCP: the kernel drops the bytes instead of copying them to us. */
		while (recv(data, zeros, CHUNK, MSG_TRUNC) > 0)
			;
		close(data);
	}
	reply(s, line, sizeof(line), "2");
}

static void *
work(void *arg)
{
	struct session s;
	char line[1024];
	long number;

	(void)arg;
	session_open(&s);
	while ((number = atomic_fetch_add(&job.next, 1)) < job.count)
		move(&s, number);
	command(&s, "QUIT\r\n", line, sizeof(line), "2");
	close(s.fd);
	return NULL;
}

static void
idle(long sessions)
{
	struct session s;
	int *fd = calloc((size_t)sessions, sizeof(*fd));
	char c;

	if (!fd)
		err(1, "calloc");
	for (long i = 0; i < sessions; i++) {
		session_open(&s);
		fd[i] = s.fd;
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	for (long i = 0; i < sessions; i++)
		close(fd[i]);
	free(fd);
}

int
main(int argc, char **argv)
{
	pthread_t thread[256];

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
	if (sessions < 1 || sessions > 256 || argc < (job.upload ? 9 : 8))
		errx(2, "see the comment at the top of load.c");
	job.count = atol(argv[6]);
	job.bytes = job.upload ? (size_t)atoll(argv[7]) : 0;
	job.name = argv[job.upload ? 8 : 7];
	for (long i = 0; i < sessions; i++)
		if (pthread_create(&thread[i], NULL, work, NULL) != 0)
			errx(1, "pthread_create");
	for (long i = 0; i < sessions; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
