/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A read configuration: whose settings are in force, and how they are shown. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/conf/profiles.h>
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

bool
conf_sets(const struct conf *conf, enum option_nr option)
{
	return conf_block_has(&conf->server, option);
}

const struct settings *
conf_server(const struct conf *conf)
{
	return &conf->server.settings;
}

int
conf_block_apply(const struct conf_block *over, struct settings *settings,
		 struct conf_origin *origins)
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
		if (origins)
			origins[i] = (struct conf_origin){over->set[i], false};
	}
	return 0;
}

int
conf_profile_apply(const struct conf_block *from, struct settings *settings,
		   struct conf_origin *origins)
{
	size_t n;
	const struct profile_row *rows = profile_rows(&n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		enum option_nr nr = rows[i].option;
		if ((int)rows[i].profile != from->settings.profile || conf_block_has(from, nr))
			continue;
		r = profile_apply(&rows[i], settings);
		if (origins)
			origins[nr] = (struct conf_origin){from->set[OPTION_NR_profile], true};
	}
	return r;
}

static bool
has_name(const struct slice *names, size_t n, const char *title)
{
	for (size_t i = 0; i < n; i++)
		if (slice_equal(names[i], slice_of(title)))
			return true;
	return false;
}

/* The kinds of blocks in the order in which they count for a session, behind the server's. */
enum layer { LAYER_LISTENER, LAYER_CLIENT, LAYER_GROUP, LAYER_USER, LAYER_COUNT };

static const struct conf_blocks *
blocks_of(const struct conf *conf, enum layer layer)
{
	const struct conf_blocks *const all[] = {
		[LAYER_LISTENER] = &conf->listeners,
		[LAYER_CLIENT] = &conf->clients,
		[LAYER_GROUP] = &conf->groups,
		[LAYER_USER] = &conf->users,
	};

	return all[layer];
}

/* Whether that block is one of this subject's. */
static bool
counts(const struct conf_subject *subject, enum layer layer, size_t nr,
       const struct conf_block *block)
{
	switch (layer) {
	case LAYER_LISTENER:
		return subject->listener == nr;
	case LAYER_CLIENT:
		return subject->address && network_contains(&block->network, subject->address);
	case LAYER_GROUP:
		return has_name(subject->groups, subject->n_groups, block->title);
	default:
		return slice_equal(subject->user, slice_of(block->title));
	}
}

/* The block whose profile the subject has: of those that set one the last. */
static const struct conf_block *
profile_of(const struct conf *conf, const struct conf_subject *subject)
{
	const struct conf_block *last = &conf->server;

	for (enum layer l = 0; l < LAYER_COUNT; l++) {
		const struct conf_blocks *blocks = blocks_of(conf, l);
		for (size_t i = 0; i < blocks->n; i++)
			if (conf_block_has(&blocks->item[i], OPTION_NR_profile) &&
			    counts(subject, l, i, &blocks->item[i]))
				last = &blocks->item[i];
	}
	return last;
}

/* What the manual page says of anonymous sessions, where no block for the user anonymous says more.
 */
static void
apply_anonymous(struct settings *s)
{
	s->rights &= RIGHT(read) | RIGHT(list);
	s->max_sessions_per_user = s->max_sessions;
}

static void
apply_entry(const struct conf_entry *entry, struct settings *s, struct conf_origin *origins)
{
	const struct conf_place place = {entry->file, entry->line};

	if (origins && s->rights & ~entry->rights)
		origins[OPTION_NR_rights] = (struct conf_origin){place, false};
	s->rights &= entry->rights;
}

/* A login takes this root as it is, and no % in it for a variable; so it is not in the settings. */
static int
show_root(const struct conf_entry *entry, struct settings *s, struct conf_origin *origins)
{
	const struct conf_place place = {entry->file, entry->line};

	if (entry->root.n == 0 || s->root[0])
		return 0;
	char *root = slice_dup(entry->root);
	if (!root)
		return -ENOMEM;
	free(s->root);
	s->root = root;
	origins[OPTION_NR_root] = (struct conf_origin){place, false};
	return 0;
}

static int
settings_and_origins(const struct conf *conf, const struct conf_subject *subject,
		     struct settings *out, struct conf_origin *origins)
{
	const struct conf_block *profile = profile_of(conf, subject);
	int r = settings_copy(out, &conf->server.settings);

	if (r < 0)
		return r;
	for (size_t i = 0; i < OPTION_COUNT && origins; i++)
		origins[i] = (struct conf_origin){conf->server.set[i], false};
	if (profile == &conf->server)
		r = conf_profile_apply(profile, out, origins);
	for (enum layer l = 0; l < LAYER_COUNT; l++) {
		const struct conf_blocks *blocks = blocks_of(conf, l);
		if (l == LAYER_USER && slice_equal(subject->user, SLICE("anonymous")))
			apply_anonymous(out);
		for (size_t i = 0; i < blocks->n && r == 0; i++) {
			const struct conf_block *b = &blocks->item[i];
			if (!counts(subject, l, i, b))
				continue;
			if (b == profile)
				r = conf_profile_apply(b, out, origins);
			if (r == 0)
				r = conf_block_apply(b, out, origins);
		}
	}
	if (r == 0 && subject->entry)
		apply_entry(subject->entry, out, origins);
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
	return settings_and_origins(conf, subject, out, NULL);
}

static void
print_option(const struct option_row *row, const struct settings *s, struct conf_origin origin,
	     struct buf *out)
{
	struct conf_place place = origin.place;
	size_t n;

	buf_printf(out, "%s = ", row->name);
	value_print(row, (const char *)s + row->offset, out);
	buf_add_str(out, "  # ");
	if (origin.profile)
		buf_printf(out, "profile %s, ", option_words("profile", &n)[s->profile].name);
	buf_add_str(out, place.file ? place.file : "default");
	if (place.file && place.line)
		buf_printf(out, ":%d", place.line);
	buf_add_byte(out, '\n');
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
			struct conf_origin origin = {conf_host_place(conf, host, (enum option_nr)i),
						     false};
			print_option(&option_rows[i], &conf->host[host].settings, origin, out);
		}
	buf_add_str(out, "}\n");
}

void
conf_print(const struct conf *conf, const struct conf_subject *subject, struct buf *out)
{
	struct conf_origin origins[OPTION_COUNT];
	struct settings s;

	if (settings_and_origins(conf, subject, &s, origins) < 0) {
		out->failed = true;
		return;
	}
	if (subject->entry && show_root(subject->entry, &s, origins) < 0)
		out->failed = true;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		print_option(&option_rows[i], &s, origins[i], out);
	settings_deinit(&s);
	for (size_t i = 1; i <= conf->hosts.n; i++)
		print_host(conf, i, out);
}
