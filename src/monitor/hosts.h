/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The hosts' certificates on their way to the workers: copies of all files, the watch over what
 * is renewed, and what workers say of it.  Whether a certificate is good only a worker can tell;
 * what was found good last is kept for those that are started later.
 */
#ifndef WHARF_MONITOR_HOSTS_H
#define WHARF_MONITOR_HOSTS_H

#include <wharf/conf/conf.h>
#include <wharf/wire/wire.h>

#include "monitor.h"

struct hosts;

/*
 * Copies the files of all hosts; *out is NULL where no host has a certificate, and nothing is to be
 * done.  Returns 0; HOSTS_WRONG, with what can't be read in the report; or -ENOMEM.  conf must
 * outlive it.
 */
enum { HOSTS_WRONG = 1 };
int hosts_open(const struct conf *conf, struct hosts **out, struct conf_report *report);
void hosts_free(struct hosts **hosts);
size_t hosts_count(const struct hosts *hosts);

/* Sends the messages of one host, with the files that were found good last.  Returns the first
 * error of `send`, or -ENOMEM. */
typedef int (*hosts_sender)(void *to, const struct message *m);
int hosts_send(const struct hosts *hosts, size_t host, hosts_sender send, void *to);

/* Adds what a worker found wrong to the report, with the place of the option that it is about. */
void hosts_mistake(const struct hosts *hosts, const struct m_host *answer,
		   struct conf_report *report);

/* A worker's process starts: sends it all hosts.  0 or a negative errno. */
int hosts_start_worker(struct monitor *m, size_t worker);
/* A worker's M_HOST.  0, or -EPROTO when it was not asked. */
int hosts_answered(struct monitor *m, size_t worker, const struct m_host *answer);

/* From now on files that are renewed are sent to all workers. */
void hosts_watch(struct monitor *m);

#endif
