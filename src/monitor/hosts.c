/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The hosts' certificates on their way to the workers; see hosts.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/base/log.h>

#include "host_files.h"
#include "hosts.h"
#include "worker.h"

#define WATCH_MS 1000

struct host {
	const struct conf_host *conf;
	struct host_sources sources;
	struct host_copies good; /* what was found good last */
	struct host_copies next; /* what was sent after it, while `trying` */
	bool changed;            /* a file did, and was not copied since */
	bool trying;             /* no worker has answered yet */
	bool served;             /* what was sent last is good */
	unsigned *asked;         /* by worker: how often it was sent to it and not answered */
};

struct hosts {
	const struct conf *conf;
	struct host *host;
	size_t n;
};

/* The option that a file is of. */
static enum option_nr
option_of(const struct settings *s, enum host_file kind)
{
	switch (kind) {
	case HOST_KEY:
		return s->tls_key.n ? OPTION_NR_tls_key : OPTION_NR_tls_certificate;
	case HOST_OCSP:
		return OPTION_NR_tls_ocsp;
	case HOST_CLIENT_CA:
		return OPTION_NR_tls_client_ca;
	case HOST_CLIENT_CRL:
		return OPTION_NR_tls_client_crl;
	default:
		return OPTION_NR_tls_certificate;
	}
}

static void
add_unreadable(const struct hosts *hosts, size_t host, const struct host_source *wrong, int error,
	       struct conf_report *report)
{
	struct buf text = BUF_INIT;

	buf_printf(&text, "%s: %s", wrong->path, strerror(-error));
	conf_host_mistake(hosts->conf, host,
			  option_of(&hosts->host[host].conf->settings, wrong->kind),
			  buf_slice(&text), report);
	buf_deinit(&text);
}

/* 0, HOSTS_WRONG or -ENOMEM. */
static int
open_host(struct hosts *hosts, const struct conf_host *from, struct conf_report *report)
{
	size_t nr = hosts->n++;
	struct host *h = &hosts->host[nr];
	const struct host_source *wrong = NULL;

	*h = (struct host){.conf = from, .served = true};
	int r = host_sources_init(&h->sources, &from->settings);
	if (r == 0)
		r = host_copies_init(&h->good, &h->sources, &wrong);
	if (!wrong)
		return r;
	add_unreadable(hosts, nr, wrong, r, report);
	return HOSTS_WRONG;
}

int
hosts_open(const struct conf *conf, struct hosts **out, struct conf_report *report)
{
	const struct conf_host *from;
	size_t n = conf_hosts(conf, &from);
	struct hosts *hosts;
	int result = 0;

	*out = NULL;
	if (!conf_has_certificate(conf))
		return 0;
	hosts = calloc(1, sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	hosts->conf = conf;
	hosts->host = calloc(n, sizeof(*hosts->host));
	for (size_t i = 0; i < n && hosts->host && result >= 0; i++) {
		int r = open_host(hosts, &from[i], report);
		if (r)
			result = r;
	}
	if (!hosts->host)
		result = -ENOMEM;
	if (result)
		hosts_free(&hosts);
	*out = hosts;
	return result;
}

void
hosts_free(struct hosts **hosts)
{
	struct hosts *gone = *hosts;

	if (!gone)
		return;
	*hosts = NULL;
	for (size_t i = 0; i < gone->n; i++) {
		host_copies_deinit(&gone->host[i].good);
		host_copies_deinit(&gone->host[i].next);
		host_sources_deinit(&gone->host[i].sources);
		free(gone->host[i].asked);
	}
	free(gone->host);
	free(gone);
}

size_t
hosts_count(const struct hosts *hosts)
{
	return hosts->n;
}

static int
send_copies(const struct hosts *hosts, size_t nr, const struct host_copies *copies,
	    hosts_sender send, void *to)
{
	const struct host *h = &hosts->host[nr];
	struct message msg = {.id = MSG_W_HOST, .fd = -1};
	struct buf blob = BUF_INIT;

	settings_encode(&h->conf->settings, &blob);
	msg.w_host = (struct w_host){.host = (uint32_t)nr,
				     .name = slice_of(h->conf->name),
				     .settings = buf_slice(&blob)};
	int r = buf_error(&blob) < 0 ? -ENOMEM : send(to, &msg);
	buf_deinit(&blob);
	for (size_t i = 0; i < copies->n && r == 0; i++) {
		const struct host_source *s = &h->sources.item[i];
		msg = (struct message){.id = MSG_W_HOST_FILE, .fd = copies->fd[i]};
		msg.w_host_file = (struct w_host_file){
			.host = (uint32_t)nr, .kind = (uint8_t)s->kind, .index = (uint8_t)s->index};
		r = send(to, &msg);
	}
	msg = (struct message){.id = MSG_W_HOST_END, .fd = -1};
	msg.w_host_end.host = (uint32_t)nr;
	return r == 0 ? send(to, &msg) : r;
}

int
hosts_send(const struct hosts *hosts, size_t host, hosts_sender send, void *to)
{
	return send_copies(hosts, host, &hosts->host[host].good, send, to);
}

/* What an answer is about, and what it says of it: a text about a setting begins with its name. */
static enum option_nr
subject_of(const struct host *h, const struct m_host *answer, struct slice *why)
{
	const char *colon = answer->text.n ? memchr(answer->text.p, ':', answer->text.n) : NULL;
	const struct option_row *row = NULL;

	*why = answer->text;
	if (answer->kind != HOST_SETTINGS)
		return option_of(&h->conf->settings, (enum host_file)answer->kind);
	if (colon)
		row = option_find(slice_head(answer->text, (size_t)(colon - answer->text.p)));
	if (!row)
		return OPTION_NR_tls_ciphers;
	*why = slice_trim(slice_from(answer->text, (size_t)(colon - answer->text.p) + 1));
	return (enum option_nr)option_nr(row);
}

void
hosts_mistake(const struct hosts *hosts, const struct m_host *answer, struct conf_report *report)
{
	struct slice why;
	enum option_nr nr = subject_of(&hosts->host[answer->host], answer, &why);

	conf_host_mistake(hosts->conf, answer->host, nr, why, report);
}

static const char *
name_of(const struct host *h)
{
	return h->conf->name[0] ? h->conf->name : "default";
}

static void
log_not_taken(const struct host *h, enum option_nr nr, struct slice why)
{
	LOG(WARNING, "a host's certificate was not taken", LOG_STR("host", name_of(h)),
	    LOG_STR("option", option_rows[nr].name), LOG_BYTES("why", why));
}

static int
send_to_peer(void *to, const struct message *m)
{
	return peer_send(to, m);
}

int
hosts_start_worker(struct monitor *m, size_t worker)
{
	struct hosts *hosts = m->hosts;
	struct peer *peer = &m->workers[worker].peer;
	int r = 0;

	for (size_t i = 0; hosts && i < hosts->n && r == 0; i++) {
		struct host *h = &hosts->host[i];
		if (!h->asked)
			h->asked = calloc(m->n_workers, sizeof(*h->asked));
		if (!h->asked)
			return -ENOMEM;
		h->asked[worker] = 1;
		r = hosts_send(hosts, i, send_to_peer, peer);
		/* The verdict may have to come from this one, as others may be gone. */
		if (r == 0 && h->trying) {
			h->asked[worker]++;
			r = send_copies(hosts, i, &h->next, send_to_peer, peer);
		}
	}
	return r;
}

/* The first answer about what was sent last tells for all workers. */
static void
settle(struct host *h, const struct m_host *answer)
{
	struct slice why;

	h->trying = false;
	h->served = answer->text.n == 0;
	if (h->served) {
		host_copies_deinit(&h->good);
		h->good = h->next;
		h->next = (struct host_copies){0};
		LOG(INFO, "a host's certificate is renewed", LOG_STR("host", name_of(h)));
		return;
	}
	host_copies_deinit(&h->next);
	enum option_nr nr = subject_of(h, answer, &why);
	log_not_taken(h, nr, why);
}

int
hosts_answered(struct monitor *m, size_t worker, const struct m_host *answer)
{
	struct hosts *hosts = m->hosts;
	struct host *h = hosts && answer->host < hosts->n ? &hosts->host[answer->host] : NULL;

	if (!h || !h->asked || !h->asked[worker] || (answer->text.n && answer->kind >= HOST_FILES))
		return -EPROTO;
	/* Answers come in the order of the questions; only the one to the last is of interest. */
	if (--h->asked[worker] > 0)
		return 0;
	if (h->trying)
		settle(h, answer);
	else if (answer->text.n && h->served)
		LOG(ERROR, "a worker does not serve a host", LOG_NUM("worker", worker),
		    LOG_STR("host", name_of(h)), LOG_BYTES("why", answer->text));
	return 0;
}

/* Copies the files of a host anew, and sends them to all workers. */
static void
renew(struct monitor *m, size_t nr)
{
	struct host *h = &m->hosts->host[nr];
	const struct host_source *wrong;
	struct host_copies fresh;
	int r = host_copies_init(&fresh, &h->sources, &wrong);

	if (r < 0) {
		struct buf why = BUF_INIT;
		buf_printf(&why, "%s%s%s", wrong ? wrong->path : "", wrong ? ": " : "",
			   strerror(-r));
		log_not_taken(h, option_of(&h->conf->settings, wrong ? wrong->kind : HOST_FILES),
			      buf_slice(&why));
		buf_deinit(&why);
		return;
	}
	host_copies_deinit(&h->next);
	h->next = fresh;
	h->trying = true;
	for (size_t i = 0; i < m->n_workers; i++)
		if (m->workers[i].state != WORKER_DOWN && h->asked) {
			h->asked[i]++;
			send_copies(m->hosts, nr, &h->next, send_to_peer, &m->workers[i].peer);
		}
}

/* A certificate and its key are not renewed in one step, so a host is left alone until nothing of
 * it has changed for a turn. */
static void
on_watch(uv_timer_t *timer)
{
	struct monitor *m = timer->data;

	for (size_t i = 0; i < m->hosts->n && !m->draining; i++) {
		struct host *h = &m->hosts->host[i];
		if (host_sources_changed(&h->sources)) {
			h->changed = true;
		} else if (h->changed) {
			h->changed = false;
			renew(m, i);
		}
	}
}

void
hosts_watch(struct monitor *m)
{
	if (m->hosts)
		uv_timer_start(&m->hosts_watch, on_watch, WATCH_MS, WATCH_MS);
}
