/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Starting the processes of roles; see wharf/base/spawn.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/spawn.h>

/* Where the parent's copies wait in the child, out of the way of the numbers 0 to 4 that are filled
 * in. */
enum { FIRST_SPARE = 10 };

static void
find_binary(const char *name, char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash) {
			*slash = '\0';
			int len = snprintf(path, PATH_MAX, "%s/wharfd-worker", self);
			if (len < PATH_MAX && access(path, X_OK) == 0 &&
			    snprintf(path, PATH_MAX, "%s/%s", self, name) < PATH_MAX)
				return;
		}
	}
	snprintf(path, PATH_MAX, "%s/%s", WHARF_ROLES_DIR, name);
}

/* The options of sanitizers, and nothing else that the parent has in its environment. */
static void
fill_environment(char *env[4])
{
	size_t n = 0;

#ifdef WHARF_SANITIZED
	static const char *const kept[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="};
	for (char **e = environ; e && *e; e++)
		for (size_t i = 0; i < 3 && n < 3; i++)
			if (strncmp(*e, kept[i], strlen(kept[i])) == 0)
				env[n++] = *e;
#endif
	env[n] = NULL;
}

/* What is inherited over execve(2) and is the parent's own: signals, and how it is scheduled. */
static void
reset_inherited(void)
{
	const struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)sched_setscheduler(0, SCHED_OTHER, &(const struct sched_param){0});
}

/* In the child: the descriptors, then the binary.  Tells through `report` why it could not. */
static _Noreturn void
exec_role(const char *path, char *const argv[], char *const env[], const int fds[3])
{
	int log = fcntl(fds[0], F_DUPFD_CLOEXEC, FIRST_SPARE);
	int channel = fcntl(fds[1], F_DUPFD_CLOEXEC, FIRST_SPARE);
	int report = fcntl(fds[2], F_DUPFD_CLOEXEC, FIRST_SPARE);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int error;

	if (log >= 0 && channel >= 0 && report >= 0 && null >= 0 && dup2(null, 0) >= 0 &&
	    dup2(null, 1) >= 0 && dup2(log, SPAWN_LOG_FD) >= 0 &&
	    dup2(channel, SPAWN_CHANNEL_FD) >= 0 && dup3(report, 4, O_CLOEXEC) >= 0 &&
	    fd_close_from(5) == 0 && (null > 1 || fd_set_cloexec(null, false) == 0)) {
		reset_inherited();
		execve(path, argv, env);
		report = 4;
	}
	error = errno;
	(void)!write(report, &error, sizeof(error));
	_exit(127);
}

int
spawn_role(const char *name, int channel_fd, int log_fd, pid_t *pid)
{
	char path[PATH_MAX];
	char *argv[] = {(char *)name, NULL};
	char *env[4];
	int report[2];
	int error = 0;

	find_binary(name, path);
	fill_environment(env);
	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	pid_t child = fork();
	if (child < 0)
		error = errno;
	else if (child == 0)
		exec_role(path, argv, env, (const int[]){log_fd, channel_fd, report[1]});
	fd_close(&report[1]);
	/* The pipe ends empty when the exec closed it. */
	ssize_t n = -1;
	if (child > 0)
		do
			n = read(report[0], &error, sizeof(error));
		while (n < 0 && errno == EINTR);
	fd_close(&report[0]);
	if (child > 0 && n > 0)
		waitpid(child, NULL, 0);
	if (error)
		return -error;
	*pid = child;
	return 0;
}
