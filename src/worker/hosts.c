/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Hosts from the monitor; see hosts.h. */
#include <errno.h>
#include <string.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "hosts.h"

static void
forget(struct hosts *h)
{
	if (!h->begun)
		return;
	h->begun = false;
	h->failed = 0;
	buf_deinit(&h->name);
	settings_deinit(&h->settings);
	tls_files_free(&h->files);
}

void
hosts_deinit(struct hosts *h)
{
	forget(h);
	tls_hosts_free(&h->tls);
}

/* The first host: there is TLS. */
static int
set_up(struct hosts *h, const struct settings *server)
{
	struct buf why = BUF_INIT;

	if (!server)
		return -EPROTO;
	h->tls = tls_hosts_new(server);
	if (!h->tls)
		return -ENOMEM;
	bool kernel = tls_hosts_kernel(h->tls, &why);
	LOG(INFO, "TLS is there", LOG_STR("kernel_encrypts", kernel ? "yes" : "no"),
	    LOG_BYTES("why", buf_slice(&why)));
	buf_deinit(&why);
	return 0;
}

static int
begin(struct hosts *h, const struct settings *server, const struct w_host *m)
{
	int r = h->tls ? 0 : set_up(h, server);

	forget(h);
	if (r == 0)
		r = settings_decode(&h->settings, m->settings);
	if (r < 0)
		return r;
	h->begun = true;
	h->number = m->host;
	h->name = BUF_INIT;
	buf_add_slice(&h->name, m->name);
	h->files = tls_files_new();
	return h->files ? buf_error(&h->name) : -ENOMEM;
}

static int
add_file(struct hosts *h, const struct message *m)
{
	const struct w_host_file *f = &m->w_host_file;
	enum host_file kind = f->kind < HOST_SETTINGS ? (enum host_file)f->kind : HOST_SETTINGS;

	if (!h->begun || f->host != h->number || kind == HOST_SETTINGS)
		return -EPROTO;
	int r = tls_files_add(h->files, kind, f->index, m->fd);
	if (r < 0 && h->failed == 0) {
		h->failed = r;
		h->failed_kind = kind;
	}
	return 0;
}

static int
end(struct hosts *h, const struct w_host_end *m, struct message *answer, struct buf *text)
{
	enum host_file kind = h->failed_kind;
	int r = 0;

	if (!h->begun || m->host != h->number)
		return -EPROTO;
	if (h->failed < 0)
		buf_add_str(text, strerror(-h->failed));
	else
		r = tls_hosts_put(h->tls, h->number, buf_slice(&h->name), &h->settings, h->files,
				  text, &kind);
	forget(h);
	if (r == 0 && buf_error(text) < 0)
		r = -ENOMEM;
	*answer = (struct message){
		.id = MSG_M_HOST, .fd = -1, .m_host = {m->host, (uint8_t)kind, buf_slice(text)}};
	return r < 0 ? r : HOSTS_ANSWER;
}

int
hosts_take(struct hosts *h, const struct settings *server, struct message *m,
	   struct message *answer, struct buf *text)
{
	int r = -EPROTO;

	if (m->id == MSG_W_HOST)
		r = begin(h, server, &m->w_host);
	else if (m->id == MSG_W_HOST_FILE)
		r = add_file(h, m);
	else if (m->id == MSG_W_HOST_END)
		r = end(h, &m->w_host_end, answer, text);
	fd_close(&m->fd);
	return r;
}
