/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What the monitor needs of the system; see world.h. */
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

#include "folder.h"
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

int
world_empty_directory(const struct monitor *m)
{
	const char *path = m->server->empty_directory;
	struct stat st = {0};

	if (!m->as_root)
		return 0;
	mode_t mask = umask(022);
	int r = folder_make(path);
	umask(mask);
	int fd = r < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0 && (fd < 0 || fstat(fd, &st) < 0))
		r = -errno;
	if (r == 0 && (st.st_uid != 0 || (st.st_mode & 022)))
		r = -EPERM;
	if (r < 0)
		fd_close(&fd);
	else if (!folder_is_empty(fd))
		r = -ENOTEMPTY;
	if (r < 0)
		LOG(ERROR, "empty_directory cannot be used", LOG_STR("folder", path), LOG_ERRNO(r));
	return r;
}
