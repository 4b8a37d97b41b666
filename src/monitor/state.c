/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The folder of what is kept; see state.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/wire/journal.h>
#include <wharf/wire/ledger.h>

#include "folder.h"
#include "state.h"

/* As root: the group of run_as has it, beside its owner root, whose files it can't touch. */
#define STATE_MODE_ROOT 01770
#define STATE_MODE_USER 0750

#define LOCK_TRIES    3
#define LOCK_PAUSE_NS 20000000

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
	if (*why && st.st_uid == geteuid() && folder_is_empty(fcntl(fd, F_DUPFD_CLOEXEC, 0)) &&
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

/* One daemon a folder: the lock is held as long as the monitor lives.  `wharfd -t` has one for a
 * moment, to see whether it could be had. */
static int
lock(int folder, const char **why)
{
	const struct timespec moment = {.tv_nsec = LOCK_PAUSE_NS};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(folder, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			break;
		nanosleep(&moment, NULL);
	}
	if (errno == EWOULDBLOCK)
		*why = "another wharfd uses it";
	return -errno;
}

/* Makes the folder where it is missing, and the spool.  0 or a negative errno; *why may be set. */
static int
try_folder(struct monitor *m, const char *path, const char **why)
{
	struct state *s = &m->state;
	const gid_t gid = getegid();
	int r = 0;

	/* With this group a file can be given to it, also without the capability to give away. */
	if (m->as_root && setegid(m->run_as.gid) < 0)
		r = -errno;
	mode_t mask = umask(022);
	if (r == 0)
		r = folder_make(path);
	if (r == 0)
		r = s->folder = open_state(m, path, why);
	if (r >= 0)
		r = lock(s->folder, why);
	if (r == 0 && m->server->journal)
		r = open_spool(m, s->folder, &s->spool);
	umask(mask);
	if (m->as_root && setegid(gid) < 0)
		r = -errno;
	s->path = r < 0 ? NULL : strdup(path);
	if (r < 0) {
		fd_close(&s->folder);
		fd_close(&s->spool);
	}
	return r < 0 || s->path ? r : -ENOMEM;
}

static void
log_unusable(const struct monitor *m, enum log_level level, int error, const char *why)
{
	const struct log_field fields[] = {
		LOG_STR("folder", m->server->state_directory),
		LOG_BYTES("why", why ? slice_of(why) : log_errno(error))};

	log_write(level, "state_directory cannot be used", fields,
		  sizeof(fields) / sizeof(fields[0]));
}

/* What nobody has asked for by name must not keep the daemon from its work. */
static int
open_temporary(struct monitor *m)
{
	char path[] = "/tmp/wharfd-state-XXXXXX";
	const char *why = NULL;

	if (!mkdtemp(path))
		return -errno;
	int r = try_folder(m, path, &why);
	if (r < 0) {
		rmdir(path);
		return r;
	}
	m->state.temporary = true;
	LOG(WARNING, "what is kept is lost at the end: no state_directory is set",
	    LOG_STR("folder", path));
	return 0;
}

int
state_open(struct monitor *m)
{
	const char *why = NULL;

	m->state = (struct state){.folder = -1, .spool = -1};
	int r = try_folder(m, m->server->state_directory, &why);
	if (r == 0)
		return 0;
	const bool asked = conf_sets(m->conf, OPTION_NR_state_directory);
	log_unusable(m, asked ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, r, why);
	return asked ? r : open_temporary(m);
}

/* All that anybody makes in it; the folder is ours, and sticky. */
static void
remove_temporary(const struct state *s)
{
	static const char *const files[] = {LEDGER_FILE, LEDGER_FILE "-wal", LEDGER_FILE "-shm",
					    SPOOL_FILE,  STATE_KEY_FILE,     STATE_ROOTS_FILE};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(s->folder, files[i], 0);
	unlinkat(AT_FDCWD, s->path, AT_REMOVEDIR);
}

void
state_close(struct monitor *m)
{
	struct state *s = &m->state;

	if (s->temporary)
		remove_temporary(s);
	fd_close(&s->folder);
	fd_close(&s->spool);
	free(s->path);
	s->path = NULL;
}
