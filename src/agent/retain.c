/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Retention; see retain.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"
#include "part.h"
#include "retain.h"
#include "rule.h"
#include "tree.h"

/* As many links as the kernel follows. */
#define LINKS_MAX 40

bool
retain_is_set(const struct agent *agent)
{
	return agent->settings.retain.n > 0;
}

/* Whether a file of that time is held for so long.  A time to come holds it the longer. */
static bool
is_held(const struct stat *st, uint64_t seconds)
{
	struct timespec now;
	time_t end;

	if (seconds == 0)
		return false;
	if (clock_gettime(CLOCK_REALTIME, &now) < 0 ||
	    __builtin_add_overflow(st->st_mtim.tv_sec, seconds, &end))
		return true;
	return now.tv_sec < end || (now.tv_sec == end && now.tv_nsec < st->st_mtim.tv_nsec);
}

/* The longest time of all rules.  0 or -EINVAL. */
static int
find_longest(const struct agent *agent, uint64_t *seconds)
{
	struct rule rule;
	int r = 0;

	*seconds = 0;
	for (size_t i = 0; r == 0 && i < agent->settings.retain.n; i++) {
		r = rule_get(agent, i, &rule);
		if (r == 0 && rule.seconds > *seconds)
			*seconds = rule.seconds;
	}
	return r;
}

struct retain_term
retain_term_of(const struct agent *agent, int folder)
{
	struct retain_term term = {0};
	struct rule rule = {0};

	if (!retain_is_set(agent))
		return term;
	/* Where it can't be known everything must stay. */
	int r = find_longest(agent, &term.longest);
	if (r == 0)
		r = rule_find(agent, folder, &rule);
	if (r < 0)
		term.here = term.longest = UINT64_MAX;
	else if (r > 0)
		term.here = rule.seconds;
	return term;
}

bool
retain_term_holds(const struct retain_term *term, const struct stat *st)
{
	return S_ISREG(st->st_mode) && is_held(st, st->st_nlink > 1 ? term->longest : term->here);
}

int
retain_check_in(const struct agent *agent, int folder, const struct stat *st)
{
	struct rule rule;
	uint64_t longest;

	if (!retain_is_set(agent) || !S_ISREG(st->st_mode))
		return 0;
	int r = find_longest(agent, &longest);
	if (r < 0 || !is_held(st, longest))
		return r;
	if (st->st_nlink > 1)
		return -EPERM;
	r = rule_find(agent, folder, &rule);
	return r < 0 ? r : r > 0 && is_held(st, rule.seconds) ? -EPERM : 0;
}

/* Puts the path of what a link leads to in the place of the link's. */
static int
follow(int folder, const char *name, struct slice base, struct buf *path)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(folder, name, target, sizeof(target));

	if (n < 0)
		return -errno;
	path->len = n && target[0] == '/' ? 0 : (size_t)(base.p - path->data);
	buf_add(path, target, (size_t)n);
	return buf_error(path);
}

/*
 * Opens the folder where the file is that a path leads to: the last name may be a link to it.  A
 * descriptor, or a negative errno: -ESTALE where that is another file by now.
 */
static int
open_folder_of(const struct agent *agent, struct buf *path, const struct stat *st)
{
	char name[NAME_MAX + 1];
	struct slice base;
	struct stat now;

	for (int links = 0; links <= LINKS_MAX; links++) {
		int folder = jail_parent(agent->root, buf_slice(path), O_PATH, &base);
		if (folder < 0)
			return folder;
		name_terminate(base, name);
		int r = fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
		if (r == 0 && !S_ISLNK(now.st_mode)) {
			if (now.st_ino == st->st_ino && now.st_dev == st->st_dev)
				return folder;
			r = -ESTALE;
		}
		if (r == 0)
			r = follow(folder, name, base, path);
		fd_close(&folder);
		if (r < 0)
			return r;
	}
	return -ELOOP;
}

int
retain_check(const struct agent *agent, struct slice path, const struct stat *st)
{
	struct buf way = BUF_INIT;

	if (!retain_is_set(agent) || !S_ISREG(st->st_mode))
		return 0;
	buf_add_slice(&way, path);
	int folder = buf_error(&way) < 0 ? -ENOMEM : open_folder_of(agent, &way, st);
	int r = folder < 0 ? folder : retain_check_in(agent, folder, st);
	fd_close(&folder);
	buf_deinit(&way);
	return r;
}

/* One item of a tree; a folder that can't be read may hold what must stay. */
static int
check_item(const struct agent *agent, const struct tree *tree, const struct folder_item *item)
{
	struct stat st;

	if (item->type == DT_DIR)
		return -EPERM;
	if (item->type != DT_REG || part_is_name(item->name))
		return 0;
	if (fstatat(tree->folder.fd, item->name.p, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return retain_check_in(agent, tree->folder.fd, &st);
}

int
retain_check_tree(const struct agent *agent, int folder)
{
	struct folder_item item;
	struct tree tree;

	if (!retain_is_set(agent))
		return 0;
	int fd = jail_open_at(folder, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd == -EACCES ? -EPERM : fd;
	int r = tree_init(&tree, fd, true);
	while (r == 0 && (r = tree_next(&tree, &item)) == 0)
		r = check_item(agent, &tree, &item);
	tree_deinit(&tree);
	return r == TREE_END ? 0 : r;
}

/* Whether a name is on the way to the folder of any rule. */
static int
check_ways(const struct agent *agent, int folder, const char *name)
{
	struct rule rule;
	int r = 0;

	for (size_t i = 0; r == 0 && i < agent->settings.retain.n; i++) {
		r = rule_get(agent, i, &rule);
		if (r == 0)
			r = rule_passes(agent, &rule, folder, name);
	}
	return r > 0 ? -EPERM : r;
}

int
retain_check_name(const struct agent *agent, int folder, const char *name, const struct stat *st)
{
	if (!retain_is_set(agent))
		return 0;
	int r = check_ways(agent, folder, name);
	if (r == 0 && S_ISREG(st->st_mode))
		return retain_check_in(agent, folder, st);
	if (r < 0 || !S_ISDIR(st->st_mode))
		return r;
	int fd = jail_open_at(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	r = retain_check_tree(agent, fd);
	fd_close(&fd);
	return r;
}

int
retain_check_new(const struct agent *agent, int folder, const char *name, bool is_link)
{
	struct rule rule;

	if (!retain_is_set(agent))
		return 0;
	int r = check_ways(agent, folder, name);
	if (r < 0 || !is_link)
		return r;
	r = rule_find(agent, folder, &rule);
	return r > 0 ? (rule.folder.n && rule.seconds ? -EPERM : 0) : r;
}

/* Whether the text of a path is below a rule's folder. */
static bool
is_named_below(struct slice path, const struct rule *rule)
{
	return slice_starts(path, rule->folder) && path.n > rule->folder.n &&
	       path.p[rule->folder.n] == '/';
}

/* The first rule whose folder the text of a path is below.  1 or 0, or a negative errno. */
static int
find_named(const struct agent *agent, struct slice path, struct rule *rule)
{
	for (size_t i = 0; i < agent->settings.retain.n; i++) {
		int r = rule_get(agent, i, rule);
		if (r < 0 || is_named_below(path, rule))
			return r < 0 ? r : 1;
	}
	return 0;
}

int
retain_check_place(const struct agent *agent, struct slice path, int folder, const char *name)
{
	struct stat st;
	struct rule rule;
	int r = find_named(agent, path, &rule);

	if (r <= 0 || rule.folder.n == 0)
		return r < 0 ? r : 0;
	r = rule_fits(agent, &rule, folder);
	if (r <= 0)
		return r < 0 ? r : -EPERM;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return -EPERM;
	return 0;
}

int
retain_check_way(const struct agent *agent, struct slice path)
{
	struct place p;

	if (!retain_is_set(agent))
		return 0;
	int r = place_init(&p, agent, path);
	if (r < 0)
		return r;
	r = retain_check_place(agent, path, p.folder, p.name);
	place_deinit(&p);
	return r;
}

/* Whether what is completed in a folder will be held: 1 or 0, or a negative errno. */
static int
will_be_held(const struct agent *agent, int folder)
{
	struct rule rule;
	int r = rule_find(agent, folder, &rule);

	return r > 0 && rule.seconds == 0 ? 0 : r;
}

int
retain_check_part(const struct agent *agent, int folder)
{
	int r = will_be_held(agent, folder);

	return r > 0 ? -EPERM : r;
}

int
retain_seal(const struct agent *agent, int folder, int fd)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	int r = folder < 0 ? retain_is_set(agent) : will_be_held(agent, folder);

	if (r <= 0)
		return r;
	return futimens(fd, times) < 0 ? -errno : 0;
}
