/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* `wharfctl certificate list`: which certificates a configuration serves, and what is wrong with
 * them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <wharf/base/fd.h>
#include <wharf/conf/conf.h>
#include <wharf/tls/certificate.h>

#include "ctl.h"

#define DAY      86400
#define FILE_MAX (16U << 20)

/* Prints a line "wrong: ...", and returns 1, the exit code that it makes. */
static int __attribute__((format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("wrong: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return 1;
}

/* Reads a whole file.  0 or a negative errno. */
static int
read_file(const char *path, struct buf *out, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r = fd < 0 || fstat(fd, st) < 0 ? -errno : 0;

	if (r == 0 && !S_ISREG(st->st_mode))
		r = -EINVAL;
	if (r == 0 && st->st_size > FILE_MAX)
		r = -EFBIG;
	/* One more than there is, so that the end is seen, and memory is taken once. */
	if (r == 0)
		r = buf_reserve(out, (size_t)st->st_size + 1);
	while (r == 0 && out->len < out->cap) {
		ssize_t n = read(fd, out->data + out->len, out->cap - out->len);
		if (n == 0)
			break;
		if (n > 0)
			out->len += (size_t)n;
		else if (errno != EINTR)
			r = -errno;
	}
	fd_close(&fd);
	return r;
}

/* Whether the system's own store of CAs has who issued that one. */
static bool
system_knows_issuer(X509 *x)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *issuer = NULL;
	bool known = store && ctx && X509_STORE_set_default_paths(store) == 1 &&
		     X509_STORE_CTX_init(ctx, store, x, NULL) == 1 &&
		     X509_STORE_CTX_get1_issuer(&issuer, ctx, x) == 1;

	X509_free(issuer);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return known;
}

static bool
issued(X509 *issuer, X509 *x)
{
	bool is = X509_check_issued(issuer, x) == X509_V_OK &&
		  X509_verify(x, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	return is;
}

/* Clients take a chain in its order, up to a CA that they know. */
static int
check_chain(const struct certificate *c)
{
	struct certificate last = {.leaf = c->leaf};
	struct buf issuer = BUF_INIT;
	int r = 0;

	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *next = sk_X509_value(c->chain, i);
		if (!issued(next, last.leaf))
			return wrong("certificate %d of the file is not by the one behind it",
				     i + 1);
		last.leaf = next;
	}
	if (certificate_is_self_signed(&last) || system_knows_issuer(last.leaf))
		return 0;
	certificate_issuer(&last, &issuer);
	r = wrong("the chain is incomplete: \"%.*s\" is neither in the file nor a CA that this "
		  "system knows",
		  SLICE_FMT(buf_slice(&issuer)));
	buf_deinit(&issuer);
	return r;
}

static int
check_time(const struct certificate *c)
{
	int64_t now = time(NULL);

	if (certificate_not_before(c) > now)
		return wrong("it is not valid yet: it begins in %" PRId64 " days",
			     (certificate_not_before(c) - now + DAY - 1) / DAY);
	if (certificate_not_after(c) <= now)
		return wrong("it expired %" PRId64 " days ago",
			     (now - certificate_not_after(c)) / DAY);
	return 0;
}

/* "*.example.com" is served to names of one label more: any will do. */
static int
check_name(const struct certificate *c, struct slice name)
{
	struct buf text = BUF_INIT;
	int r = 0;

	if (slice_starts(name, SLICE("*.")))
		buf_printf(&text, "any-name-of-one-label%.*s", SLICE_FMT(slice_from(name, 1)));
	else
		buf_add_slice(&text, name);
	if (name.n && !certificate_is_for(c, buf_slice(&text)))
		r = wrong("it is not for the host's name, \"%.*s\"", SLICE_FMT(name));
	buf_deinit(&text);
	return r;
}

static int
check_mode(const char *path, const struct stat *st)
{
	return st->st_mode & S_IRWXO ? wrong("everybody may use the key: chmod o= %s", path) : 0;
}

/* One certificate of a host; key: its file, or NULL where the key stands beside it. */
static int
list_one(struct slice host, const char *file, const char *key)
{
	struct buf pem = BUF_INIT, key_pem = BUF_INIT, why = BUF_INIT;
	struct certificate c = {0};
	struct stat st = {0};
	bool key_is_wrong = false;
	int r, bad = 0;

	printf("host: %.*s\ncertificate: %s\n", SLICE_FMT(host.n ? host : SLICE("(default)")),
	       file);
	r = read_file(file, &pem, &st);
	if (r < 0)
		bad = wrong("%s: %s", file, strerror(-r));
	r = key && !bad ? read_file(key, &key_pem, &st) : 0;
	if (r < 0)
		bad = wrong("%s: %s", key, strerror(-r));
	if (!bad) {
		struct slice text = {key_pem.data, key_pem.len};
		r = certificate_read(buf_slice(&pem), text, &c, &why, &key_is_wrong);
		if (r < 0)
			bad = complain("%s", strerror(-r));
		else if (r)
			bad = wrong("%s: %.*s", key_is_wrong ? key : file,
				    SLICE_FMT(buf_slice(&why)));
	}
	if (c.leaf) {
		certificate_describe(&c);
		bad |= check_time(&c) | check_chain(&c) | check_name(&c, host);
		if (c.key)
			bad |= check_mode(key ? key : file, &st);
	}
	certificate_deinit(&c);
	buf_wipe(&pem);
	buf_wipe(&key_pem);
	buf_deinit(&why);
	return bad;
}

static int
list_host(const struct conf_host *host, bool *any)
{
	const struct texts *files = &host->settings.tls_certificate;
	const struct texts *keys = &host->settings.tls_key;
	int bad = 0;

	for (size_t i = 0; i < files->n; i++) {
		if (*any)
			putchar('\n');
		*any = true;
		bad |= list_one(slice_of(host->name), files->item[i],
				i < keys->n ? keys->item[i] : NULL);
	}
	return bad;
}

int
certificate_list(const struct arguments *args)
{
	struct conf_report report = {0};
	const struct conf_host *hosts;
	struct conf *conf = NULL;
	bool any = false;
	int bad = 0;
	int r = conf_read(args->config, &conf, &report);

	fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&report.text)));
	if (r < 0)
		bad = complain("%s: %s", args->config, strerror(-r));
	else if (r > 0)
		bad = complain("%s: %zu mistakes", args->config, report.mistakes);
	size_t n = r == 0 ? conf_hosts(conf, &hosts) : 0;
	for (size_t i = 0; i < n; i++)
		bad |= list_host(&hosts[i], &any);
	if (r == 0 && !any)
		puts("No certificate is served: tls_certificate is empty.");
	conf_report_deinit(&report);
	conf_free(&conf);
	return fflush(stdout) == 0 ? bad : complain("%s", strerror(errno));
}
