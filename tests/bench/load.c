/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A load on an FTP server: as little work of its own as it can, so that the server is what is
 * measured.
 *
 *	load [-a] make BYTES FILE                                  what get expects to read
 *	load [-at] PORT USER PASSWORD get SESSIONS COUNT BYTES NAME
 *	                                                           downloads COUNT files in all
 *	load [-at] PORT USER PASSWORD put SESSIONS COUNT BYTES NAME [FOLDERS]
 *	                                                           uploads COUNT files in all
 *	load [-t] PORT USER PASSWORD list SESSIONS COUNT LINES NAME
 *	load [-t] PORT USER PASSWORD mlsd SESSIONS COUNT LINES NAME
 *	                                                           lists a folder COUNT times in all
 *	load [-t] PORT USER PASSWORD login SESSIONS COUNT          connects, logs in, leaves
 *	load [-t] PORT USER PASSWORD noop SESSIONS COUNT [PACE]    NOOP COUNT times in all
 *	load [-t] PORT USER PASSWORD idle SESSIONS                 logs in and stays
 *
 * A file has BYTES bytes of one pattern.  A NAME that ends in "/" stands for NAME0, NAME1, ...; in
 * FOLDERS, which must be there, it is NAME0/0, ..., and one folder comes after the other.  All on
 * 127.0.0.1, passive, SESSIONS at once.  -t is TLS 1.3 by AUTH TLS with PROT P: every data
 * connection offers the newest ticket of its control connection.  -a is TYPE A, and text: BYTES
 * are the file's, in MiB without a rest, with one byte at the end of a line.  With a PACE a single
 * session's NOOPs begin so many microseconds after each other, or as soon as the last is answered.
 *
 * When all are logged in (for login: at once) it says "ready", with the median, the 99th percentile
 * and the maximum of the times from a connect to the end of that login in microseconds, and waits
 * for a line.  Then it does the work, says how many data connections there were, how many resumed,
 * the mean time from a command to the first byte of its data, and the same three of NOOPs or
 * logins, and waits for another line; all leave.
 * What is read is compared, but for large files of bytes without TLS: they are only counted, for a
 * copy of them would cost more than the server.  Over TLS only close_notify is an end.  A transfer
 * is done when its 226 has come.  Anything but success ends the program with status 1 and the
 * reason.
 */
#include "pattern.h"
#include "secure.h"
#include "session.h"

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define AT_ONCE 16 /* logins, before the work begins */
#define SMALL   ((size_t)64 << 10)

static const struct work works[] = {
	{"get", "RETR", 4, false, false, session_transfer},
	{"put", "STOR", 4, true, false, session_transfer},
	{"list", "LIST", 4, false, true, session_transfer},
	{"mlsd", "MLSD", 4, false, true, session_transfer},
	{"login", NULL, 2, false, false, session_open},
	{"noop", "NOOP", 2, false, false, session_command},
	{"idle", NULL, 1, false, false, NULL},
};

static _Noreturn void
usage(void)
{
	errx(2, "see the comment at the top of load.c");
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
log_in(struct job *job)
{
	job->pending = job->sessions;
	job->opened = job->sessions < AT_ONCE ? job->sessions : AT_ONCE;
	for (long i = 0; i < job->opened; i++)
		session_open(&job->all[i]);
	loop_run(&job->loop, &job->pending);
}

static void
work(struct job *job)
{
	char text[160], times[80];

	job->pending = job->sessions;
	for (long i = 0; i < job->sessions; i++)
		session_work(&job->all[i]);
	loop_run(&job->loop, &job->pending);
	samples_tell(&job->times, times, sizeof(times));
	snprintf(text, sizeof(text), "%ld %ld %ld %s", job->connections, job->resumed,
		 job->connections ? (long)(job->first / 1000) / job->connections : 0, times);
	tell(text);
}

static void
leave(struct job *job)
{
	job->leaving = true;
	job->pending = job->sessions;
	for (long i = 0; i < job->sessions; i++)
		session_leave(&job->all[i]);
	loop_run(&job->loop, &job->pending);
}

static void
run(struct job *job)
{
	bool stays = job->work->start != session_open;
	char text[96], times[80];

	if (stays)
		log_in(job);
	samples_tell(&job->times, times, sizeof(times));
	snprintf(text, sizeof(text), "ready %s", times);
	tell(text);
	if (job->work->start)
		work(job);
	if (stays && job->work->start)
		leave(job);
	/* Idle sessions just go: thousands of QUITs would only take time. */
	for (long i = 0; i < job->sessions; i++)
		session_close(&job->all[i]);
}

static void
parse_work(struct job *job, int argc, char **argv)
{
	const struct work *end = works + sizeof(works) / sizeof(works[0]);

	for (job->work = works; strcmp(job->work->name, argv[0]) != 0;)
		if (++job->work == end)
			usage();
	if (argc <= job->work->arguments)
		usage();
	job->sessions = atol(argv[1]);
	if (job->work->arguments >= 2)
		job->count = atol(argv[2]);
	if (job->work->arguments >= 4) {
		size_t bytes = (size_t)atoll(argv[3]);
		job->bytes = job->work->lines ? bytes : pattern_length(&job->wire, bytes);
		job->compare = job->text || job->tls || bytes <= SMALL;
		job->name = argv[4];
		job->folders = argc > 5 ? atol(argv[5]) : 0;
	}
	if (job->work->start == session_command && argc > 3)
		job->pace = (uint64_t)atoll(argv[3]) * 1000;
	if (job->sessions < 1 || (job->pace && job->sessions > 1))
		usage();
}

static void
job_init(struct job *job, int argc, char **argv)
{
	if (argc < 5)
		usage();
	job->port = (uint16_t)atoi(argv[0]);
	job->user = argv[1];
	job->password = argv[2];
	job->wire = pattern_new(job->text, true);
	parse_work(job, argc - 3, argv + 3);
	job->buffer = malloc(PATTERN_SIZE);
	job->all = calloc((size_t)job->sessions, sizeof(*job->all));
	if (!job->buffer || !job->all)
		err(1, "malloc");
	loop_init(&job->loop);
	for (long i = 0; i < job->sessions; i++)
		session_init(&job->all[i], job);
}

static void
job_deinit(struct job *job)
{
	close(job->loop.fd);
	samples_free(&job->times);
	free(job->all);
	free(job->buffer);
	pattern_free(&job->wire);
	SSL_CTX_free(job->tls);
}

static int
make(bool text, const char *bytes, const char *path)
{
	struct pattern p = pattern_new(text, false);
	int r = pattern_make(&p, (size_t)atoll(bytes), path);

	pattern_free(&p);
	return r;
}

int
main(int argc, char **argv)
{
	struct job job = {0};
	struct rlimit files;
	int c;

	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt(argc, argv, "at")) != -1) {
		if (c == 'a')
			job.text = true;
		else if (c == 't')
			job.tls = secure_new();
		else
			usage();
	}
	argc -= optind;
	argv += optind;
	if (argc == 3 && strcmp(argv[0], "make") == 0)
		return make(job.text, argv[1], argv[2]);
	/* A sleep ends when it should. */
	prctl(PR_SET_TIMERSLACK, 1);
	/* A session idles on one descriptor, and there are thousands. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	job_init(&job, argc, argv);
	run(&job);
	job_deinit(&job);
	return 0;
}
