/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The log and the xferlog; see logs.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "agent.h"
#include "auth.h"
#include "ledger.h"
#include "logs.h"
#include "worker.h"

/* O_NOFOLLOW and the test for what it is, a file or a device: a folder for logs may belong to
 * somebody. */
static int
open_file(const char *path)
{
	struct stat st;
	int fd = open(path,
		      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
			      O_NONBLOCK,
		      0640);
	int r = fd < 0 || fstat(fd, &st) < 0                 ? -errno
		: S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ? 0
							     : -EINVAL;

	if (r < 0) {
		fd_close(&fd);
		LOG(ERROR, "a log file cannot be opened", LOG_STR("file", path), LOG_ERRNO(r));
		return r;
	}
	return fd;
}

/*
 * Descriptor 2 for all processes.  A pipe whose reader sleeps must not stop them, so it is opened
 * once more, without waiting: the flag would otherwise be set for whoever started us too.  Where
 * the pipe is another user's and can't be opened, that is the smaller evil.
 */
static int
open_stderr(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDERR_FILENO, &st) == 0 && S_ISFIFO(st.st_mode)) {
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			fd_set_nonblocking(STDERR_FILENO, true);
	}
	if (fd < 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

int
logs_open(struct monitor *m)
{
	const struct settings *s = m->server;

	m->log_fd = strcmp(s->log, "stderr") == 0 ? open_stderr() : open_file(s->log);
	if (m->log_fd < 0)
		return m->log_fd;
	log_setup("monitor", m->log_fd, (enum log_level)s->log_level,
		  s->log_format == WORD_log_format_json);
	m->xferlog_fd = *s->xferlog ? open_file(s->xferlog) : -1;
	return *s->xferlog && m->xferlog_fd < 0 ? m->xferlog_fd : 0;
}

void
logs_reopen(struct monitor *m)
{
	const struct settings *s = m->server;
	int fd = strcmp(s->log, "stderr") == 0 ? -1 : open_file(s->log);

	if (fd >= 0) {
		log_set_fd(fd);
		fd_close(&m->log_fd);
		m->log_fd = fd;
		workers_pass(m, MSG_W_LOG, fd);
		auths_pass_log(m, fd);
		agents_pass_log(m, fd);
		ledger_pass_log(m, fd);
	}
	fd = *s->xferlog ? open_file(s->xferlog) : -1;
	if (fd >= 0) {
		fd_close(&m->xferlog_fd);
		m->xferlog_fd = fd;
		workers_pass(m, MSG_W_XFERLOG, fd);
	}
	LOG(INFO, "the log files were opened again", LOG_STR("log", s->log),
	    LOG_STR("xferlog", s->xferlog));
}
