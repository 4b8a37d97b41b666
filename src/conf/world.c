/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Whether the machine is as the configuration expects it: users, files, folders, ports and limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/fd.h>
#include <wharf/conf/users.h>

#include "block.h"

/* Descriptors that a session may hold at once, and those that a worker has anyway. */
#define FDS_PER_SESSION 3
#define FDS_PER_WORKER  64

static bool
has_source(const struct conf *conf, enum word_source source)
{
	const struct order *sources = &conf->server.settings.sources;

	return !conf->unknown[OPTION_NR_sources] &&
	       memchr(sources->item, (int)source, sources->n) != NULL;
}

/* Where it is set; of a default the file, which has no line for it. */
static struct conf_place
place_of(const struct conf *conf, enum option_nr nr)
{
	if (conf_sets(conf, nr))
		return conf->server.set[nr];
	return (struct conf_place){.file = conf->files.n ? conf->files.name[0] : NULL};
}

/*
 * Of an option that is there for one of the sources: where nobody set it, what asks for it is the
 * line of the sources.
 */
static void __attribute__((format(printf, 4, 5)))
source_mistake(const struct conf *conf, enum option_nr nr, struct conf_report *report,
	       const char *fmt, ...)
{
	const struct option_row *row = &option_rows[nr];
	struct buf text = BUF_INIT;
	va_list ap;

	if (conf_sets(conf, nr))
		buf_printf(&text, "%s: ", row->name);
	else
		buf_printf(&text, "%s, which is \"%s\" by default: ", row->name, row->standard);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (!conf_sets(conf, nr) && !conf_sets(conf, OPTION_NR_sources))
		buf_printf(&text, "; sources are by default %s",
			   option_rows[OPTION_NR_sources].standard);
	conf_mistake(report, place_of(conf, conf_sets(conf, nr) ? nr : OPTION_NR_sources), "%.*s",
		     SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
}

static void
try_users_exist(const struct conf *conf, struct conf_report *report)
{
	const struct settings *s = &conf->server.settings;

	if (geteuid() == 0 && !conf->unknown[OPTION_NR_run_as] && !getpwnam(s->run_as))
		conf_mistake(report, place_of(conf, OPTION_NR_run_as),
			     "run_as: there is no user \"%s\"; make it with: useradd --system "
			     "--no-create-home --shell /usr/sbin/nologin %s",
			     s->run_as, s->run_as);
	/* Where we are not root, every session acts as us. */
	if (geteuid() == 0 && has_source(conf, WORD_source_anonymous) &&
	    !conf->unknown[OPTION_NR_anonymous_user] && !getpwnam(s->anonymous_user))
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
 * The folder itself, or the nearest one above it that is there, must let us make things in it.  The
 * default one may be unusable: a temporary one takes its place.
 */
static void
try_state_directory(const struct conf *conf, struct conf_report *report)
{
	const char *path = conf->server.settings.state_directory;
	struct conf_place place = place_of(conf, OPTION_NR_state_directory);
	char *at = strdup(path);
	struct stat st;

	while (at && at[0] == '/' && stat(at, &st) < 0 && errno == ENOENT) {
		char *slash = strrchr(at, '/');
		slash[slash == at] = '\0';
	}
	if (!at || at[0] != '/' || !conf_sets(conf, OPTION_NR_state_directory)) {
		free(at);
		return;
	}
	if (stat(at, &st) < 0)
		conf_mistake(report, place, "state_directory: %s: %s", at, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		conf_mistake(report, place, "state_directory: %s: it is no folder", at);
	else if (access(at, W_OK | X_OK) < 0)
		conf_mistake(report, place, "state_directory: %s: %s: %s", path,
			     strcmp(at, path) == 0 ? "it can't be written to" : "it can't be made",
			     strerror(errno));
	free(at);
}

/*
 * A daemon that runs holds a lock on its folder.  The default one may be taken, as a temporary one
 * takes its place.
 */
static void
try_state_lock(const struct conf *conf, struct conf_report *report)
{
	const enum option_nr nr = OPTION_NR_state_directory;
	const char *path = conf->server.settings.state_directory;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool taken = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	fd_close(&fd);
	if (taken && conf_sets(conf, nr))
		conf_mistake(report, place_of(conf, nr),
			     "state_directory: %s: another wharfd uses it", path);
	else if (taken)
		conf_warning(report, place_of(conf, nr),
			     "state_directory, which is \"%s\" by default: another wharfd uses "
			     "it, and what is kept would be lost at the end",
			     path);
}

/* The folder that a file is to be in must let us make it. */
static void
try_new_log(const char *option, const char *path, struct conf_place place,
	    struct conf_report *report)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;

	if (access(folder ? folder : ".", W_OK | X_OK) < 0)
		conf_mistake(report, place, "%s: %s: it can't be made: %s", option, path,
			     strerror(errno));
	free(folder);
}

/* A log is a file or a device, and no link: its folder may belong to somebody. */
static void
try_log(const struct conf *conf, enum option_nr nr, const char *path, struct conf_report *report)
{
	const char *option = option_rows[nr].name;
	struct conf_place place = place_of(conf, nr);
	struct stat st;

	if (conf->unknown[nr] || path[0] == '\0' || strcmp(path, "stderr") == 0)
		return;
	if (lstat(path, &st) < 0 && errno == ENOENT)
		try_new_log(option, path, place, report);
	else if (lstat(path, &st) < 0 || access(path, W_OK) < 0)
		conf_mistake(report, place, "%s: %s: %s", option, path, strerror(errno));
	else if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		conf_mistake(report, place, "%s: %s: it is neither a file nor a device", option,
			     path);
}

/* As whom a folder is entered. */
struct person {
	const char *name;
	uid_t uid;
	gid_t groups[64];
	int n;
};

static struct person
person_of(const struct passwd *pw)
{
	struct person p = {.name = pw->pw_name, .uid = pw->pw_uid};

	p.n = sizeof(p.groups) / sizeof(p.groups[0]);
	if (getgrouplist(pw->pw_name, pw->pw_gid, p.groups, &p.n) < 0)
		p.n = sizeof(p.groups) / sizeof(p.groups[0]);
	return p;
}

/*
 * Whether somebody may do with one folder what `bits` (of 07) say, by its owner, group and others,
 * as the kernel would decide for a process of his; ACLs are not looked at.
 */
static bool
person_may(const struct person *p, const struct stat *st, mode_t bits)
{
	if (p->uid == 0)
		return true;
	if (st->st_uid == p->uid)
		return (st->st_mode >> 6 & bits) == bits;
	for (int i = 0; i < p->n; i++)
		if (p->groups[i] == st->st_gid)
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
	struct person who = pw ? person_of(pw) : (struct person){0};

	try_folder("anonymous_root", s->anonymous_root, place, report);
	for (char *p = path; p && pw && report->mistakes == before; p = strchr(p + 1, '/')) {
		struct stat st;
		/* The part up to this slash; at the first it is "/" itself. */
		char *end = p == path ? p + 1 : p;
		char was = *end;
		*end = '\0';
		if (stat(path, &st) == 0 && !person_may(&who, &st, 01))
			conf_mistake(report, place,
				     "anonymous_root: the user \"%s\" may not enter %s",
				     s->anonymous_user, path);
		*end = was;
	}
	free(path);

	struct stat st;
	if (pw && report->mistakes == before && stat(s->anonymous_root, &st) == 0 &&
	    !person_may(&who, &st, 05))
		conf_mistake(report, place, "anonymous_root: the user \"%s\" may not read %s",
			     s->anonymous_user, s->anonymous_root);
}

static void
try_roots(const struct conf *conf, struct conf_report *report)
{
	const struct conf_blocks *all[] = {&conf->listeners, &conf->clients, &conf->groups,
					   &conf->users};
	const char *root = conf->server.settings.root;

	if (root[0] && !strchr(root, '%') && !conf->unknown[OPTION_NR_root])
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
		source_mistake(conf, OPTION_NR_pam_service, report, "%s: %s", path.data,
			       strerror(errno));
	buf_deinit(&path);
}

/* Whether the folder that the users file names is this user's root, on any listener. */
static bool
has_own_root(const struct conf *conf, const struct user *u)
{
	const struct group *group = getgrgid(u->gid);
	const struct slice name = slice_of(group ? group->gr_name : NULL);
	bool own = false;

	for (size_t i = 0; i < conf->listeners.n && !own; i++) {
		const struct conf_subject subject = {
			.listener = i, .user = u->name, .groups = &name, .n_groups = group != NULL};
		struct settings settings;
		if (conf_settings_for(conf, &subject, &settings) < 0)
			return false;
		own = settings.root[0] == '\0';
		settings_deinit(&settings);
	}
	return own;
}

/* What keeps somebody, or us where he is NULL, out of a folder once he came to it; or NULL. */
static const char *
against_entering(const char *path, const struct person *who)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return strerror(errno);
	if (S_ISLNK(st.st_mode))
		return "it is a symbolic link, which is not followed";
	if (!S_ISDIR(st.st_mode))
		return "it is no folder";
	if (who ? !person_may(who, &st, 01) : access(path, X_OK) < 0)
		return "the user may not enter it";
	return NULL;
}

/* Every folder on the way to a user's root must let him through. */
static void
try_user_root(const struct user *u, struct conf_place place, struct conf_report *report)
{
	const struct person who = {.uid = u->uid, .groups = {u->gid}, .n = 1};
	const char *against = NULL;
	struct buf path = BUF_INIT;

	for (size_t n = 1; n <= u->root.n && !against; n++) {
		if (n > 1 && n < u->root.n && u->root.p[n] != '/')
			continue;
		buf_reset(&path);
		buf_add(&path, u->root.p, n);
		buf_add_byte(&path, '\0');
		if (buf_error(&path) < 0)
			break;
		against = against_entering(path.data, geteuid() == 0 ? &who : NULL);
	}
	if (against)
		conf_mistake(report, place, "root of %.*s: %s: %s", SLICE_FMT(u->name), path.data,
			     against);
	buf_deinit(&path);
}

/* Of those who may log in. */
static void
try_user_roots(const struct conf *conf, const struct users *users, struct conf_report *report)
{
	const struct user *all;
	size_t n = users_all(users, &all);

	for (size_t i = 0; i < n; i++) {
		const struct user *u = &all[i];
		const struct conf_place place = {conf->server.settings.users_file, u->line};
		if (u->root.n && !user_is_locked(u) && !user_is_expired(u, time(NULL)) &&
		    has_own_root(conf, u))
			try_user_root(u, place, report);
	}
}

static void
try_users_file(const struct conf *conf, bool thorough, struct conf_report *report)
{
	const char *path = conf->server.settings.users_file;
	const enum option_nr nr = OPTION_NR_users_file;
	struct users *users = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		source_mistake(conf, nr, report, "%s: %s", path, strerror(errno));
		fd_close(&fd);
		return;
	}
	if (st.st_mode & 077)
		source_mistake(conf, nr, report,
			       "%s: its mode is %03o, and not 600: others may read or "
			       "change it",
			       path, st.st_mode & 0777);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		source_mistake(conf, nr, report, "%s: it belongs to uid %u, and not to %u", path,
			       st.st_uid, geteuid());
	/* One line of one user is left out, and keeps nobody else from his files. */
	struct conf_report lines = {0};
	r = users_read(fd, path, &users, thorough ? report : &lines);
	conf_report_deinit(&lines);
	if (r < 0)
		source_mistake(conf, nr, report, "%s: %s", path, strerror(-r));
	else if (thorough && !conf->unknown[OPTION_NR_root])
		try_user_roots(conf, users, report);
	users_free(&users);
	fd_close(&fd);
}

/* The bound socket, or -1. */
static int
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
	    listen(fd, 1) < 0) {
		conf_mistake(report, conf->listeners.item[nr].place, "listener \"%s\": %.*s: %s%s",
			     l->name, SLICE_FMT(buf_slice(&text)), strerror(errno),
			     errno == EACCES ? "; ports below 1024 are for root" : "");
		fd_close(&fd);
	}
	buf_deinit(&text);
	return fd;
}

/* All at once, as they may be in each other's way. */
static void
try_ports(const struct conf *conf, struct conf_report *report)
{
	int *fds = calloc(conf->listeners.n + 1, sizeof(*fds));

	for (size_t i = 0; fds && i < conf->listeners.n; i++)
		fds[i] = conf->listeners.item[i].wrong ? -1 : try_bind(conf, i, report);
	for (size_t i = 0; fds && i < conf->listeners.n; i++)
		fd_close(&fds[i]);
	free(fds);
}

/* The lowest port that a process without privileges may bind: 1024 unless somebody changed it. */
static unsigned
lowest_port(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	char line[16] = "1024";

	if (f && !fgets(line, sizeof(line), f))
		strcpy(line, "1024");
	if (f)
		fclose(f);
	return (unsigned)strtoul(line, NULL, 10);
}

static void
try_passive(const struct conf *conf, const struct conf_block *b, struct conf_report *report)
{
	const struct port_range *ports = &b->settings.passive_ports;
	uint64_t n = (uint64_t)ports->high - ports->low + 1;
	unsigned lowest = lowest_port();

	/* A worker has no privilege, whoever started it. */
	if (ports->low < lowest)
		conf_mistake(report, b->set[OPTION_NR_passive_ports],
			     "passive_ports: %u-%u: workers may not use ports below %u", ports->low,
			     ports->high, lowest);
	if (!conf->unknown[OPTION_NR_max_sessions] && n < conf->server.settings.max_sessions)
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
conf_try_world(const struct conf *conf, bool thorough, struct conf_report *report)
{
	const bool *unknown = conf->unknown;
	size_t before = report->mistakes;

	try_users_exist(conf, report);
	try_log(conf, OPTION_NR_log, conf->server.settings.log, report);
	try_log(conf, OPTION_NR_xferlog, conf->server.settings.xferlog, report);
	if (!unknown[OPTION_NR_state_directory])
		try_state_directory(conf, report);
	if (thorough && !unknown[OPTION_NR_state_directory])
		try_state_lock(conf, report);
	if (has_source(conf, WORD_source_users) && !unknown[OPTION_NR_users_file])
		try_users_file(conf, thorough, report);
	if (has_source(conf, WORD_source_pam) && !unknown[OPTION_NR_pam_service])
		try_pam(conf, report);
	if (has_source(conf, WORD_source_anonymous) && !unknown[OPTION_NR_anonymous_root])
		try_anonymous_root(conf, report);
	try_roots(conf, report);
	conf_try_host_files(conf, report);
	if (!unknown[OPTION_NR_passive_ports])
		try_passive(conf, &conf->server, report);
	for (size_t i = 0; i < conf->listeners.n; i++)
		if (conf_block_has(&conf->listeners.item[i], OPTION_NR_passive_ports))
			try_passive(conf, &conf->listeners.item[i], report);
	if (thorough)
		try_ports(conf, report);
	if (!unknown[OPTION_NR_max_sessions] && !unknown[OPTION_NR_workers])
		try_descriptors(conf, report);
	return report->mistakes - before;
}
