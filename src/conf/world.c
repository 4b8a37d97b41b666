/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Whether the machine is as the configuration expects it: users, files, folders, ports and limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/fd.h>
#include <wharf/conf/users.h>

#include "block.h"

/* Descriptors that a session may hold at once, and those that a worker has anyway. */
#define FDS_PER_SESSION 3
#define FDS_PER_WORKER  64

static bool
has_source(const struct settings *s, enum word_source source)
{
	return memchr(s->sources.item, (int)source, s->sources.n) != NULL;
}

static struct conf_place
place_of(const struct conf *conf, enum option_nr nr)
{
	return conf->server.set[nr];
}

static void
try_users_exist(const struct conf *conf, struct conf_report *report)
{
	const struct settings *s = &conf->server.settings;

	if (geteuid() == 0 && !getpwnam(s->run_as))
		conf_mistake(report, place_of(conf, OPTION_NR_run_as),
			     "run_as: there is no user \"%s\"; make it with: useradd --system "
			     "--no-create-home --shell /usr/sbin/nologin %s",
			     s->run_as, s->run_as);
	/* Where we are not root, every session acts as us. */
	if (geteuid() == 0 && has_source(s, WORD_source_anonymous) && !getpwnam(s->anonymous_user))
		conf_mistake(report, place_of(conf, OPTION_NR_anonymous_user),
			     "anonymous_user: there is no user \"%s\"", s->anonymous_user);
}

static void
try_folder(const char *option, const char *path, struct conf_place place,
	   struct conf_report *report)
{
	struct stat st;

	if (stat(path, &st) < 0)
		conf_mistake(report, place, "%s: %s: %s", option, path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		conf_mistake(report, place, "%s: %s: it is no folder", option, path);
	else if (access(path, X_OK) < 0)
		conf_mistake(report, place, "%s: %s: %s", option, path, strerror(errno));
}

/*
 * Whether a user may do with one folder what `bits` (of 07) say, by its owner, group and others, as
 * the kernel would decide for a process of that user; ACLs are not looked at.
 */
static bool
user_may(const struct passwd *pw, const struct stat *st, mode_t bits)
{
	gid_t groups[64];
	int n = sizeof(groups) / sizeof(groups[0]);

	if (pw->pw_uid == 0)
		return true;
	if (st->st_uid == pw->pw_uid)
		return (st->st_mode >> 6 & bits) == bits;
	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
		n = sizeof(groups) / sizeof(groups[0]);
	for (int i = 0; i < n; i++)
		if (groups[i] == st->st_gid)
			return (st->st_mode >> 3 & bits) == bits;
	return (st->st_mode & bits) == bits;
}

/* Every folder on the way to the anonymous root must let its user through, and the last one let it
 * read. */
static void
try_anonymous_root(const struct conf *conf, struct conf_report *report)
{
	const struct settings *s = &conf->server.settings;
	struct conf_place place = place_of(conf, OPTION_NR_anonymous_root);
	size_t before = report->mistakes;
	char *path = strdup(s->anonymous_root);
	const struct passwd *pw = geteuid() == 0 ? getpwnam(s->anonymous_user) : NULL;

	try_folder("anonymous_root", s->anonymous_root, place, report);
	for (char *p = path; p && pw && report->mistakes == before; p = strchr(p + 1, '/')) {
		struct stat st;
		/* The part up to this slash; at the first it is "/" itself. */
		char *end = p == path ? p + 1 : p;
		char was = *end;
		*end = '\0';
		if (stat(path, &st) == 0 && !user_may(pw, &st, 01))
			conf_mistake(report, place,
				     "anonymous_root: the user \"%s\" may not enter %s",
				     s->anonymous_user, path);
		*end = was;
	}
	free(path);

	struct stat st;
	if (pw && report->mistakes == before && stat(s->anonymous_root, &st) == 0 &&
	    !user_may(pw, &st, 05))
		conf_mistake(report, place, "anonymous_root: the user \"%s\" may not read %s",
			     s->anonymous_user, s->anonymous_root);
}

static void
try_roots(const struct conf *conf, struct conf_report *report)
{
	const struct conf_blocks *all[] = {&conf->listeners, &conf->groups, &conf->users};
	const char *root = conf->server.settings.root;

	if (root[0] && !strchr(root, '%'))
		try_folder("root", root, place_of(conf, OPTION_NR_root), report);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t k = 0; k < all[i]->n; k++) {
			const struct conf_block *b = &all[i]->item[k];
			/* One with %u or %h is known only when somebody logs in. */
			if (conf_block_has(b, OPTION_NR_root) && b->settings.root[0] &&
			    !strchr(b->settings.root, '%'))
				try_folder("root", b->settings.root, b->set[OPTION_NR_root],
					   report);
		}
}

static void
try_pam(const struct conf *conf, struct conf_report *report)
{
	const char *service = conf->server.settings.pam_service;
	struct buf path = BUF_INIT;

	buf_printf(&path, "/etc/pam.d/%s%c", service, '\0');
	if (buf_error(&path) == 0 && access(path.data, R_OK) < 0)
		conf_mistake(report, place_of(conf, OPTION_NR_pam_service), "pam_service: %s: %s",
			     path.data, strerror(errno));
	buf_deinit(&path);
}

static void
try_users_file(const struct conf *conf, struct conf_report *report)
{
	const char *path = conf->server.settings.users_file;
	struct conf_place place = place_of(conf, OPTION_NR_users_file);
	struct users *users = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		conf_mistake(report, place, "users_file: %s: %s", path, strerror(errno));
		fd_close(&fd);
		return;
	}
	if (st.st_mode & 077)
		conf_mistake(report, place,
			     "users_file: %s: its mode is %03o, and not 600: others may read or "
			     "change it",
			     path, st.st_mode & 0777);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		conf_mistake(report, place, "users_file: %s: it belongs to uid %u, and not to %u",
			     path, st.st_uid, geteuid());
	r = users_read(fd, path, &users, report);
	if (r < 0)
		conf_mistake(report, place, "users_file: %s: %s", path, strerror(-r));
	users_free(&users);
	fd_close(&fd);
}

static void
try_bind(const struct conf *conf, size_t nr, struct conf_report *report)
{
	const struct conf_listener *l = &conf->listener[nr];
	struct sockaddr_storage address = l->address;
	struct buf text = BUF_INIT;
	int on = 1, off = 0;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* "*" without IPv6 in the kernel is 0.0.0.0. */
	if (fd < 0 && errno == EAFNOSUPPORT && address.ss_family == AF_INET6) {
		struct sockaddr_in in = {.sin_family = AF_INET};
		memset(&address, 0, sizeof(address));
		memcpy(&address, &in, sizeof(in));
		address_set_port(&address, address_port(&l->address));
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (address.ss_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	}
	address_format(&text, &l->address);
	/* With SO_REUSEADDR it is listen that tells of another listener. */
	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)&address,
		 address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					       : sizeof(struct sockaddr_in)) < 0 ||
	    listen(fd, 1) < 0)
		conf_mistake(report, conf->listeners.item[nr].place, "listener \"%s\": %.*s: %s",
			     l->name, SLICE_FMT(buf_slice(&text)), strerror(errno));
	fd_close(&fd);
	buf_deinit(&text);
}

static void
try_passive(const struct conf *conf, const struct conf_block *b, struct conf_report *report)
{
	const struct port_range *ports = &b->settings.passive_ports;
	uint64_t n = (uint64_t)ports->high - ports->low + 1;

	if (n < conf->server.settings.max_sessions)
		conf_warning(report, b->set[OPTION_NR_passive_ports],
			     "passive_ports: %u-%u are %" PRIu64 " ports, fewer than max_sessions, "
			     "%" PRIu64,
			     ports->low, ports->high, n, conf->server.settings.max_sessions);
}

static uint64_t
count_workers(const struct settings *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return s->workers ? s->workers : cores > 0 ? (uint64_t)cores : 1;
}

uint64_t
conf_descriptors(const struct settings *s)
{
	uint64_t workers = count_workers(s);

	return (s->max_sessions * FDS_PER_SESSION + workers - 1) / workers + FDS_PER_WORKER;
}

static void
try_descriptors(const struct conf *conf, struct conf_report *report)
{
	const struct settings *s = &conf->server.settings;
	uint64_t need = conf_descriptors(s);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY &&
	    limit.rlim_max < need)
		conf_mistake(report, place_of(conf, OPTION_NR_max_sessions),
			     "max_sessions: %" PRIu64 " sessions on %" PRIu64
			     " workers need %" PRIu64
			     " descriptors a process, and the limit (ulimit -Hn) is %ju",
			     s->max_sessions, count_workers(s), need, (uintmax_t)limit.rlim_max);
}

size_t
conf_try_world(const struct conf *conf, bool bind_ports, struct conf_report *report)
{
	const struct settings *s = &conf->server.settings;
	size_t before = report->mistakes;

	try_users_exist(conf, report);
	if (has_source(s, WORD_source_users))
		try_users_file(conf, report);
	if (has_source(s, WORD_source_pam))
		try_pam(conf, report);
	if (has_source(s, WORD_source_anonymous))
		try_anonymous_root(conf, report);
	try_roots(conf, report);
	try_passive(conf, &conf->server, report);
	for (size_t i = 0; i < conf->listeners.n; i++) {
		if (conf_block_has(&conf->listeners.item[i], OPTION_NR_passive_ports))
			try_passive(conf, &conf->listeners.item[i], report);
		if (bind_ports)
			try_bind(conf, i, report);
	}
	try_descriptors(conf, report);
	return report->mistakes - before;
}
