/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What the monitor needs of the system; see world.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/conf/conf.h>
#include <wharf/wire/journal.h>

#include "world.h"

int
world_limits(void)
{
	const struct rlimit none = {0, 0};
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

void
world_check_limits(const struct monitor *m)
{
	uint64_t need = conf_descriptors(m->server);
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max < need)
		LOG(WARNING, "a worker may run out of descriptors before max_sessions",
		    LOG_NUM("limit", files.rlim_max), LOG_NUM("needed", need),
		    LOG_NUM("max_sessions", m->server->max_sessions));
}

static int
resolve(const char *option, const char *name, struct system_user *out)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (!pw) {
		int r = errno ? -errno : -ENOENT;
		LOG(ERROR, "there is no such user", LOG_STR("option", option),
		    LOG_STR("user", name), LOG_ERRNO(r));
		return r;
	}
	*out = (struct system_user){pw->pw_uid, pw->pw_gid};
	if (pw->pw_uid != 0 && pw->pw_gid != 0)
		return 0;
	LOG(ERROR, "this user is root, or of its group", LOG_STR("option", option),
	    LOG_STR("user", name));
	return -EPERM;
}

int
world_users(struct monitor *m)
{
	int r = 0;

	if (!m->as_root)
		return 0;
	r = resolve("run_as", m->server->run_as, &m->run_as);
	if (r == 0 && monitor_has_source(m, WORD_source_anonymous))
		r = resolve("anonymous_user", m->server->anonymous_user, &m->anonymous);
	endpwent();
	return r;
}

/* The folder and those above it, as mkdir -p. */
static int
make_folder(const char *path)
{
	char *copy = strdup(path);
	int r = copy ? 0 : -ENOMEM;

	for (char *p = copy; r == 0 && p && *p;) {
		p = strchr(p + 1, '/');
		if (p)
			*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			r = -errno;
		if (p)
			*p = '/';
	}
	free(copy);
	return r;
}

static bool
is_empty(int fd)
{
	DIR *dir = fdopendir(fd);
	size_t n = 0;

	if (!dir)
		return false;
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return n == 0;
}

int
world_empty_directory(const struct monitor *m)
{
	const char *path = m->server->empty_directory;
	struct stat st = {0};

	if (!m->as_root)
		return 0;
	mode_t mask = umask(022);
	int r = make_folder(path);
	umask(mask);
	int fd = r < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0 && (fd < 0 || fstat(fd, &st) < 0))
		r = -errno;
	if (r == 0 && (st.st_uid != 0 || (st.st_mode & 022)))
		r = -EPERM;
	if (r < 0)
		fd_close(&fd);
	else if (!is_empty(fd))
		r = -ENOTEMPTY;
	if (r < 0)
		LOG(ERROR, "empty_directory cannot be used", LOG_STR("folder", path), LOG_ERRNO(r));
	return r;
}

/* As root: the group of run_as has it, beside its owner root, whose files it can't touch. */
#define STATE_MODE_ROOT 01770
#define STATE_MODE_USER 0750

/* What is wrong with a folder that was there before, or NULL. */
static const char *
wrong_state(const struct monitor *m, const struct stat *st)
{
	if (!m->as_root)
		return st->st_uid != geteuid()        ? "it belongs to another user"
		       : (st->st_mode & 0700) != 0700 ? "its owner may not write to it"
		       : st->st_mode & 022            ? "others than its owner may write to it"
						      : NULL;
	if (st->st_uid != 0)
		return "it does not belong to root";
	if (st->st_gid != m->run_as.gid || (st->st_mode & 0070) != 0070)
		return "it is not the group's of run_as";
	if (!(st->st_mode & S_ISVTX) || (st->st_mode & 002))
		return "its mode is not 1770";
	return NULL;
}

/* The folder as it has to be: a new or an empty one is made so. */
static int
open_state(const struct monitor *m, const char *path, const char **why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = -errno;
		fd_close(&fd);
		return r;
	}
	*why = wrong_state(m, &st);
	if (*why && st.st_uid == geteuid() && is_empty(fcntl(fd, F_DUPFD_CLOEXEC, 0)) &&
	    (!m->as_root || fchown(fd, (uid_t)-1, m->run_as.gid) == 0) &&
	    fchmod(fd, m->as_root ? STATE_MODE_ROOT : STATE_MODE_USER) == 0)
		*why = NULL;
	if (*why) {
		fd_close(&fd);
		return -EPERM;
	}
	return fd;
}

/* The ledger cuts it, so the group has it. */
static int
open_spool(const struct monitor *m, int folder, int *spool)
{
	const mode_t mode = m->as_root ? 0660 : 0640;
	struct stat st;

	*spool = openat(folder, SPOOL_FILE,
			O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				O_CLOEXEC,
			mode);
	if (*spool < 0 || fstat(*spool, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (m->as_root && st.st_gid != m->run_as.gid &&
	    fchown(*spool, (uid_t)-1, m->run_as.gid) < 0)
		return -errno;
	return fchmod(*spool, mode) < 0 ? -errno : 0;
}

int
world_state_directory(const struct monitor *m, int *spool)
{
	const char *path = m->server->state_directory, *why = NULL;
	const gid_t gid = getegid();
	int r = 0;

	*spool = -1;
	/* With this group a file can be given to it, also without the capability to give away. */
	if (m->as_root && setegid(m->run_as.gid) < 0)
		r = -errno;
	mode_t mask = umask(022);
	if (r == 0)
		r = make_folder(path);
	int fd = r < 0 ? r : open_state(m, path, &why);
	if (fd >= 0 && m->server->journal)
		r = open_spool(m, fd, spool);
	umask(mask);
	if (m->as_root && setegid(gid) < 0)
		r = -errno;
	r = fd < 0 ? fd : r;
	fd_close(&fd);
	if (r < 0) {
		fd_close(spool);
		if (why)
			LOG(ERROR, "state_directory cannot be used", LOG_STR("folder", path),
			    LOG_STR("why", why),
			    LOG_STR("meant", m->as_root ? "root's, group of run_as, mode 1770"
							: "one's own, mode 750"));
		else
			LOG(ERROR, "state_directory cannot be used", LOG_STR("folder", path),
			    LOG_ERRNO(r));
	}
	return r;
}
