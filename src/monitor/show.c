/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What is in force for somebody; see show.h. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/fd.h>
#include <wharf/conf/users.h>

#include "auth.h"
#include "login.h"
#include "show.h"

#define GROUPS_MAX 1024

/* Who somebody would be after a login. */
struct person {
	const char *name;
	struct login_claim claim;
	struct buf group_names;
	struct users *users; /* which the claim points into */
	int line;            /* of them */
};

/* Whether a client that connects to this address finds that listener. */
static bool
listens_at(const struct conf_listener *l, const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&l->address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&l->address;

	if (l->address.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
		return true;
	if (l->address.ss_family == AF_INET && in->sin_addr.s_addr == INADDR_ANY)
		return address->ss_family == AF_INET;
	return address_same_host(&l->address, address);
}

/* Whether it is that listener's name, or its address with its port. */
static bool
is_called(const struct conf_listener *l, struct slice wanted)
{
	struct buf text = BUF_INIT;

	address_format(&text, &l->address);
	bool same = slice_equal(wanted, buf_slice(&text)) || slice_equal(wanted, slice_of(l->name));
	buf_deinit(&text);
	return same;
}

/* The listener that is called so, or that hears what connects to this address; the first without
 * one. */
static size_t
find_listener(const struct conf *conf, const char *wanted)
{
	const struct conf_listener *l;
	struct network address;
	size_t n = conf_listeners(conf, &l);

	if (!wanted)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (is_called(&l[i], slice_of(wanted)))
			return i;
	for (size_t i = 0; i < n && network_parse(slice_of(wanted), &address) == 0; i++)
		if (listens_at(&l[i], &address.address))
			return i;
	fprintf(stderr, "wharfd: no listener has the name or the address %s\n", wanted);
	exit(EX_USAGE);
}

static void
add_group(struct person *p, gid_t gid)
{
	const struct group *group = getgrgid(gid);

	if (group)
		buf_add(&p->group_names, group->gr_name, strlen(group->gr_name) + 1);
}

/* Whether the system knows him. */
static bool
find_in_system(const struct monitor *m, struct person *p)
{
	const struct passwd *pw = getpwnam(p->name);
	gid_t groups[GROUPS_MAX];
	int n = GROUPS_MAX;

	(void)m;
	if (!pw)
		return false;
	if (getgrouplist(p->name, pw->pw_gid, groups, &n) >= 0)
		for (int i = 0; i < n; i++)
			add_group(p, groups[i]);
	return true;
}

/* Reads the users file; tells why where that can't be. */
static bool
read_users(const char *path, struct users **out)
{
	struct conf_report report = {0};
	const char *why;
	int fd = auth_open_users(path, &why);
	int r = fd < 0 ? fd : users_read(fd, path, out, &report);

	if (report.text.len)
		fwrite(report.text.data, 1, report.text.len, stderr);
	if (r < 0)
		fprintf(stderr,
			"wharfd: %s: %s; what the users file says of anybody is not shown\n", path,
			why ? why : strerror(-r));
	conf_report_deinit(&report);
	fd_close(&fd);
	return r >= 0;
}

static bool
find_in_users(const struct monitor *m, struct person *p)
{
	const struct user *u = NULL;

	if (read_users(m->server->users_file, &p->users))
		u = users_find(p->users, slice_of(p->name));
	if (!u)
		return false;
	p->claim.root = u->root;
	p->claim.narrowed = true;
	p->claim.rights = u->rights;
	p->line = u->line;
	add_group(p, u->gid);
	return true;
}

/* The first source that knows him says who he is, as at a login; where none of them does, the
 * system. */
static void
find(const struct monitor *m, struct person *p)
{
	static bool (*const in[WORD_source_count])(const struct monitor *, struct person *) = {
		[WORD_source_users] = find_in_users,
		[WORD_source_pam] = find_in_system,
	};
	const struct order *sources = &m->server->sources;

	for (size_t i = 0; i < sources->n; i++)
		if (in[sources->item[i]] && in[sources->item[i]](m, p))
			return;
	find_in_system(m, p);
}

int
show(const struct monitor *m, const char *user, const char *listener,
     const struct sockaddr_storage *client)
{
	struct person p = {.name = user, .claim.user = slice_of(user), .group_names = BUF_INIT};
	size_t nr = find_listener(m->conf, listener);
	struct login_subject who;
	struct buf out = BUF_INIT;

	if (user)
		find(m, &p);
	p.claim.group_names = buf_slice(&p.group_names);
	int r = login_subject(&p.claim, nr, client, &who);
	if (r == 0) {
		who.entry.file = m->server->users_file;
		who.entry.line = p.line;
		conf_print(m->conf, &who.subject, &out);
		fwrite(out.data, 1, out.len, stdout);
	}
	int status = r < 0 || buf_error(&p.group_names) < 0 || buf_error(&out) < 0 || fflush(stdout)
			     ? EX_OSERR
			     : EX_OK;
	buf_deinit(&out);
	buf_deinit(&p.group_names);
	free(who.names);
	users_free(&p.users);
	return status;
}
