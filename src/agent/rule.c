/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The rules of retention; see rule.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/conf/retain.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"
#include "rule.h"

/* As many links as the kernel follows. */
#define LINKS_MAX 40

/* A way that is walked name by name, from the jail's root on. */
struct way {
	const struct agent *agent;
	int at;              /* the folder that was reached, O_PATH */
	char rest[PATH_MAX]; /* what is left of the path */
	unsigned links;
};

int
rule_get(const struct agent *agent, size_t i, struct rule *rule)
{
	struct slice item = slice_of(agent->settings.retain.item[i]);

	return retain_parse(item, &rule->folder, &rule->seconds) == 0 ? 0 : -EINVAL;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static bool
is_root(const struct agent *agent, int folder)
{
	struct stat root, st;

	return fstat(agent->root, &root) == 0 && fstat(folder, &st) == 0 && is_same(&root, &st);
}

static int
open_root(const struct agent *agent)
{
	return jail_open(agent->root, SLICE("/"), O_PATH | O_DIRECTORY, 0);
}

/* Goes on from another folder, and takes it over; or tells why there is none. */
static int
way_move(struct way *w, int fd)
{
	if (fd < 0)
		return fd;
	fd_close(&w->at);
	w->at = fd;
	return 0;
}

static int
way_init(struct way *w, const struct agent *agent, struct slice path)
{
	*w = (struct way){.agent = agent, .at = -1};
	if (path.n >= sizeof(w->rest))
		return -ENAMETOOLONG;
	name_terminate(path, w->rest);
	return way_move(w, open_root(agent));
}

/* Takes the next name off the path.  1; 0 at its end; or a negative errno. */
static int
way_name(struct way *w, char name[NAME_MAX + 1])
{
	const char *from = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(from, "/");

	if (n == 0)
		return 0;
	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	name_terminate((struct slice){from, n}, name);
	memmove(w->rest, from + n, strlen(from + n) + 1);
	return 1;
}

/* Puts what a link leads to in front of the rest. */
static int
way_follow(struct way *w, int link)
{
	char path[PATH_MAX];
	size_t rest = strlen(w->rest) + 1;
	ssize_t n = readlinkat(link, "", path, sizeof(path));

	if (n < 0)
		return -errno;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if ((size_t)n + 1 + rest > sizeof(path))
		return -ENAMETOOLONG;
	path[n] = '/';
	memcpy(path + n + 1, w->rest, rest);
	memcpy(w->rest, path, (size_t)n + 1 + rest);
	return path[0] == '/' ? way_move(w, open_root(w->agent)) : 0;
}

static int
way_step(struct way *w, const char *name)
{
	struct stat st;

	if (strcmp(name, "..") == 0 && is_root(w->agent, w->at))
		return 0;
	int fd = jail_open_at(w->at, name, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	int r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && S_ISDIR(st.st_mode))
		return way_move(w, fd);
	if (r == 0)
		r = S_ISLNK(st.st_mode) ? way_follow(w, fd) : -ENOTDIR;
	fd_close(&fd);
	return r;
}

/*
 * Whether a way just ends before a folder, as one does that nobody has made yet; or that nobody may
 * go: then no client comes to what is behind.
 */
static bool
is_end(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -ENAMETOOLONG || r == -EACCES;
}

/* Whether a folder is another one or below it: 1 or 0, or a negative errno. */
static int
is_below(const struct agent *agent, int folder, int top)
{
	struct stat st, sought;
	int at = jail_open_at(folder, ".", O_PATH | O_DIRECTORY, 0);
	int r = at < 0 ? at : fstat(top, &sought) < 0 ? -errno : 0;

	for (int depth = 0; r == 0; depth++) {
		if (fstat(at, &st) < 0)
			r = -errno;
		else if (is_same(&st, &sought))
			r = 1;
		else if (is_root(agent, at))
			break;
		else if (depth == PATH_MAX)
			r = -ELOOP;
		else {
			int up = jail_open_at(at, "..", O_PATH | O_DIRECTORY, 0);
			fd_close(&at);
			at = up;
			r = up < 0 ? up : 0;
		}
	}
	fd_close(&at);
	return r;
}

int
rule_fits(const struct agent *agent, const struct rule *rule, int folder)
{
	char name[NAME_MAX + 1];
	struct way w;

	if (rule->folder.n == 0)
		return 1;
	int r = way_init(&w, agent, rule->folder);
	while (r == 0 && (r = way_name(&w, name)) == 1)
		r = way_step(&w, name);
	r = is_end(r) ? 0 : r < 0 ? r : is_below(agent, folder, w.at);
	fd_close(&w.at);
	return r;
}

int
rule_passes(const struct agent *agent, const struct rule *rule, int folder, const char *name)
{
	char next[NAME_MAX + 1];
	struct stat st, at;
	struct way w;

	if (rule->folder.n == 0)
		return 0;
	if (fstat(folder, &st) < 0)
		return -errno;
	int r = way_init(&w, agent, rule->folder);
	while (r == 0 && (r = way_name(&w, next)) == 1) {
		if (strcmp(next, name) == 0 && fstat(w.at, &at) == 0 && is_same(&at, &st))
			break;
		r = way_step(&w, next);
	}
	fd_close(&w.at);
	return is_end(r) ? 0 : r;
}

int
rule_find(const struct agent *agent, int folder, struct rule *rule)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < agent->settings.retain.n; i++) {
		r = rule_get(agent, i, rule);
		if (r == 0)
			r = rule_fits(agent, rule, folder);
	}
	return r;
}
