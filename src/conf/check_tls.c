/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What options of TLS must keep to together: certificates with their keys, and what is asked of
 * clients with what can be had of them. */
#include <string.h>

#include <wharf/conf/suggest.h>

#include "block.h"

/* The name of a word of a CHOICE. */
static const char *
word(const char *set, int value)
{
	size_t n;

	return option_words(set, &n)[value].name;
}

/* Whether anything of this is set in the block: what is inherited was looked at where it stands. */
static bool
sets(const struct conf_block *b, const enum option_nr *nr, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (conf_block_has(b, nr[i]))
			return true;
	return false;
}

/* A worker is told a file's place in its list by one byte. */
#define CERTIFICATES_MAX 256

static void
check_lists(const struct conf *conf, size_t host, struct conf_report *report)
{
	const struct settings *s = &conf->host[host].settings;
	size_t n = s->tls_certificate.n;

	if (n > CERTIFICATES_MAX)
		conf_mistake(report, conf_host_place(conf, host, OPTION_NR_tls_certificate),
			     "tls_certificate: there are %zu, and one host has %d at most", n,
			     CERTIFICATES_MAX);
	if (s->tls_key.n && s->tls_key.n != n)
		conf_mistake(report, conf_host_place(conf, host, OPTION_NR_tls_key),
			     "tls_key: there are %zu, and %zu of tls_certificate; as many are "
			     "needed, in the same order, or none where the keys stand in the "
			     "certificates' files",
			     s->tls_key.n, n);
	if (s->tls_ocsp.n > n)
		conf_mistake(report, conf_host_place(conf, host, OPTION_NR_tls_ocsp),
			     "tls_ocsp: there are %zu, and %zu of tls_certificate; each has one at "
			     "most, in the same order",
			     s->tls_ocsp.n, n);
}

static void
check_host(const struct conf *conf, size_t host, struct conf_report *report)
{
	static const enum option_nr lists[] = {OPTION_NR_tls_certificate, OPTION_NR_tls_key,
					       OPTION_NR_tls_ocsp};
	static const enum option_nr asking[] = {OPTION_NR_tls_client_certificate,
						OPTION_NR_tls_client_ca};
	const struct conf_block *b = host ? &conf->hosts.item[host - 1] : &conf->server;
	const struct settings *s = &conf->host[host].settings;

	if (sets(b, lists, sizeof(lists) / sizeof(lists[0])))
		check_lists(conf, host, report);
	if (sets(b, asking, sizeof(asking) / sizeof(asking[0])) && s->tls_client_ca[0] == '\0' &&
	    s->tls_client_certificate != WORD_tls_client_certificate_off)
		conf_mistake(report, conf_host_place(conf, host, OPTION_NR_tls_client_certificate),
			     "tls_client_certificate: %s needs tls_client_ca, to verify them with",
			     word("tls_client_certificate", s->tls_client_certificate));
}

/* What can't be had without any certificate. */
static void
check_needs(const struct conf_block *b, struct conf_report *report)
{
	static const char need[] = "needs a certificate, and no host has one: set tls_certificate";
	const struct settings *s = &b->settings;

	if (conf_block_has(b, OPTION_NR_tls) && s->tls == WORD_tls_implicit)
		conf_mistake(report, b->set[OPTION_NR_tls], "tls: implicit %s", need);
	if (conf_block_has(b, OPTION_NR_require_tls) && s->require_tls != WORD_require_tls_off)
		conf_mistake(report, b->set[OPTION_NR_require_tls], "require_tls: %s %s",
			     word("require_tls", s->require_tls), need);
}

static void
check_default_host(const struct conf *conf, const struct conf_block *b, struct conf_report *report)
{
	const char *name = b->settings.default_host;
	struct suggest near = SUGGEST(slice_of(name));
	struct buf text = BUF_INIT;

	if (!conf_block_has(b, OPTION_NR_default_host) || name[0] == '\0')
		return;
	for (size_t i = 0; i < conf->hosts.n; i++) {
		if (strcmp(conf->hosts.item[i].title, name) == 0)
			return;
		suggest_try(&near, conf->hosts.item[i].title);
	}
	suggest_add(&near, &text);
	conf_mistake(report, b->set[OPTION_NR_default_host],
		     "default_host: \"%s\" is not the name of a host block%.*s", name,
		     SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
}

static bool
asks_for_certificates(const struct conf *conf)
{
	for (size_t i = 0; i <= conf->hosts.n; i++)
		if (conf->host[i].settings.tls_client_certificate !=
		    WORD_tls_client_certificate_off)
			return true;
	return false;
}

static void
check_client_user(const struct conf *conf, struct conf_report *report)
{
	const struct settings *s = &conf->server.settings;
	struct conf_place place = conf->server.set[OPTION_NR_tls_client_user];

	if (s->tls_client_user != WORD_tls_client_user_map && s->tls_client_map.n &&
	    !conf->unknown[OPTION_NR_tls_client_user])
		conf_warning(report, conf->server.set[OPTION_NR_tls_client_map],
			     "tls_client_map: it does not count, as tls_client_user is %s and not "
			     "map",
			     word("tls_client_user", s->tls_client_user));
	if (s->tls_client_user == WORD_tls_client_user_none)
		return;
	if (s->tls_client_user == WORD_tls_client_user_map && !s->tls_client_map.n &&
	    !conf->unknown[OPTION_NR_tls_client_map])
		conf_mistake(report, place,
			     "tls_client_user: map needs tls_client_map, which is "
			     "empty");
	if (!asks_for_certificates(conf) && !conf->unknown[OPTION_NR_tls_client_certificate])
		conf_mistake(report, place,
			     "tls_client_user: %s needs a client's certificate, and no host asks "
			     "for it: set tls_client_certificate",
			     word("tls_client_user", s->tls_client_user));
}

/* Whether what hosts have is what the file says, as far as a mistake elsewhere tells. */
static bool
hosts_are_known(const struct conf *conf)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (option_rows[i].scope == OPTION_HOST && conf->unknown[i])
			return false;
	for (size_t i = 0; i < conf->hosts.n; i++)
		if (conf->hosts.item[i].wrong)
			return false;
	return !conf->cut;
}

/* Whether a block that stands over a listener's sets require_tls otherwise; one of a group does
 * that only for who may log in. */
static bool
may_differ(const struct conf *conf, bool logs_in)
{
	const struct conf_blocks *over[] = {&conf->clients, &conf->users, &conf->groups};

	for (size_t i = 0; i < (logs_in ? 3 : 2); i++)
		for (size_t k = 0; k < over[i]->n; k++)
			if (conf_block_has(&over[i]->item[k], OPTION_NR_require_tls))
				return true;
	return false;
}

/* A listener without TLS where TLS is required; groups are known only to who has logged in. */
static void
check_without_tls(const struct conf *conf, size_t nr, struct conf_report *report)
{
	const struct conf_block *b = &conf->listeners.item[nr];
	const struct conf_subject anybody = {.listener = nr};
	struct settings s;

	if (conf_settings_for(conf, &anybody, &s) < 0)
		return;
	if (s.tls == WORD_tls_off && s.require_tls != WORD_require_tls_off &&
	    !may_differ(conf, s.require_tls == WORD_require_tls_data))
		conf_mistake(report,
			     conf_block_has(b, OPTION_NR_tls) ? b->set[OPTION_NR_tls]
			     : conf_block_has(b, OPTION_NR_require_tls)
				     ? b->set[OPTION_NR_require_tls]
				     : conf->server.set[OPTION_NR_tls],
			     "listener \"%s\": tls is off and require_tls is %s, so that nobody "
			     "can %s there",
			     conf->listener[nr].name, word("require_tls", s.require_tls),
			     s.require_tls == WORD_require_tls_data ? "list or move files"
								    : "log in");
	settings_deinit(&s);
}

void
conf_check_tls(const struct conf *conf, struct conf_report *report)
{
	const struct conf_blocks *all[] = {&conf->listeners, &conf->clients, &conf->groups,
					   &conf->users};

	if (!hosts_are_known(conf))
		return;
	for (size_t i = 0; i <= conf->hosts.n; i++)
		check_host(conf, i, report);
	check_client_user(conf, report);
	check_default_host(conf, &conf->server, report);
	for (size_t i = 0; i < conf->listeners.n; i++)
		check_default_host(conf, &conf->listeners.item[i], report);
	for (size_t i = 0; i < conf->listeners.n && conf_has_certificate(conf); i++)
		check_without_tls(conf, i, report);
	if (conf_has_certificate(conf))
		return;
	check_needs(&conf->server, report);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t k = 0; k < all[i]->n; k++)
			check_needs(&all[i]->item[k], report);
}
