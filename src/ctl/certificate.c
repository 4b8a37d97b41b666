/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * `wharfctl certificate make`: a key and a self-signed certificate, in two files that are there
 * whole or not at all; and what there is to tell of any certificate.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/tls/certificate.h>

#include "ctl.h"

#define NAMES_MAX 100
#define DAYS      365
#define DAYS_MAX  36500
#define DAY       86400

/* A file that is written beside the one of its name, and then takes its place. */
struct fresh {
	const char *path, *name; /* the name in the folder */
	int folder;
	char *temporary; /* in the folder, too; NULL when there is none */
};

/* What `make` was asked for. */
struct wish {
	struct slice names[NAMES_MAX];
	size_t n;
	unsigned days;
	enum certificate_key kind;
	char host[HOST_NAME_MAX + 1];
};

static int
fresh_open(const char *path, struct fresh *f)
{
	const char *slash = strrchr(path, '/');
	char *folder = !slash          ? strdup(".")
		       : slash == path ? strdup("/")
				       : strndup(path, (size_t)(slash - path));

	*f = (struct fresh){.path = path, .name = slash ? slash + 1 : path, .folder = -1};
	if (!folder)
		return complain("%s", strerror(ENOMEM));
	f->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	return f->folder < 0 ? complain("%s: %s", path, strerror(errno)) : 0;
}

static void
fresh_deinit(struct fresh *f)
{
	if (f->temporary)
		unlinkat(f->folder, f->temporary, 0);
	free(f->temporary);
	fd_close(&f->folder);
}

/* Whether two of them are one file. */
static bool
fresh_same(const struct fresh *a, const struct fresh *b)
{
	struct stat x, y;

	return strcmp(a->name, b->name) == 0 && fstat(a->folder, &x) == 0 &&
	       fstat(b->folder, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Writes the file beside its place. */
static int
fresh_write(struct fresh *f, struct slice text, mode_t mode)
{
	int fd, r;

	if (asprintf(&f->temporary, ".%s.%ld", f->name, (long)getpid()) < 0) {
		f->temporary = NULL;
		return complain("%s", strerror(ENOMEM));
	}
	/* Whatever is there already is not ours, and not what we take away in the end. */
	fd = openat(f->folder, f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    S_IRUSR | S_IWUSR);
	if (fd < 0) {
		r = complain("%s: %s", f->path, strerror(errno));
		free(f->temporary);
		f->temporary = NULL;
		return r;
	}
	r = fd_write_all(fd, text);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	fd_close(&fd);
	return r ? complain("%s: %s", f->path, strerror(-r)) : 0;
}

/* Puts it into its place; what is there stays, unless it is to be replaced. */
static int
fresh_place(struct fresh *f, bool replace)
{
	if (renameat2(f->folder, f->temporary, f->folder, f->name, replace ? 0 : RENAME_NOREPLACE) <
	    0)
		return errno == EEXIST
			       ? complain("%s is there already; --force replaces it", f->path)
			       : complain("%s: %s", f->path, strerror(errno));
	free(f->temporary);
	f->temporary = NULL;
	return fsync(f->folder) < 0 ? complain("%s: %s", f->path, strerror(errno)) : 0;
}

static int
add_name(struct wish *w, struct slice name)
{
	if (!certificate_is_name(name))
		return misused("\"%.*s\" is neither a host name (other letters are written as "
			       "xn--...) nor an address",
			       SLICE_FMT(name));
	if (w->n == NAMES_MAX)
		return misused("there are more than %d names", NAMES_MAX);
	w->names[w->n++] = name;
	return 0;
}

static int
read_names(const char *list, struct wish *w)
{
	int r = 0;

	for (struct slice rest = slice_of(list); r == 0;) {
		const char *comma = memchr(rest.p, ',', rest.n);
		struct slice name = comma ? slice_head(rest, (size_t)(comma - rest.p)) : rest;
		r = add_name(w, slice_trim(name));
		if (!comma)
			break;
		rest = slice_from(rest, name.n + 1);
	}
	return r;
}

/* The machine's own names. */
static void
default_names(struct wish *w)
{
	struct slice localhost = SLICE("localhost");

	if (gethostname(w->host, sizeof(w->host) - 1) == 0 &&
	    certificate_is_name(slice_of(w->host)) &&
	    !slice_equal_nocase(slice_of(w->host), localhost))
		w->names[w->n++] = slice_of(w->host);
	w->names[w->n++] = localhost;
}

static int
read_wish(const struct arguments *args, struct wish *w)
{
	*w = (struct wish){.days = DAYS, .kind = CERTIFICATE_ECDSA};
	if (args->days) {
		char *end;
		unsigned long n = strtoul(args->days, &end, 10);
		if (args->days[0] < '0' || args->days[0] > '9' || *end || n < 1 || n > DAYS_MAX)
			return misused("--days is a number from 1 to %d", DAYS_MAX);
		w->days = (unsigned)n;
	}
	if (args->key_type && strcmp(args->key_type, "rsa") == 0)
		w->kind = CERTIFICATE_RSA;
	else if (args->key_type && strcmp(args->key_type, "ecdsa") != 0)
		return misused("\"%s\" is no key type; ecdsa and rsa are", args->key_type);
	if (args->names)
		return read_names(args->names, w);
	default_names(w);
	return 0;
}

/* What can be known to be in the way before a key is made. */
static int
check_places(const struct arguments *args, const struct fresh *certificate, const struct fresh *key)
{
	const struct fresh *both[] = {certificate, key};
	struct stat st;

	if (fresh_same(certificate, key))
		return complain("%s: the certificate and the key need a file each", key->path);
	for (size_t i = 0; i < 2; i++) {
		bool there = fstatat(both[i]->folder, both[i]->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
		if (both[i]->name[0] == '\0' || (there && S_ISDIR(st.st_mode)))
			return complain("%s: %s", both[i]->path, strerror(EISDIR));
		if (there && !args->force)
			return complain("%s is there already; --force replaces it", both[i]->path);
	}
	return 0;
}

/* The key first: a certificate that is there has its key. */
static int
place_both(const struct arguments *args, struct fresh *certificate, struct fresh *key)
{
	int r = fresh_place(key, args->force);

	if (r == 0)
		r = fresh_place(certificate, args->force);
	/* Somebody else was faster; a key without its certificate is of no use. */
	if (r && !args->force && !key->temporary && certificate->temporary)
		unlinkat(key->folder, key->name, 0);
	return r;
}

static int
write_both(const struct arguments *args, struct slice certificate, struct slice key)
{
	struct fresh c = {.folder = -1}, k = {.folder = -1};
	int r = fresh_open(args->certificate, &c);

	if (r == 0)
		r = fresh_open(args->key, &k);
	if (r == 0)
		r = check_places(args, &c, &k);
	if (r == 0)
		r = fresh_write(&k, key, S_IRUSR | S_IWUSR);
	if (r == 0)
		r = fresh_write(&c, certificate, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
	if (r == 0)
		r = place_both(args, &c, &k);
	fresh_deinit(&c);
	fresh_deinit(&k);
	return r;
}

static void
print_time(int64_t at)
{
	char text[sizeof("-2147483648-01-01 00:00:00 UTC")];
	time_t t = at;
	struct tm tm;

	if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		fputs(text, stdout);
}

void
certificate_describe(const struct certificate *c)
{
	void (*const facts[])(const struct certificate *, struct buf *) = {
		certificate_kind, certificate_names, certificate_issuer};
	static const char *const keys[] = {"key", "names", "issuer"};
	int64_t until = certificate_not_after(c), now = time(NULL);
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		buf_reset(&text);
		facts[i](c, &text);
		printf("%s: %.*s%s\n", keys[i], SLICE_FMT(buf_slice(&text)),
		       facts[i] == certificate_issuer && certificate_is_self_signed(c)
			       ? " (self-signed)"
			       : "");
	}
	fputs("until: ", stdout);
	print_time(until);
	printf(until > now ? " (%" PRId64 " days left)\n" : "\n", (until - now) / DAY);
	buf_reset(&text);
	certificate_fingerprint(c->leaf, &text);
	printf("sha256: %.*s\n", SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
}

/* Tells what was made by reading it again. */
static int
tell(struct slice pem, struct slice key)
{
	struct buf why = BUF_INIT;
	struct certificate c;
	bool key_is_wrong;
	int r = certificate_read(pem, key, &c, &why, &key_is_wrong);

	if (r == 0)
		certificate_describe(&c);
	else
		r = complain("what was made is broken: %.*s", SLICE_FMT(buf_slice(&why)));
	certificate_deinit(&c);
	buf_deinit(&why);
	return r ? r : fflush(stdout) == 0 ? 0 : complain("%s", strerror(errno));
}

int
certificate_make_files(const struct arguments *args)
{
	struct buf certificate = BUF_INIT, key = BUF_INIT;
	struct wish w;
	int r = read_wish(args, &w);

	if (r == 0) {
		r = certificate_make(w.names, w.n, w.kind, time(NULL), w.days, &certificate, &key);
		if (r < 0)
			r = complain("a certificate can't be made: %s", strerror(-r));
	}
	if (r == 0)
		r = write_both(args, buf_slice(&certificate), buf_slice(&key));
	if (r == 0)
		r = tell(buf_slice(&certificate), buf_slice(&key));
	buf_deinit(&certificate);
	buf_wipe(&key);
	return r;
}
