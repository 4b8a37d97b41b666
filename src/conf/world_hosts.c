/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The files of hosts, on this machine: whether they are there, and who may read them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wharf/base/fd.h>

#include "block.h"

/* One file that an option names. */
struct named {
	const char *option, *path;
	struct conf_place place;
	bool secret; /* a private key stands in it */
};

/* Root reads them at start, and once more when they are renewed; then without the capability to
 * pass by modes. */
static bool
may_read_later(const struct stat *st)
{
	if (geteuid() != 0 || st->st_uid == 0 || st->st_mode & 04)
		return true;
	return st->st_gid == getegid() && st->st_mode & 040;
}

static void
try_file(const struct named *f, struct conf_report *report)
{
	struct stat st;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) < 0)
		conf_mistake(report, f->place, "%s: %s: %s", f->option, f->path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		conf_mistake(report, f->place, "%s: %s: it is no regular file", f->option, f->path);
	else if (!may_read_later(&st))
		conf_mistake(report, f->place,
			     "%s: %s: it belongs to uid %u, and root may not read it once wharfd "
			     "has given up the right to read everything; make it root's",
			     f->option, f->path, st.st_uid);
	else if (f->secret && st.st_mode & 077)
		conf_warning(report, f->place,
			     "%s: %s: its mode is %03o, and not 600: others may read or change "
			     "the key",
			     f->option, f->path, st.st_mode & 0777);
	fd_close(&fd);
}

/* Those that the block of a host sets itself. */
static void
try_host(const struct conf *conf, size_t host, struct conf_report *report)
{
	static const enum option_nr options[] = {OPTION_NR_tls_certificate, OPTION_NR_tls_key,
						 OPTION_NR_tls_ocsp, OPTION_NR_tls_client_ca,
						 OPTION_NR_tls_client_crl};
	const struct conf_block *b = host ? &conf->hosts.item[host - 1] : &conf->server;
	bool keys_inside = conf->host[host].settings.tls_key.n == 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option_row *row = &option_rows[options[i]];
		const void *field = conf_block_const_field(b, row);
		struct named f = {.option = row->name, .place = b->set[options[i]]};

		if (!conf_block_has(b, options[i]))
			continue;
		f.secret = options[i] == OPTION_NR_tls_key ||
			   (options[i] == OPTION_NR_tls_certificate && keys_inside);
		if (row->type == OPTION_TEXT) {
			f.path = *(char *const *)field;
			if (f.path[0])
				try_file(&f, report);
			continue;
		}
		const struct texts *list = field;
		for (size_t k = 0; k < list->n; k++) {
			f.path = list->item[k];
			try_file(&f, report);
		}
	}
}

void
conf_try_host_files(const struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i <= conf->hosts.n; i++)
		try_host(conf, i, report);
}
