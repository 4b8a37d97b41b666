/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What a struct conf is made of; for the sources of this folder that read, check and print it. */
#ifndef WHARF_SRC_CONF_BLOCK_H
#define WHARF_SRC_CONF_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include <wharf/base/address.h>
#include <wharf/conf/options.h>

#include "raw.h"

/* Some options with their places; those without a place (file is NULL) are not set. */
struct conf_block {
	char *title;
	struct conf_place place;
	struct settings settings;
	struct conf_place set[OPTION_COUNT];
	struct network network; /* a client's */
	bool wrong; /* a listener whose address or port, a host of which an option is not known */
};

struct conf_blocks {
	struct conf_block *item;
	size_t n;
};

struct conf {
	struct conf_block server; /* here the options without a place have their default */
	struct conf_blocks listeners, hosts, clients, groups, users;
	struct conf_listener *listener; /* as many as there are in listeners */
	struct conf_host *host;         /* one more than there are in hosts */
	struct conf_files files;
	/* Options of the server whose value is not what the file says: it was wrong there, or
	 * the reading ended before. */
	bool unknown[OPTION_COUNT];
	bool cut; /* the reading ended before the file did: blocks may be missing, or parts of them
		   */
};

static inline bool
conf_block_has(const struct conf_block *b, enum option_nr nr)
{
	return b->set[nr].file != NULL;
}

/* The place of an option, or that of its block where it is not set. */
static inline struct conf_place
conf_block_place(const struct conf_block *b, enum option_nr nr)
{
	return conf_block_has(b, nr) ? b->set[nr] : b->place;
}

static inline void *
conf_block_field(struct conf_block *b, const struct option_row *row)
{
	return (char *)&b->settings + row->offset;
}

static inline const void *
conf_block_const_field(const struct conf_block *b, const struct option_row *row)
{
	return (const char *)&b->settings + row->offset;
}

/* Where the value of an option that is in force is from. */
struct conf_origin {
	struct conf_place place; /* none for a default */
	bool profile;            /* it is the profile's, which was set at place */
};

/*
 * Lays the options that `over` sets, and their origins unless `origins` is NULL, over *settings.  0
 * or -ENOMEM; *settings stays whole in either case.
 */
int conf_block_apply(const struct conf_block *over, struct settings *settings,
		     struct conf_origin *origins);
/* The same for what the block's profile sets and the block itself does not. */
int conf_profile_apply(const struct conf_block *from, struct settings *settings,
		       struct conf_origin *origins);

/* Makes conf->host of the blocks.  0 or -ENOMEM. */
int conf_make_hosts(struct conf *conf);
/* Where that host has the option from: its block, or the server. */
struct conf_place conf_host_place(const struct conf *conf, size_t host, enum option_nr nr);

/* Checks what options must keep to together, and within; adds mistakes to the report. */
void conf_check(const struct conf *conf, struct conf_report *report);
/* The part of it that is about TLS and hosts. */
void conf_check_tls(const struct conf *conf, struct conf_report *report);
/* The part of it that is about uploads. */
void conf_check_uploads(const struct conf *conf, struct conf_report *report);

/* The part of conf_try_world() that looks at the files of hosts. */
void conf_try_host_files(const struct conf *conf, struct conf_report *report);

#endif
