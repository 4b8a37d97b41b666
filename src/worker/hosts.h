/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Hosts as the monitor sends them: their settings and the descriptors of their files, at the start
 * and whenever a file was renewed.
 */
#ifndef WHARF_WORKER_HOSTS_H
#define WHARF_WORKER_HOSTS_H

#include <wharf/base/buf.h>
#include <wharf/tls/hosts.h>
#include <wharf/wire/wire.h>

struct hosts {
	struct tls_hosts *tls; /* NULL: no host was sent, there is no TLS */
	/* The host that is being sent. */
	bool begun;
	uint32_t number;
	struct buf name;
	struct settings settings;
	struct tls_files *files;
	int failed; /* a negative errno of a file that can't be read */
	enum host_file failed_kind;
};

/*
 * W_HOST, W_HOST_FILE and W_HOST_END, whose descriptor is taken over.  The first one sets TLS up,
 * which reads from the disk: it must come before the jail.  Returns 0; HOSTS_ANSWER, when *answer
 * is to be sent, its text in `text`; or a negative errno: -EPROTO for what may not be.
 */
enum { HOSTS_ANSWER = 1 };
int hosts_take(struct hosts *h, const struct settings *server, struct message *m,
	       struct message *answer, struct buf *text);
void hosts_deinit(struct hosts *h);

#endif
