/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What values of options must keep to beyond their type: paths, patterns, networks, and each other.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/conf/certmap.h>
#include <wharf/conf/passive.h>

#include "block.h"

/* One rule for one option, applied wherever the option is set and to the server's default. */
struct rule {
	enum option_nr nr;
	void (*check)(const struct conf_block *b, enum option_nr nr, struct conf_report *report);
};

static const char *
text_of(const struct conf_block *b, enum option_nr nr)
{
	return *(char *const *)conf_block_const_field(b, &option_rows[nr]);
}

static const struct texts *
list_of(const struct conf_block *b, enum option_nr nr)
{
	return conf_block_const_field(b, &option_rows[nr]);
}

static void
wrong(const struct conf_block *b, enum option_nr nr, struct conf_report *report, const char *text,
      const char *is_not)
{
	conf_mistake(report, conf_block_place(b, nr), "%s: \"%s\" is not %s", option_rows[nr].name,
		     text, is_not);
}

static void
check_path(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	if (text_of(b, nr)[0] != '/')
		wrong(b, nr, report, text_of(b, nr), "an absolute path");
}

static void
check_path_or_none(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	if (text_of(b, nr)[0] != '\0')
		check_path(b, nr, report);
}

static void
check_log(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	if (strcmp(text_of(b, nr), "stderr") != 0 && text_of(b, nr)[0] != '/')
		wrong(b, nr, report, text_of(b, nr), "stderr, nor an absolute path");
}

static void
check_name(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	const char *name = text_of(b, nr);

	if (name[0] == '\0' || name[0] == '.' || strpbrk(name, "/: \t"))
		wrong(b, nr, report, name, "a name");
}

static void
check_root(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	const char *root = text_of(b, nr);

	if (root[0] != '\0' && root[0] != '/' && strncmp(root, "%h", 2) != 0) {
		wrong(b, nr, report, root, "an absolute path, and does not begin with %h");
		return;
	}
	for (const char *p = strchr(root, '%'); p; p = strchr(p + 2, '%'))
		if (p[1] != 'u' && p[1] != 'h') {
			wrong(b, nr, report, root, "a path where each % is %u or %h");
			return;
		}
}

static void
check_hidden(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	const struct texts *list = list_of(b, nr);

	for (size_t i = 0; i < list->n; i++)
		if (strchr(list->item[i], '/'))
			wrong(b, nr, report, list->item[i],
			      "a pattern for one name: it has a \"/\"");
}

static void
check_paths(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	const struct texts *list = list_of(b, nr);

	for (size_t i = 0; i < list->n; i++)
		if (list->item[i][0] != '/')
			wrong(b, nr, report, list->item[i], "an absolute path");
}

static void
check_client_map(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	const struct texts *list = list_of(b, nr);
	struct slice certificate, user;

	for (size_t i = 0; i < list->n; i++)
		if (certmap_parse(slice_of(list->item[i]), &certificate, &user) != 0)
			wrong(b, nr, report, list->item[i],
			      "\"certificate = user\", as \"CN=till-7,O=Shop = till7\" or "
			      "\"sha256:\" with 64 hexadecimal digits and \" = till7\"");
}

/* Whether the first network is a part of the second one, or the same. */
static bool
is_in(const struct network *net, const struct network *outer)
{
	return outer->prefix <= net->prefix && network_contains(outer, &net->address);
}

/* The first of the n items whose network holds all of that one; or NULL. */
static const char *
passive_before(const struct texts *list, size_t n, const struct network *clients)
{
	struct network earlier;
	struct sockaddr_storage address;

	for (size_t i = 0; i < n; i++)
		if (passive_parse(slice_of(list->item[i]), &earlier, &address) == 0 &&
		    is_in(clients, &earlier))
			return list->item[i];
	return NULL;
}

/* Each item must be one, and not stand behind another one that fits all its clients. */
static void
check_passive_address(const struct conf_block *b, enum option_nr nr, struct conf_report *report)
{
	const struct texts *list = list_of(b, nr);
	struct network clients;
	struct sockaddr_storage address;

	for (size_t i = 0; i < list->n; i++) {
		if (passive_parse(slice_of(list->item[i]), &clients, &address) != 0) {
			wrong(b, nr, report, list->item[i],
			      "\"network = IPv4 address\", as \"10.0.0.0/8 = 10.0.0.5\" or "
			      "\"* = 192.0.2.7\"");
			continue;
		}
		const char *before = passive_before(list, i, &clients);
		if (before)
			conf_warning(report, b->set[nr],
				     "passive_address: \"%s\" never counts, as \"%s\" before it "
				     "fits all its clients",
				     list->item[i], before);
	}
}

static const struct rule rules[] = {
	{OPTION_NR_run_as, check_name},
	{OPTION_NR_empty_directory, check_path},
	{OPTION_NR_state_directory, check_path},
	{OPTION_NR_users_file, check_path},
	{OPTION_NR_pam_service, check_name},
	{OPTION_NR_anonymous_user, check_name},
	{OPTION_NR_anonymous_root, check_path},
	{OPTION_NR_log, check_log},
	{OPTION_NR_xferlog, check_path_or_none},
	{OPTION_NR_passive_address, check_passive_address},
	{OPTION_NR_tls_certificate, check_paths},
	{OPTION_NR_tls_key, check_paths},
	{OPTION_NR_tls_ocsp, check_paths},
	{OPTION_NR_tls_client_ca, check_path_or_none},
	{OPTION_NR_tls_client_crl, check_path_or_none},
	{OPTION_NR_tls_client_map, check_client_map},
	{OPTION_NR_root, check_root},
	{OPTION_NR_hidden, check_hidden},
};

static void
check_rules(const struct conf_block *b, struct conf_report *report)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (conf_block_has(b, rules[i].nr))
			rules[i].check(b, rules[i].nr, report);
}

/* Of two options the one that the block itself sets, else the server's. */
static uint64_t
number_of(const struct conf *conf, const struct conf_block *b, enum option_nr nr)
{
	const struct conf_block *from = conf_block_has(b, nr) ? b : &conf->server;

	return *(const uint64_t *)conf_block_const_field(from, &option_rows[nr]);
}

static void
check_idle(const struct conf *conf, const struct conf_block *b, struct conf_report *report)
{
	bool timeout = conf_block_has(b, OPTION_NR_idle_timeout);
	uint64_t idle = number_of(conf, b, OPTION_NR_idle_timeout);
	uint64_t max = number_of(conf, b, OPTION_NR_idle_timeout_max);

	if ((timeout || conf_block_has(b, OPTION_NR_idle_timeout_max)) && idle > max)
		conf_mistake(report,
			     b->set[timeout ? OPTION_NR_idle_timeout : OPTION_NR_idle_timeout_max],
			     "idle_timeout is %" PRIu64 "s, more than idle_timeout_max, %" PRIu64
			     "s",
			     idle, max);
}

static void
check_server(const struct conf_block *server, struct conf_report *report)
{
	const struct settings *s = &server->settings;

	if (s->allow_root && s->minimum_uid > 0)
		conf_mistake(report, server->set[OPTION_NR_allow_root],
			     "allow_root: it needs minimum_uid = 0, which is %" PRIu64,
			     s->minimum_uid);
	if (s->sandbox == WORD_sandbox_none && geteuid() == 0)
		conf_mistake(report, server->set[OPTION_NR_sandbox],
			     "sandbox: none is refused when wharfd runs as root");
}

static void
check_listeners(const struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->listeners.n; i++)
		for (size_t k = 0; k < i; k++) {
			const struct sockaddr_storage *a = &conf->listener[i].address;
			const struct sockaddr_storage *b = &conf->listener[k].address;
			if (address_same_host(a, b) && address_port(a) == address_port(b))
				conf_mistake(report, conf->listeners.item[i].place,
					     "listener \"%s\" has the address and port of "
					     "listener \"%s\"",
					     conf->listener[i].name, conf->listener[k].name);
		}
}

/* Who writes bits behind the prefix may have meant one address, or another prefix. */
static void
check_client(const struct conf_block *b, struct conf_report *report)
{
	const struct network *net = &b->network;
	const char *slash = strchr(b->title, '/');
	struct slice written = slice_head(slice_of(b->title),
					  slash ? (size_t)(slash - b->title) : 0);
	struct network host;
	struct buf text = BUF_INIT;

	/* A title that is no network was reported, and has none. */
	if (net->address.ss_family == AF_UNSPEC || !slash || network_parse(written, &host) != 0 ||
	    address_same_host(&host.address, &net->address))
		return;
	address_format_host(&text, &net->address);
	conf_warning(report, b->place,
		     "client \"%s\": bits behind the prefix do not count, so that it is "
		     "\"%.*s/%u\"",
		     b->title, SLICE_FMT(buf_slice(&text)), net->prefix);
	buf_deinit(&text);
}

void
conf_check(const struct conf *conf, struct conf_report *report)
{
	const struct conf_blocks *all[] = {&conf->listeners, &conf->hosts, &conf->clients,
					   &conf->groups, &conf->users};

	check_rules(&conf->server, report);
	check_idle(conf, &conf->server, report);
	check_server(&conf->server, report);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t k = 0; k < all[i]->n; k++) {
			check_rules(&all[i]->item[k], report);
			check_idle(conf, &all[i]->item[k], report);
		}
	for (size_t i = 0; i < conf->clients.n; i++)
		check_client(&conf->clients.item[i], report);
	check_listeners(conf, report);
	conf_check_tls(conf, report);
	conf_check_uploads(conf, report);
}
