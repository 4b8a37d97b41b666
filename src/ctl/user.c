/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* `wharfctl user`: the users file, by the hand of a tool that keeps it whole. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/conf/conf.h>
#include <wharf/conf/users.h>

#include "ctl.h"

/* A change of the file: what a callback of users_edit() needs.  It returns EDIT_REFUSED after a
 * complaint. */
struct change {
	const struct arguments *args;
	struct slice hash;
};

enum { EDIT_REFUSED = 1 };

/* The users file that is meant, in fresh memory; NULL after a complaint. */
static char *
users_path(const struct arguments *args)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;
	char *path = NULL;
	int r;

	if (args->file)
		return strdup(args->file);
	r = conf_read(args->config, &conf, &report);
	if (r == 0) {
		path = strdup(conf_server(conf)->users_file);
	} else if (r < 0) {
		complain("%s: %s", args->config, strerror(-r));
	} else {
		fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&report.text)));
		complain("%s: %zu mistakes; --file names a users file without it", args->config,
			 report.mistakes);
	}
	conf_report_deinit(&report);
	conf_free(&conf);
	return path;
}

static int
edit(const struct arguments *args, users_change_fn change, struct slice hash)
{
	struct change c = {args, hash};
	char *path = users_path(args);
	int r;

	if (!path)
		return 1;
	r = users_edit(path, change, &c);
	if (r < 0)
		complain("%s: %s", path, strerror(-r));
	free(path);
	return r ? 1 : 0;
}

/* A number, or a name that the system knows; 0, or EX_USAGE after what is wrong. */
static int
find_uid(const char *text, uid_t *out)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	const struct passwd *pw;

	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && n < UINT32_MAX) {
		*out = (uid_t)n;
		return 0;
	}
	pw = getpwnam(text);
	if (!pw)
		return misused("\"%s\" is no uid and no user", text);
	*out = pw->pw_uid;
	return 0;
}

static int
find_gid(const char *text, gid_t *out)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	const struct group *gr;

	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && n < UINT32_MAX) {
		*out = (gid_t)n;
		return 0;
	}
	gr = getgrnam(text);
	if (!gr)
		return misused("\"%s\" is no gid and no group", text);
	*out = gr->gr_gid;
	return 0;
}

/* Root must say whose files they are; anybody else can only serve as himself. */
static int
find_ids(const struct arguments *args, uid_t *uid, gid_t *gid)
{
	int r = 0;

	if (geteuid() == 0 && (!args->uid || !args->gid))
		return misused("user add: --uid and --gid are needed");
	*uid = geteuid();
	*gid = getegid();
	if (args->uid)
		r = find_uid(args->uid, uid);
	if (args->gid && r == 0)
		r = find_gid(args->gid, gid);
	return r;
}

/* Makes a line of the arguments and reads it, so that only what the server would take is written.
 */
static int
make_line(const struct arguments *args, struct slice hash, struct buf *line)
{
	struct buf why = BUF_INIT;
	struct user u;
	uid_t uid = 0;
	gid_t gid = 0;
	int r = find_ids(args, &uid, &gid);

	if (r)
		return r;
	buf_printf(line, "%s:%.*s:%u:%u:%s:%s:%s", args->name, SLICE_FMT(hash), uid, gid,
		   args->root ? args->root : "", args->rights ? args->rights : "",
		   args->expires ? args->expires : "");
	if (buf_error(line) < 0)
		r = complain("%s", strerror(ENOMEM));
	else if (memchr(line->data, '\n', line->len))
		r = misused("user add: a newline can't stand in the users file");
	else if (user_parse(buf_slice(line), &u, &why) != 0)
		r = misused("user add: %.*s", SLICE_FMT(buf_slice(&why)));
	buf_add_byte(line, '\n');
	buf_deinit(&why);
	return r;
}

static int
append_user(struct slice old, struct buf *new, void *arg)
{
	const struct change *c = arg;
	struct buf line = BUF_INIT;
	int r = EDIT_REFUSED;

	if (users_line(old, slice_of(c->args->name)).p) {
		complain("user \"%s\" is there already", c->args->name);
	} else if (make_line(c->args, c->hash, &line) == 0) {
		buf_add_slice(new, old);
		if (old.n && old.p[old.n - 1] != '\n')
			buf_add_byte(new, '\n');
		buf_add_slice(new, buf_slice(&line));
		r = 0;
	}
	buf_deinit(&line);
	return r;
}

/* The user's line in the text, and what stands before and behind it; false after a complaint. */
static bool
cut_line(const struct change *c, struct slice old, struct slice *before, struct slice *line,
	 struct slice *behind)
{
	*line = users_line(old, slice_of(c->args->name));
	if (!line->p) {
		complain("there is no user \"%s\"", c->args->name);
		return false;
	}
	*before = slice_head(old, (size_t)(line->p - old.p));
	*behind = slice_from(old, before->n + line->n);
	return true;
}

static int
change_hash(struct slice old, struct buf *new, void *arg)
{
	const struct change *c = arg;
	struct slice before, line, behind;

	if (!cut_line(c, old, &before, &line, &behind))
		return EDIT_REFUSED;
	struct slice rest = slice_from(line, strlen(c->args->name) + 1);
	const char *colon = memchr(rest.p, ':', rest.n);
	if (!colon) {
		complain("the line of user \"%s\" is broken", c->args->name);
		return EDIT_REFUSED;
	}
	buf_add_slice(new, before);
	buf_printf(new, "%s:%.*s", c->args->name, SLICE_FMT(c->hash));
	buf_add_slice(new, slice_from(rest, (size_t)(colon - rest.p)));
	buf_add_slice(new, behind);
	return 0;
}

static int
remove_user(struct slice old, struct buf *new, void *arg)
{
	struct slice before, line, behind;

	if (!cut_line(arg, old, &before, &line, &behind))
		return EDIT_REFUSED;
	buf_add_slice(new, before);
	buf_add_slice(new, behind);
	return 0;
}

/* Reads the file for looking at it.  Bad lines are told and passed over; NULL after a complaint. */
static struct users *
read_file(const char *path)
{
	struct conf_report report = {0};
	struct users *users = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r = fd < 0 ? -errno : users_read(fd, path, &users, &report);

	if (r < 0)
		complain("%s: %s", path, strerror(-r));
	fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&report.text)));
	conf_report_deinit(&report);
	fd_close(&fd);
	return users;
}

static struct users *
read_users(const struct arguments *args)
{
	char *path = users_path(args);
	struct users *users = path ? read_file(path) : NULL;

	free(path);
	return users;
}

/* Whether the users file has the user already, before somebody types a password in vain. */
static int
must_be_there(const struct arguments *args, bool there)
{
	char *path = users_path(args);
	struct users *users = NULL;
	int r = 0;

	if (!path)
		return 1;
	/* One that is added may be the first. */
	if (there || access(path, F_OK) == 0 || errno != ENOENT)
		r = (users = read_file(path)) ? 0 : 1;
	if (users && (users_find(users, slice_of(args->name)) != NULL) != there)
		r = complain(there ? "there is no user \"%s\"" : "user \"%s\" is there already",
			     args->name);
	users_free(&users);
	free(path);
	return r;
}

int
user_add(const struct arguments *args)
{
	struct buf hash = BUF_INIT, line = BUF_INIT;
	/* All that can be refused now is, with a hash that stands for the one to come. */
	int r = make_line(args, SLICE("!"), &line);

	if (r == 0)
		r = must_be_there(args, false);
	if (r == 0)
		r = password_hash(args->method, &hash);
	if (r == 0)
		r = edit(args, append_user, buf_slice(&hash));
	buf_deinit(&hash);
	buf_deinit(&line);
	return r;
}

int
user_passwd(const struct arguments *args)
{
	struct buf hash = BUF_INIT;
	int r = must_be_there(args, true);

	if (r == 0)
		r = password_hash(args->method, &hash);
	if (r == 0)
		r = edit(args, change_hash, buf_slice(&hash));
	buf_deinit(&hash);
	return r;
}

int
user_del(const struct arguments *args)
{
	struct users *users = read_users(args);
	int r = users ? edit(args, remove_user, SLICE_NULL) : 1;

	users_free(&users);
	return r;
}

int
user_list(const struct arguments *args)
{
	struct users *users = read_users(args);
	const struct user *u;

	if (!users)
		return 1;
	size_t n = users_all(users, &u);
	for (size_t i = 0; i < n; i++)
		printf("%.*s\n", SLICE_FMT(u[i].name));
	users_free(&users);
	return fflush(stdout) == 0 ? 0 : complain("%s", strerror(errno));
}

int
user_show(const struct arguments *args)
{
	struct users *users = read_users(args);
	const struct user *u;
	struct buf rights = BUF_INIT, expires = BUF_INIT;
	int r = 0;

	if (!users)
		return 1;
	u = users_find(users, slice_of(args->name));
	if (u) {
		user_format_rights(u->rights, &rights);
		user_format_expires(u->expires, &expires);
		printf("name: %.*s\npassword: %s\nuid: %u\ngid: %u\nroot: %.*s\nrights: %.*s\n"
		       "expires: %.*s\n",
		       SLICE_FMT(u->name), password_method(u->hash), u->uid, u->gid,
		       SLICE_FMT(u->root), SLICE_FMT(buf_slice(&rights)),
		       SLICE_FMT(buf_slice(&expires)));
	} else {
		r = complain("there is no user \"%s\"", args->name);
	}
	buf_deinit(&rights);
	buf_deinit(&expires);
	users_free(&users);
	return fflush(stdout) == 0 ? r : complain("%s", strerror(errno));
}
