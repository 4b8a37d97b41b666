/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A read configuration: whose settings are in force, and how they are shown. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/conf/value.h>

#include "block.h"

static void
blocks_deinit(struct conf_blocks *blocks)
{
	for (size_t i = 0; i < blocks->n; i++) {
		free(blocks->item[i].title);
		settings_deinit(&blocks->item[i].settings);
	}
	free(blocks->item);
}

void
conf_free(struct conf **conf)
{
	struct conf *c = *conf;

	if (!c)
		return;
	for (size_t i = 0; c->host && i <= c->hosts.n; i++)
		settings_deinit(&c->host[i].settings);
	free(c->host);
	settings_deinit(&c->server.settings);
	blocks_deinit(&c->listeners);
	blocks_deinit(&c->hosts);
	blocks_deinit(&c->clients);
	blocks_deinit(&c->groups);
	blocks_deinit(&c->users);
	free(c->listener);
	conf_files_deinit(&c->files);
	free(c);
	*conf = NULL;
}

size_t
conf_listeners(const struct conf *conf, const struct conf_listener **out)
{
	*out = conf->listener;
	return conf->listeners.n;
}

const struct settings *
conf_server(const struct conf *conf)
{
	return &conf->server.settings;
}

int
conf_block_apply(const struct conf_block *over, struct settings *settings,
		 struct conf_place *places)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		union {
			C_FLAG flag;
			C_NUMBER number;
			C_PORTS ports;
			C_CHOICE choice;
			C_ORDER order;
			C_TEXT text;
			C_LIST list;
		} copy;

		if (!over->set[i].file)
			continue;
		if (value_copy(row, &copy, conf_block_const_field(over, row)) < 0)
			return -ENOMEM;
		value_move(row, (char *)settings + row->offset, &copy);
		if (places)
			places[i] = over->set[i];
	}
	return 0;
}

static bool
has_name(const struct slice *names, size_t n, const char *title)
{
	for (size_t i = 0; i < n; i++)
		if (slice_equal(names[i], slice_of(title)))
			return true;
	return false;
}

/* What the manual page says of anonymous sessions, where no block for the user anonymous says more.
 */
static void
apply_anonymous(struct settings *s)
{
	s->rights &= RIGHT(read) | RIGHT(list);
	s->max_sessions_per_user = s->max_sessions;
}

static int
settings_and_places(const struct conf *conf, const struct conf_subject *subject,
		    struct settings *out, struct conf_place *places)
{
	int r = settings_copy(out, &conf->server.settings);

	if (r < 0)
		return r;
	if (places)
		memcpy(places, conf->server.set, sizeof(conf->server.set));
	if (subject->listener < conf->listeners.n)
		r = conf_block_apply(&conf->listeners.item[subject->listener], out, places);
	for (size_t i = 0; i < conf->clients.n && r == 0; i++)
		if (subject->address &&
		    network_contains(&conf->clients.item[i].network, subject->address))
			r = conf_block_apply(&conf->clients.item[i], out, places);
	for (size_t i = 0; i < conf->groups.n && r == 0; i++)
		if (has_name(subject->groups, subject->n_groups, conf->groups.item[i].title))
			r = conf_block_apply(&conf->groups.item[i], out, places);
	if (r == 0 && slice_equal(subject->user, SLICE("anonymous")))
		apply_anonymous(out);
	for (size_t i = 0; i < conf->users.n && r == 0; i++)
		if (slice_equal(subject->user, slice_of(conf->users.item[i].title)))
			r = conf_block_apply(&conf->users.item[i], out, places);
	if (r < 0)
		settings_deinit(out);
	return r;
}

bool
conf_has_client(const struct conf *conf, const struct sockaddr_storage *address)
{
	for (size_t i = 0; i < conf->clients.n; i++)
		if (network_contains(&conf->clients.item[i].network, address))
			return true;
	return false;
}

bool
conf_next_requirement(const struct conf *conf, size_t *i, struct conf_requirement *out)
{
	while (*i < conf->users.n) {
		const struct conf_block *b = &conf->users.item[(*i)++];
		if (!conf_block_has(b, OPTION_NR_require_tls))
			continue;
		*out = (struct conf_requirement){b->title,
						 (enum word_require_tls)b->settings.require_tls};
		return true;
	}
	return false;
}

int
conf_settings_for(const struct conf *conf, const struct conf_subject *subject, struct settings *out)
{
	return settings_and_places(conf, subject, out, NULL);
}

static void
print_option(const struct option_row *row, const struct settings *s, struct conf_place place,
	     struct buf *out)
{
	buf_printf(out, "%s = ", row->name);
	value_print(row, (const char *)s + row->offset, out);
	if (!place.file)
		buf_add_str(out, "  # default\n");
	else if (place.line)
		buf_printf(out, "  # %s:%d\n", place.file, place.line);
	else
		buf_printf(out, "  # %s\n", place.file);
}

static void
print_host(const struct conf *conf, size_t host, struct buf *out)
{
	buf_add_str(out, "host ");
	value_quote(slice_of(conf->host[host].name), out);
	buf_add_str(out, " {\n");
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (option_rows[i].scope == OPTION_HOST) {
			buf_add_byte(out, '\t');
			print_option(&option_rows[i], &conf->host[host].settings,
				     conf_host_place(conf, host, (enum option_nr)i), out);
		}
	buf_add_str(out, "}\n");
}

void
conf_print(const struct conf *conf, const struct conf_subject *subject, struct buf *out)
{
	struct conf_place places[OPTION_COUNT];
	struct settings s;

	if (settings_and_places(conf, subject, &s, places) < 0) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < OPTION_COUNT; i++)
		print_option(&option_rows[i], &s, places[i], out);
	settings_deinit(&s);
	for (size_t i = 1; i <= conf->hosts.n; i++)
		print_host(conf, i, out);
}
