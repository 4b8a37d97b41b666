/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* From the statements of wharfd.conf to a struct conf: names, values, scopes, and every mistake in
 * them. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <wharf/base/address.h>
#include <wharf/conf/profiles.h>
#include <wharf/conf/suggest.h>
#include <wharf/conf/value.h>

#include "block.h"

/* What a block of the file is to us. */
enum kind {
	KIND_SERVER,
	KIND_LISTENER,
	KIND_HOST,
	KIND_CLIENT,
	KIND_GROUP,
	KIND_USER,
	KIND_UNKNOWN
};

static const char *const kinds[] = {
	[KIND_SERVER] = "root", /* which is what libconfuse calls the file itself */
	[KIND_LISTENER] = "listener", [KIND_HOST] = "host", [KIND_CLIENT] = "client",
	[KIND_GROUP] = "group",       [KIND_USER] = "user",
};

#define IN(kind) (1U << KIND_##kind)

/* Where options of each scope may stand. */
static const struct {
	unsigned kinds;
	const char *where;
} scopes[] = {
	[OPTION_SERVER] = {IN(SERVER), "outside of all"},
	[OPTION_HOST] = {IN(SERVER) | IN(HOST), "in a host block or outside of all"},
	[OPTION_LISTENER] = {IN(SERVER) | IN(LISTENER), "in a listener block or outside of all"},
	[OPTION_CLIENT] = {IN(SERVER) | IN(LISTENER) | IN(CLIENT),
			   "in a listener or client block or outside of all"},
	[OPTION_USER] = {IN(SERVER) | IN(LISTENER) | IN(CLIENT) | IN(GROUP) | IN(USER),
			 "in a listener, client, group or user block or outside of all"},
};

/* Options of a listener block alone, and so not in options.def. */
static const struct option_row port_row = {
	.name = "port", .type = OPTION_NUMBER, .low = 1, .high = 65535, .set = "", .unit = ""};

struct builder {
	struct conf *conf;
	struct conf_report *report;
	const struct raw *raw;
	struct slot {
		enum kind kind;
		size_t nr;                       /* in its kind */
		struct conf_place port, address; /* where a listener's were set */
	} * slot;                                /* of each raw block */
};

static enum kind
kind_of(const struct raw_block *b)
{
	for (int i = KIND_SERVER; i < KIND_UNKNOWN && !b->nested; i++)
		if (strcmp(b->kind, kinds[i]) == 0)
			return (enum kind)i;
	return KIND_UNKNOWN;
}

static struct conf_blocks *
blocks_of(struct conf *conf, enum kind kind)
{
	switch (kind) {
	case KIND_LISTENER:
		return &conf->listeners;
	case KIND_HOST:
		return &conf->hosts;
	case KIND_CLIENT:
		return &conf->clients;
	case KIND_GROUP:
		return &conf->groups;
	case KIND_USER:
		return &conf->users;
	default:
		return NULL;
	}
}

static struct conf_block *
block_of(struct builder *b, const struct slot *slot)
{
	struct conf_blocks *blocks = blocks_of(b->conf, slot->kind);

	if (slot->kind == KIND_SERVER)
		return &b->conf->server;
	return blocks ? &blocks->item[slot->nr] : NULL;
}

static void
any_address(struct sockaddr_storage *out)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};

	memset(out, 0, sizeof(*out));
	memcpy(out, &in6, sizeof(in6));
	address_set_port(out, 21);
}

static int
add_block(struct conf *conf, enum kind kind, const char *title, struct conf_place place)
{
	struct conf_blocks *blocks = blocks_of(conf, kind);

	if (conf_grow(&blocks->item, blocks->n, sizeof(*blocks->item)) < 0)
		return -ENOMEM;
	if (kind == KIND_LISTENER &&
	    conf_grow(&conf->listener, blocks->n, sizeof(*conf->listener)) < 0)
		return -ENOMEM;
	struct conf_block *block = &blocks->item[blocks->n];
	*block = (struct conf_block){.title = strdup(title), .place = place};
	if (!block->title)
		return -ENOMEM;
	/* A title that is no network was reported, and nobody is served by such a file. */
	if (kind == KIND_CLIENT)
		network_parse(slice_of(title), &block->network);
	if (kind == KIND_LISTENER) {
		conf->listener[blocks->n].name = block->title;
		any_address(&conf->listener[blocks->n].address);
	}
	blocks->n++;
	return 0;
}

static void
unknown_block(struct builder *b, const struct raw_block *raw)
{
	struct suggest near = SUGGEST(slice_of(raw->kind));
	struct buf text = BUF_INIT;

	if (raw->nested) {
		conf_mistake(b->report, raw->place, "%s: a block does not stand in a block",
			     raw->kind);
		return;
	}
	for (int i = KIND_LISTENER; i < KIND_UNKNOWN; i++) {
		suggest_try(&near, kinds[i]);
		buf_add_str(&text, i == KIND_LISTENER ? "" : i == KIND_USER ? " and " : ", ");
		buf_add_str(&text, kinds[i]);
	}
	buf_add_str(&text, " are");
	suggest_add(&near, &text);
	conf_mistake(b->report, raw->place, "\"%s\" is no block; %.*s", raw->kind,
		     SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
}

/* RFC 1123 §2.1: labels of letters, digits and hyphens; the last one is no number, as in an
 * address. */
static bool
is_host_name(struct slice name)
{
	size_t start = 0;

	if (slice_starts(name, SLICE("*.")))
		name = slice_from(name, 2);
	if (name.n == 0 || name.n > 253)
		return false;
	for (size_t i = 0; i <= name.n; i++) {
		if (i < name.n && name.p[i] != '.') {
			if (!isalnum((unsigned char)name.p[i]) && name.p[i] != '-')
				return false;
			continue;
		}
		if (i == start || i - start > 63 || name.p[start] == '-' || name.p[i - 1] == '-')
			return false;
		if (i < name.n)
			start = i + 1;
	}
	return strspn(name.p + start, "0123456789") < name.n - start;
}

/* What is wrong with the title of a block, or NULL. */
static const char *
against_title(enum kind kind, const char *title)
{
	struct network network;

	if (title[0] == '\0')
		return "a block needs a name";
	if (kind == KIND_HOST && !is_host_name(slice_of(title)))
		return "it is not a host name, as \"ftp.example.com\" or \"*.example.com\"";
	if (kind == KIND_CLIENT && network_parse(slice_of(title), &network) != 0)
		return "it is neither a network nor an address, as \"10.0.0.0/8\" or \"::1\"";
	return NULL;
}

/* Whether a block with this title would be the same as that one. */
static bool
is_same_block(enum kind kind, const struct conf_block *b, const char *title)
{
	struct network a, c;

	if (kind == KIND_HOST)
		return strcasecmp(b->title, title) == 0;
	if (kind == KIND_CLIENT && network_parse(slice_of(b->title), &a) == 0 &&
	    network_parse(slice_of(title), &c) == 0)
		return a.prefix == c.prefix && a.address.ss_family == c.address.ss_family &&
		       (a.address.ss_family == AF_UNSPEC ||
			address_same_host(&a.address, &c.address));
	return strcmp(b->title, title) == 0;
}

static int
take_block(struct builder *b, size_t nr)
{
	const struct raw_block *raw = &b->raw->block[nr];
	struct slot *slot = &b->slot[nr];
	const struct conf_blocks *blocks;

	slot->kind = kind_of(raw);
	if (slot->kind == KIND_UNKNOWN)
		unknown_block(b, raw);
	blocks = blocks_of(b->conf, slot->kind);
	if (!blocks)
		return 0;
	const char *against = against_title(slot->kind, raw->title);
	if (against && raw->title[0] == '\0')
		conf_mistake(b->report, raw->place, "%s: %s", raw->kind, against);
	else if (against)
		conf_mistake(b->report, raw->place, "%s \"%s\": %s", raw->kind, raw->title,
			     against);
	for (size_t i = 0; i < blocks->n; i++)
		if (is_same_block(slot->kind, &blocks->item[i], raw->title)) {
			conf_mistake(b->report, raw->place,
				     "%s \"%s\": there is a block of that name at %s:%d", raw->kind,
				     raw->title, blocks->item[i].place.file,
				     blocks->item[i].place.line);
			break;
		}
	slot->nr = blocks->n;
	return add_block(b->conf, slot->kind, raw->title, raw->place);
}

static void
unknown_option(struct builder *b, const struct raw_statement *s)
{
	struct suggest near = SUGGEST(slice_of(s->name));
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < OPTION_COUNT; i++)
		suggest_try(&near, option_rows[i].name);
	if (b->slot[s->block].kind == KIND_LISTENER) {
		suggest_try(&near, "port");
		suggest_try(&near, "address");
	}
	suggest_add(&near, &text);
	conf_mistake(b->report, s->place, "\"%s\" is no option%.*s", s->name,
		     SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
}

/* Whether the option may stand in a block of this kind; complains if not. */
static bool
in_scope(struct builder *b, const struct raw_statement *s, const struct option_row *row)
{
	if (scopes[row->scope].kinds & 1U << b->slot[s->block].kind)
		return true;
	conf_mistake(b->report, s->place, "%s: this does not stand in a %s block, but %s", s->name,
		     b->raw->block[s->block].kind, scopes[row->scope].where);
	return false;
}

/* Whether this is the first time; notes the place. */
static bool
first_time(struct builder *b, const struct raw_statement *s, struct conf_place *set)
{
	if (set->file) {
		conf_mistake(b->report, s->place, "%s: it was set at %s:%d already", s->name,
			     set->file, set->line);
		return false;
	}
	*set = s->place;
	return true;
}

/* The profile that the block of a statement sets, before it or behind; -1 for one that is none. */
static int
profile_beside(struct builder *b, const struct raw_statement *s)
{
	const struct option_row *row = &option_rows[OPTION_NR_profile];
	const struct conf_block *block = block_of(b, &b->slot[s->block]);

	for (size_t i = 0; i < b->raw->n_statements; i++) {
		const struct raw_statement *t = &b->raw->statement[i];
		if (strcmp(t->name, row->name) != 0 || block_of(b, &b->slot[t->block]) != block)
			continue;
		struct slice word = slice_of(t->n == 1 ? t->item[0] : NULL);
		struct buf why = BUF_INIT;
		int profile;
		int r = value_parse(row, &word, 1, &profile, &why);
		buf_deinit(&why);
		return r == 0 ? profile : -1;
	}
	return WORD_profile_none;
}

/*
 * What += adds to where the block itself has not set the option: what its profile sets.  Complains,
 * and is NULL, where there is nothing.
 */
static const char *
added_to(struct builder *b, const struct raw_statement *s, const struct option_row *row)
{
	int profile = profile_beside(b, s);
	size_t n;
	const struct profile_row *rows = profile_rows(&n);

	for (size_t i = 0; i < n; i++)
		if ((int)rows[i].profile == profile && &option_rows[rows[i].option] == row)
			return rows[i].value;
	if (profile >= 0)
		conf_mistake(b->report, s->place,
			     "%s: += adds to a list of the same block, and there is none here; "
			     "write = and all of it",
			     s->name);
	return NULL;
}

static int
parse_value(struct builder *b, const struct raw_statement *s, const struct option_row *row,
	    void *field)
{
	const char *before = s->adds ? added_to(b, s, row) : NULL;
	struct buf why = BUF_INIT;
	size_t n = 0;
	int r;

	if (s->adds && !before)
		return VALUE_WRONG;
	struct slice *items = calloc(s->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	if (before)
		items[n++] = slice_of(before);
	for (size_t i = 0; i < s->n; i++)
		items[n++] = slice_of(s->item[i]);
	r = value_parse(row, items, n, field, &why);
	if (r == VALUE_WRONG)
		conf_mistake(b->report, s->place, "%s: %.*s", s->name, SLICE_FMT(buf_slice(&why)));
	free(items);
	buf_deinit(&why);
	return r;
}

static bool
parse_address(const char *text, struct sockaddr_storage *out)
{
	uint16_t port = address_port(out);
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (strcmp(text, "*") == 0) {
		any_address(out);
	} else if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(out, &in, sizeof(in));
	} else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
		memcpy(out, &in6, sizeof(in6));
	} else {
		return false;
	}
	address_set_port(out, port);
	return true;
}

/* `address` and `port`, which only a listener has. */
static int
take_listener_option(struct builder *b, const struct raw_statement *s)
{
	struct slot *slot = &b->slot[s->block];
	bool port = strcmp(s->name, "port") == 0;
	uint64_t n;

	if (slot->kind != KIND_LISTENER) {
		conf_mistake(b->report, s->place, "%s: this stands in a listener block only",
			     s->name);
		return 0;
	}
	struct conf_block *block = block_of(b, slot);
	struct sockaddr_storage *address = &b->conf->listener[slot->nr].address;
	if (!first_time(b, s, port ? &slot->port : &slot->address))
		return 0;
	if (port) {
		int r = parse_value(b, s, &port_row, &n);
		if (r == 0)
			address_set_port(address, (uint16_t)n);
		block->wrong = block->wrong || r > 0;
		return r < 0 ? r : 0;
	}
	if (s->n == 1 && !s->adds && parse_address(s->item[0], address))
		return 0;
	block->wrong = true;
	if (s->adds)
		(void)added_to(b, s, NULL);
	else if (s->n != 1)
		conf_mistake(b->report, s->place, "address: it takes one value, not a list");
	else
		conf_mistake(b->report, s->place,
			     "address: \"%s\" is not \"*\", nor an IPv4 or IPv6 address",
			     s->item[0]);
	return 0;
}

/* A list of one empty text is the empty list, in which an empty pattern is easily taken for one. */
static void
warn_of_empty(struct builder *b, const struct raw_statement *s, const struct option_row *row)
{
	if (row == &option_rows[OPTION_NR_hidden] && s->n == 1 && s->item[0][0] == '\0')
		conf_warning(b->report, s->place,
			     "hidden: an empty pattern hides nothing; a list without any is {}");
}

static int
take_statement(struct builder *b, const struct raw_statement *s)
{
	const struct option_row *row = option_find(slice_of(s->name));
	struct conf_block *block = block_of(b, &b->slot[s->block]);

	if (!block)
		return 0; /* the whole block was refused */
	if (strcmp(s->name, "port") == 0 || strcmp(s->name, "address") == 0)
		return take_listener_option(b, s);
	if (!row) {
		unknown_option(b, s);
		return 0;
	}
	if (!in_scope(b, s, row) || !first_time(b, s, &block->set[option_nr(row)]))
		return 0;

	/* The server's fields hold defaults, and keep them where the value is wrong. */
	union {
		struct settings any;
		uint64_t aligned;
	} value;
	int r = parse_value(b, s, row, &value);
	if (r == 0) {
		value_move(row, conf_block_field(block, row), &value);
		warn_of_empty(b, s, row);
	}
	if (r == VALUE_WRONG) {
		block->set[option_nr(row)] = (struct conf_place){0};
		block->wrong = block->wrong || b->slot[s->block].kind == KIND_HOST;
		if (block == &b->conf->server)
			b->conf->unknown[option_nr(row)] = true;
	}
	return r < 0 ? r : 0;
}

static int
build(struct builder *b)
{
	int r = 0;

	for (size_t i = 0; i < b->raw->n_blocks && r == 0; i++)
		r = take_block(b, i);
	for (size_t i = 0; i < b->raw->n_statements && r == 0; i++)
		r = take_statement(b, &b->raw->statement[i]);
	if (r == 0 && b->conf->listeners.n == 0)
		r = add_block(b->conf, KIND_LISTENER, "default", (struct conf_place){0});
	return r == 0 ? conf_make_hosts(b->conf) : r;
}

/* Where the reading ended early, nobody knows what stood behind. */
static void
note_cut(struct conf *conf)
{
	conf->cut = true;
	for (size_t i = 0; i < conf->listeners.n; i++)
		conf->listeners.item[i].wrong |= !conf->listeners.item[i].place.file;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (!conf_block_has(&conf->server, (enum option_nr)i))
			conf->unknown[i] = true;
}

/*
 * As conf_read(), but *out is also set where the file has mistakes, to what could be read of it; it
 * is NULL only with a negative errno.
 */
static int
read_all(const char *path, struct conf **out, struct conf_report *report)
{
	struct raw raw;
	struct conf *conf = NULL;
	size_t before = report->mistakes;
	int form = raw_read(path, &raw, report);
	int r = form;

	if (form >= 0) {
		struct builder b = {.report = report, .raw = &raw};
		r = -ENOMEM;
		conf = calloc(1, sizeof(*conf));
		b.conf = conf;
		b.slot = calloc(raw.n_blocks + 1, sizeof(*b.slot));
		if (conf && b.slot)
			r = settings_init(&conf->server.settings);
		if (r == 0)
			r = build(&b);
		free(b.slot);
	}
	if (r == 0) {
		/* Places in conf point to these. */
		conf->files = raw.files;
		raw.files = (struct conf_files){0};
		if (form == CONF_MISTAKES)
			note_cut(conf);
		conf_check(conf, report);
		if (buf_error(&report->text) < 0)
			r = -ENOMEM;
		else if (report->mistakes > before)
			r = CONF_MISTAKES;
	}
	raw_deinit(&raw);
	if (r < 0)
		conf_free(&conf);
	*out = conf;
	return r;
}

int
conf_read(const char *path, struct conf **out, struct conf_report *report)
{
	struct conf *conf;
	int r = read_all(path, &conf, report);

	if (r == 0)
		*out = conf;
	else
		conf_free(&conf);
	return r;
}

int
conf_test(const char *path, bool thorough, struct conf **out, struct conf_report *report)
{
	struct conf *conf;
	int r = read_all(path, &conf, report);

	if (r >= 0 && conf_try_world(conf, thorough, report) > 0)
		r = CONF_MISTAKES;
	if (r >= 0 && buf_error(&report->text) < 0)
		r = -ENOMEM;
	if (r == 0)
		*out = conf;
	else
		conf_free(&conf);
	return r;
}
