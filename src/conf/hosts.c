/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Hosts: what each one serves, of its block and of the server's options, and where that stands. */
#include <errno.h>
#include <stdlib.h>

#include <wharf/conf/value.h>

#include "block.h"

/* Lists in the order of tls_certificate are of no use beside another one. */
static const enum option_nr beside[] = {OPTION_NR_tls_key, OPTION_NR_tls_ocsp};

#define N_BESIDE (sizeof(beside) / sizeof(beside[0]))

static bool
is_beside(enum option_nr nr)
{
	for (size_t i = 0; i < N_BESIDE; i++)
		if (beside[i] == nr)
			return true;
	return false;
}

static int
make_host(const struct conf *conf, const struct conf_block *block, struct conf_host *out)
{
	int r = settings_copy(&out->settings, &conf->server.settings);

	out->name = block ? block->title : "";
	if (r < 0 || !block)
		return r;
	for (size_t i = 0; i < N_BESIDE && conf_block_has(block, OPTION_NR_tls_certificate); i++)
		value_free(&option_rows[beside[i]],
			   (char *)&out->settings + option_rows[beside[i]].offset);
	return conf_block_apply(block, &out->settings, NULL);
}

int
conf_make_hosts(struct conf *conf)
{
	int r = 0;

	conf->host = calloc(conf->hosts.n + 1, sizeof(*conf->host));
	if (!conf->host)
		return -ENOMEM;
	for (size_t i = 0; i <= conf->hosts.n && r == 0; i++)
		r = make_host(conf, i ? &conf->hosts.item[i - 1] : NULL, &conf->host[i]);
	return r;
}

size_t
conf_hosts(const struct conf *conf, const struct conf_host **out)
{
	*out = conf->host;
	return conf->hosts.n + 1;
}

bool
conf_has_certificate(const struct conf *conf)
{
	for (size_t i = 0; i <= conf->hosts.n; i++)
		if (conf->host[i].settings.tls_certificate.n)
			return true;
	return false;
}

struct conf_place
conf_host_place(const struct conf *conf, size_t host, enum option_nr nr)
{
	const struct conf_block *server = &conf->server;
	const struct conf_block *block = host ? &conf->hosts.item[host - 1] : server;

	if (conf_block_has(block, nr))
		return block->set[nr];
	if (is_beside(nr) && conf_block_has(block, OPTION_NR_tls_certificate))
		return block->set[OPTION_NR_tls_certificate];
	return server->set[nr];
}

void
conf_host_mistake(const struct conf *conf, size_t host, enum option_nr option, struct slice text,
		  struct conf_report *report)
{
	conf_mistake(report, conf_host_place(conf, host, option), "%s: %.*s",
		     option_rows[option].name, SLICE_FMT(text));
}
