/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What a worker serves by TLS: the hosts with their certificates, and what all connections share
 * (ticket keys, buffers). A host is replaced as a whole, or, where what comes is broken, stays as
 * it was.
 */
#ifndef WHARF_TLS_HOSTS_H
#define WHARF_TLS_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>
#include <wharf/conf/settings.h>
#include <wharf/wire/wire.h>

struct tls_host;
struct tls_hosts;

/* The files of a host, by enum host_file and place in its list. */
struct tls_files;
struct tls_files *tls_files_new(void);
void tls_files_free(struct tls_files **files);
/* Reads a whole regular file; fd stays the caller's.  0 or a negative errno: -EFBIG above 16 MiB,
 * -ERANGE for a kind or an index that can't be. */
int tls_files_add(struct tls_files *files, enum host_file kind, unsigned index, int fd);

/* Also sets OpenSSL up, with what it reads from disk: call it before the jail.  server: for
 * tls_ciphers, tls_groups, kernel_tls, tls_client_user.  NULL when memory is out. */
struct tls_hosts *tls_hosts_new(const struct settings *server);
void tls_hosts_free(struct tls_hosts **hosts);

/*
 * Adds a host, or replaces the one of that number; number 0 is the default one, which has no name.
 * Returns 0; TLS_HOST_WRONG, with "file: why" appended to `why` and *kind telling of which option;
 * or -ENOMEM.  With anything but 0 the old one is served on.
 */
enum { TLS_HOST_WRONG = 1 };
int tls_hosts_put(struct tls_hosts *hosts, uint32_t number, struct slice name,
		  const struct settings *settings, const struct tls_files *files, struct buf *why,
		  enum host_file *kind);

/* Whether any host has a certificate. */
bool tls_hosts_serve(const struct tls_hosts *hosts);
/*
 * The host for a name of SNI or HOST (case is ignored): that of the block with this name,
 * "*.example.com" standing for one label, else one whose certificate is for it, else NULL.
 */
const struct tls_host *tls_hosts_find(const struct tls_hosts *hosts, struct slice name);
/* The host of the block with exactly that name, the default one for an empty name, or NULL. */
const struct tls_host *tls_hosts_named(const struct tls_hosts *hosts, struct slice name);
/* Whether there is any host besides the default one. */
bool tls_hosts_are_many(const struct tls_hosts *hosts);
/* Appends "yes", or why the kernel does not encrypt, for the log. */
bool tls_hosts_kernel(const struct tls_hosts *hosts, struct buf *why);

#endif
