/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What options of uploads must keep to, and where together they do not what they seem to say. */
#include <wharf/conf/retain.h>

#include "block.h"

/* Options that are looked at together, wherever a block sets one of them. */
static const enum option_nr together[] = {
	OPTION_NR_profile, OPTION_NR_durability, OPTION_NR_publish,
	OPTION_NR_retain,  OPTION_NR_versions,   OPTION_NR_show_versions,
};

#define N_TOGETHER (sizeof(together) / sizeof(together[0]))

static bool
sets_any(const struct conf_block *b)
{
	for (size_t i = 0; i < N_TOGETHER; i++)
		if (conf_block_has(b, together[i]))
			return true;
	return false;
}

/* What is in force where the block comes over the server's options, and no other does. */
static int
settings_in(const struct conf *conf, const struct conf_block *b, struct settings *out)
{
	bool own = conf_block_has(b, OPTION_NR_profile);
	int r = settings_copy(out, &conf->server.settings);

	if (r < 0)
		return r;
	if (!own || b == &conf->server)
		r = conf_profile_apply(&conf->server, out, NULL);
	if (r == 0 && own && b != &conf->server)
		r = conf_profile_apply(b, out, NULL);
	if (r == 0)
		r = conf_block_apply(b, out, NULL);
	if (r < 0)
		settings_deinit(out);
	return r;
}

/* Whether the first folder's files are all below the second one, or in it. */
static bool
is_in(struct slice folder, struct slice outer)
{
	return slice_starts(folder, outer) && (folder.n == outer.n || folder.p[outer.n] == '/');
}

/* Each item must be one, and not stand behind another one that fits all its files. */
static void
check_retain(const struct conf_block *b, struct conf_report *report)
{
	const struct texts *list = &b->settings.retain;
	struct slice folder, earlier;
	uint64_t seconds;

	for (size_t i = 0; i < list->n; i++) {
		if (retain_parse(slice_of(list->item[i]), &folder, &seconds) != 0) {
			conf_mistake(report, b->set[OPTION_NR_retain],
				     "retain: \"%s\" is not a time of a hundred years at most, as "
				     "\"30d\", nor \"/folder = time\"",
				     list->item[i]);
			continue;
		}
		for (size_t k = 0; k < i; k++) {
			if (retain_parse(slice_of(list->item[k]), &earlier, &seconds) != 0 ||
			    !is_in(folder, earlier))
				continue;
			conf_warning(report, b->set[OPTION_NR_retain],
				     "retain: \"%s\" never counts, as \"%s\" before it fits all "
				     "its files",
				     list->item[i], list->item[k]);
			break;
		}
	}
}

/* An upload that ends well must be able to take its name, without TLS and with it. */
static void
check_publish(const struct conf *conf, const struct conf_block *b, const struct settings *s,
	      struct conf_report *report)
{
	bool fin = s->publish >> WORD_verdict_fin & 1;
	bool notify = s->publish >> WORD_verdict_close_notify & 1;
	bool tls = conf_has_certificate(conf);
	bool plain = !tls || (s->require_tls != WORD_require_tls_data &&
			      s->require_tls != WORD_require_tls_all);

	if (s->durability == WORD_durability_none || conf->unknown[OPTION_NR_publish])
		return;
	if (plain && !fin)
		conf_warning(report, conf_block_place(b, OPTION_NR_publish),
			     "publish: without fin no upload without TLS takes its target's name");
	if (tls && !notify)
		conf_warning(report, conf_block_place(b, OPTION_NR_publish),
			     "publish: without close-notify no upload over TLS that ends well "
			     "takes its target's name");
}

/* Where the first of these options stands that the block sets. */
static struct conf_place
place_of_either(const struct conf_block *b, enum option_nr first, enum option_nr second)
{
	return conf_block_has(b, first)    ? b->set[first]
	       : conf_block_has(b, second) ? b->set[second]
					   : conf_block_place(b, OPTION_NR_profile);
}

static void
check_durability(const struct conf_block *b, const struct settings *s, struct conf_report *report)
{
	if (s->durability == WORD_durability_none && s->retain.n)
		conf_mistake(report, place_of_either(b, OPTION_NR_retain, OPTION_NR_durability),
			     "retain: it needs staged uploads; with durability = none what a "
			     "broken upload leaves would be held as a completed file");
}

static void
check_block(const struct conf *conf, const struct conf_block *b, struct conf_report *report)
{
	struct settings s;

	if (conf_block_has(b, OPTION_NR_retain))
		check_retain(b, report);
	if (!sets_any(b))
		return;
	if (settings_in(conf, b, &s) < 0) {
		report->text.failed = true;
		return;
	}
	check_durability(b, &s, report);
	if (conf_block_has(b, OPTION_NR_publish))
		check_publish(conf, b, &s, report);
	if (s.show_versions && !s.versions && conf_block_has(b, OPTION_NR_show_versions))
		conf_warning(report, b->set[OPTION_NR_show_versions],
			     "show_versions: there are none to show with versions = 0");
	settings_deinit(&s);
}

void
conf_check_uploads(const struct conf *conf, struct conf_report *report)
{
	const struct conf_blocks *all[] = {&conf->listeners, &conf->clients, &conf->groups,
					   &conf->users};

	check_block(conf, &conf->server, report);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t k = 0; k < all[i]->n; k++)
			check_block(conf, &all[i]->item[k], report);
}
