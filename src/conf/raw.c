/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * libconfuse's part in reading wharfd.conf: words, quotes, comments, lists, blocks.
 *
 * libconfuse ends at the first name that it does not know, and we want to tell of all.  So every
 * option is a list of texts to it, without meaning; a name that it complains about is learned, as
 * an option at first and as a block if that is what it turns out to be, and the reading begins
 * anew.  It takes as many rounds as there are unknown names, of a file of some kilobytes.
 */
#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/conf/options.h>

#include "form.h"
#include "raw.h"
#include "text.h"

#define INCLUDE_DEPTH 8
#define LEARNED_MAX   200

/* What a name that we do not know seems to be. */
enum form { FORM_OPTION, FORM_TITLED, FORM_UNTITLED, FORM_HOPELESS };

struct learned {
	char *name;
	enum form form;
};

struct reader {
	struct raw *raw;
	struct learned *learned;
	size_t n_learned;
	cfg_opt_t *opts, *block_opts, *inner_opts;
	cfg_t **parsed; /* freed at the end, as freeing one ends libconfuse's lexer for all */
	size_t n_parsed;
	const char *file;  /* that is read now */
	struct slice text; /* of it */
	unsigned depth;
	bool again; /* a name was learned */
	bool open;  /* something in the file does not close, as was reported */
	int error;  /* a negative errno */
	struct conf_report *report;
};

/* libconfuse's callbacks have no place for a pointer of ours, and its lexer is one for the process
 * anyway. */
static struct reader *reading;

static const char *const blocks[] = {"listener", "host", "client", "group", "user"};
static const char *const listener_options[] = {"address", "port"};

#define N_BLOCKS           (sizeof(blocks) / sizeof(blocks[0]))
#define N_LISTENER_OPTIONS (sizeof(listener_options) / sizeof(listener_options[0]))

/* The libconfuse section's block; a new one if it is not there yet. */
static struct raw_block *
open_block(cfg_t *section)
{
	struct raw *raw = reading->raw;

	for (size_t i = raw->n_blocks; i-- > 0;)
		if (raw->block[i].section == section && !raw->block[i].closed)
			return &raw->block[i];
	if (conf_grow(&raw->block, raw->n_blocks, sizeof(*raw->block)) < 0)
		return NULL;

	struct raw_block *b = &raw->block[raw->n_blocks];
	*b = (struct raw_block){.section = section,
				.kind = strdup(section->name),
				.title = strdup(section->title ? section->title : ""),
				.place = {reading->file, section->line}};
	raw->n_blocks++;
	return b->kind && b->title ? b : NULL;
}

static struct raw_statement *
add_statement(struct raw_block *block, const char *name, int line)
{
	struct raw *raw = reading->raw;

	if (conf_grow(&raw->statement, raw->n_statements, sizeof(*raw->statement)) < 0)
		return NULL;
	struct raw_statement *s = &raw->statement[raw->n_statements];
	*s = (struct raw_statement){.block = (size_t)(block - raw->block),
				    .name = strdup(name),
				    .place = {reading->file, line}};
	raw->n_statements++;
	return s->name ? s : NULL;
}

static void
statement_deinit(struct raw_statement *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->item[i]);
	free(s->item);
	free(s->name);
}

/* The last statement of that name in the block, which += adds to. */
static struct raw_statement *
last_statement(struct raw_block *block, const char *name)
{
	struct raw *raw = reading->raw;
	const size_t nr = (size_t)(block - raw->block);

	/* What stands in a block that was opened before this one is older than all of this one. */
	for (size_t i = raw->n_statements; i-- > 0 && raw->statement[i].block >= nr;)
		if (raw->statement[i].block == nr && strcmp(raw->statement[i].name, name) == 0)
			return &raw->statement[i];
	return NULL;
}

static int
out_of_memory(void)
{
	reading->error = -ENOMEM;
	return -1;
}

static cfg_opt_t *
find_opt(const cfg_t *section, const char *name)
{
	for (cfg_opt_t *opt = section->opts; opt->name; opt++)
		if (strcmp(opt->name, name) == 0)
			return opt;
	return NULL;
}

/* An empty list calls nobody. */
static bool
is_empty_list(const cfg_opt_t *opt)
{
	return opt->type == CFGT_STR && opt->flags & CFGF_MODIFIED && opt->nvalues == 0;
}

/* libconfuse: what form.h has put before `name +=`. */
static int
on_addition(cfg_t *section, cfg_opt_t *opt, int argc, const char **argv)
{
	struct raw_block *block = open_block(section);
	const cfg_opt_t *to = argc == 1 ? find_opt(section, argv[0]) : NULL;

	(void)opt;
	if (!block)
		return out_of_memory();
	if (!to || is_empty_list(to) || last_statement(block, to->name))
		return 0;
	struct raw_statement *s = add_statement(block, to->name, section->line);
	if (!s)
		return out_of_memory();
	s->adds = true;
	return 0;
}

/* libconfuse: one text of an option. */
static int
on_value(cfg_t *section, cfg_opt_t *opt, const char *value, void *result)
{
	struct raw_block *block = open_block(section);
	struct raw_statement *s = block ? last_statement(block, opt->name) : NULL;

	if (!block)
		return out_of_memory();
	/* The first value behind = begins a statement, and so did what stands before a +=. */
	if (!s || (opt->nvalues == 1 && !(s->adds && s->n == 0)))
		s = add_statement(block, opt->name, section->line);
	if (!s || conf_grow(&s->item, s->n, sizeof(*s->item)) < 0)
		return out_of_memory();
	s->item[s->n] = strdup(value);
	if (!s->item[s->n])
		return out_of_memory();
	s->n++;
	*(const char **)result = value;
	return 0;
}

/* An empty list shows as an option that was set and has no value. */
static int
add_empty_lists(cfg_t *section)
{
	struct raw_block *block = open_block(section);

	if (!block)
		return out_of_memory();
	for (cfg_opt_t *opt = section->opts; opt->name; opt++)
		if (is_empty_list(opt)) {
			const struct raw_statement *s = last_statement(block, opt->name);
			if (!(s && s->adds && s->n == 0) && !add_statement(block, opt->name, 0))
				return out_of_memory();
		}
	return 0;
}

/* Whether a section of that title, which is not the open one, is known already: it was closed
 * before. */
static bool
was_closed(const cfg_t *section)
{
	const struct raw *raw = reading->raw;

	for (size_t i = 0; i < raw->n_blocks; i++)
		if (raw->block[i].section == section && raw->block[i].closed)
			return true;
	return false;
}

/* libconfuse: a block of this kind ends. */
static int
on_block_end(cfg_t *parent, cfg_opt_t *opt)
{
	for (unsigned i = 0; i < opt->nvalues; i++) {
		cfg_t *section = opt->values[i]->section;
		bool still_open = false;
		for (size_t k = 0; k < reading->raw->n_blocks; k++)
			still_open = still_open || (reading->raw->block[k].section == section &&
						    !reading->raw->block[k].closed);
		if (!still_open && was_closed(section))
			continue;
		if (add_empty_lists(section) < 0)
			return -1;
		struct raw_block *block = open_block(section);
		block->closed = true;
		block->nested = strcmp(parent->name, "root") != 0;
	}
	return 0;
}

static struct learned *
find_learned(const char *name)
{
	for (size_t i = 0; i < reading->n_learned; i++)
		if (strcmp(reading->learned[i].name, name) == 0)
			return &reading->learned[i];
	return NULL;
}

static bool
learn(const char *name)
{
	struct reader *r = reading;

	/* In libconfuse's eyes "a|b" is a path of sections; and an include in a block is none. */
	if (strchr(name, '|') || strcmp(name, "include") == 0 || find_learned(name) ||
	    r->n_learned == LEARNED_MAX)
		return false;
	if (conf_grow(&r->learned, r->n_learned, sizeof(*r->learned)) < 0) {
		r->error = -ENOMEM;
		return false;
	}
	r->learned[r->n_learned].name = strdup(name);
	r->learned[r->n_learned].form = FORM_OPTION;
	if (!r->learned[r->n_learned].name) {
		r->error = -ENOMEM;
		return false;
	}
	r->n_learned++;
	return true;
}

/* libconfuse's way to say that the option is not followed by what its form asks for: it has the
 * next form, then. */
static bool
learn_more(const char *name)
{
	struct learned *known = find_learned(name);

	return known && ++known->form < FORM_HOPELESS;
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What libconfuse made of a line that it did not understand is no statement. */
static void
forget_from(struct conf_place place)
{
	struct raw *raw = reading->raw;

	while (raw->n_statements) {
		struct raw_statement *s = &raw->statement[raw->n_statements - 1];
		if (s->place.file != place.file || s->place.line < place.line)
			break;
		statement_deinit(s);
		raw->n_statements--;
	}
}

/* libconfuse: something is wrong.  What the messages that we know begin with is from
 * libconfuse 3.3. */
static void __attribute__((format(printf, 2, 0)))
on_error(cfg_t *section, const char *fmt, va_list ap)
{
	struct conf_place place = {reading->file, section->line};
	struct buf text = BUF_INIT;
	const char *name = NULL;
	va_list args;

	if (reading->again || reading->error)
		return;
	va_copy(args, ap);
	if (begins(fmt, "no such option '%s'")) {
		name = va_arg(args, const char *);
		reading->again = learn(name);
	} else if (begins(fmt, "missing equal sign after option '%s'") ||
		   begins(fmt, "missing title for section '%s'") ||
		   begins(fmt, "missing opening brace for section '%s'")) {
		name = va_arg(args, const char *);
		reading->again = learn_more(name);
	}
	va_end(args);
	if (reading->again || reading->error)
		return;

	if (reading->open &&
	    (begins(fmt, "premature end of file") || begins(fmt, "unterminated string constant")))
		return;
	if (conf_form_explain(reading->text, &place.line, &text)) {
		forget_from(place);
	} else if (name && find_learned(name)) {
		buf_printf(&text, "\"%s\" is no option and no block", name);
	} else {
		buf_vprintf(&text, fmt, ap);
	}
	conf_mistake(reading->report, place, "%.*s; nothing behind this was read",
		     SLICE_FMT(buf_slice(&text)));
	buf_deinit(&text);
}

static int read_file(const char *path, const struct conf_place *from);

/* libconfuse: include("file").  Relative to the folder of the file that says so. */
static int
on_include(cfg_t *section, cfg_opt_t *opt, int argc, const char **argv)
{
	struct conf_place place = {reading->file, section->line};
	struct buf path = BUF_INIT;
	int r = 0;

	(void)opt;
	if (argc != 1) {
		conf_mistake(reading->report, place,
			     "include takes one file, as include(\"file\")");
		return 0;
	}
	if (argv[0][0] != '/') {
		const char *slash = strrchr(reading->file, '/');
		buf_add(&path, reading->file, slash ? (size_t)(slash - reading->file) + 1 : 0);
	}
	buf_add(&path, argv[0], strlen(argv[0]) + 1);
	if (buf_error(&path) < 0)
		r = out_of_memory();
	else if (reading->depth == INCLUDE_DEPTH)
		conf_mistake(reading->report, place, "files include each other too deeply");
	else
		r = read_file(path.data, &place);
	buf_deinit(&path);
	return r;
}

static cfg_opt_t
option(const char *name)
{
	return (cfg_opt_t)CFG_STR_LIST_CB(name, 0, CFGF_NODEFAULT, on_value);
}

static cfg_opt_t
block(const char *name, cfg_opt_t *inside, cfg_flag_t title)
{
	cfg_opt_t opt = CFG_SEC(name, inside, CFGF_MULTI | title);

	opt.validcb = on_block_end;
	return opt;
}

/* The names that libconfuse shall know: ours and those learned, which are blocks only where
 * `inside` says of what. */
static cfg_opt_t *
make_opts(cfg_opt_t *inside, bool top)
{
	size_t n = 0, max = OPTION_COUNT + N_LISTENER_OPTIONS + N_BLOCKS + reading->n_learned + 3;
	cfg_opt_t *opts = calloc(max, sizeof(*opts));

	if (!opts)
		return NULL;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		opts[n++] = option(option_rows[i].name);
	for (size_t i = 0; i < N_LISTENER_OPTIONS; i++)
		opts[n++] = option(listener_options[i]);
	for (size_t i = 0; i < N_BLOCKS && inside; i++)
		opts[n++] = block(blocks[i], inside, CFGF_TITLE);
	for (size_t i = 0; i < reading->n_learned; i++) {
		const struct learned *l = &reading->learned[i];
		if (l->form == FORM_OPTION)
			opts[n++] = option(l->name);
		else if (inside)
			opts[n++] = block(l->name, inside, l->form == FORM_TITLED ? CFGF_TITLE : 0);
	}
	opts[n++] = (cfg_opt_t)CFG_FUNC(FORM_ADDITION, on_addition);
	if (top)
		opts[n++] = (cfg_opt_t)CFG_FUNC("include", on_include);
	opts[n] = (cfg_opt_t)CFG_END();
	return opts;
}

/* The top knows blocks, blocks know blocks so that they can be refused, and those know none. */
static int
make_all_opts(struct reader *r)
{
	r->inner_opts = make_opts(NULL, false);
	r->block_opts = r->inner_opts ? make_opts(r->inner_opts, false) : NULL;
	r->opts = r->block_opts ? make_opts(r->block_opts, true) : NULL;
	return r->opts ? 0 : -ENOMEM;
}

static const char *
remember_file(const char *path)
{
	struct conf_files *files = &reading->raw->files;

	for (size_t i = 0; i < files->n; i++)
		if (strcmp(files->name[i], path) == 0)
			return files->name[i];
	if (conf_grow(&files->name, files->n, sizeof(*files->name)) < 0)
		return NULL;
	files->name[files->n] = strdup(path);
	return files->name[files->n] ? files->name[files->n++] : NULL;
}

static int
parse(const struct buf *text)
{
	struct reader *r = reading;
	cfg_t *cfg;

	if (conf_grow(&r->parsed, r->n_parsed, sizeof(cfg_t *)) < 0)
		return out_of_memory();
	cfg = cfg_init(r->opts, CFGF_NONE);
	if (!cfg)
		return out_of_memory();
	r->parsed[r->n_parsed++] = cfg;
	cfg_set_error_function(cfg, on_error);

	FILE *f = fmemopen(text->data, text->len, "r");
	if (!f)
		return out_of_memory();
	int result = cfg_parse_fp(cfg, f);
	fclose(f);
	/* Where the reading ended early, an option may look like an empty list that is none. */
	if (result != CFG_SUCCESS)
		return -1;
	return add_empty_lists(cfg);
}

static int
check_and_parse(struct buf *text)
{
	int check = conf_text_check(text, reading->file, reading->report);
	struct buf marked = BUF_INIT;
	int r = 0;

	reading->open = check == TEXT_OPEN;
	reading->text = buf_slice(text);
	if (check != TEXT_UNFIT && text->len) {
		conf_form_mark_additions(reading->text, &marked);
		r = buf_error(&marked) < 0 ? out_of_memory() : parse(&marked);
	}
	buf_deinit(&marked);
	return check ? -1 : r;
}

/* Reads one file; `from` is where it is included, or NULL.  Non-zero ends the reading. */
static int
read_file(const char *path, const struct conf_place *from)
{
	struct reader *r = reading;
	const char *outer = r->file;
	struct slice outer_text = r->text;
	bool outer_open = r->open;
	struct buf text = BUF_INIT;
	int result = conf_text_read(path, &text);

	if (result < 0 && from) {
		conf_mistake(r->report, *from, "include: %s: %s", path, strerror(-result));
		result = 0;
	} else if (result < 0) {
		r->error = result;
	} else {
		r->file = remember_file(path);
		r->depth++;
		result = r->file ? check_and_parse(&text) : out_of_memory();
		r->depth--;
	}
	r->file = outer;
	r->text = outer_text;
	r->open = outer_open;
	buf_deinit(&text);
	return result;
}

/* What one round made, besides what it learned. */
static void
end_round(struct reader *r)
{
	for (size_t i = 0; i < r->n_parsed; i++)
		cfg_free(r->parsed[i]);
	free(r->parsed);
	free(r->opts);
	free(r->block_opts);
	free(r->inner_opts);
	r->parsed = NULL;
	r->n_parsed = 0;
	r->opts = r->block_opts = r->inner_opts = NULL;
}

/* The file itself is block 0, whatever stands in it; further files that are included add to it. */
static int
begin_round(struct reader *r, const struct conf_report *before)
{
	raw_deinit(r->raw);
	r->again = false;
	/* What the round before had to say will be said again. */
	r->report->text.len = before->text.len;
	r->report->mistakes = before->mistakes;
	return make_all_opts(r);
}

int
raw_read(const char *path, struct raw *out, struct conf_report *report)
{
	struct reader r = {.raw = out, .report = report};
	struct conf_report before = *report;
	int result = 0;

	*out = (struct raw){0};
	reading = &r;
	do {
		r.error = begin_round(&r, &before);
		if (r.error == 0)
			result = read_file(path, NULL);
		end_round(&r);
	} while (r.again && r.error == 0);
	reading = NULL;

	for (size_t i = 0; i < r.n_learned; i++)
		free(r.learned[i].name);
	free(r.learned);
	if (r.error)
		return r.error;
	return result ? CONF_MISTAKES : 0;
}

void
raw_deinit(struct raw *raw)
{
	for (size_t i = 0; i < raw->n_blocks; i++) {
		free(raw->block[i].kind);
		free(raw->block[i].title);
	}
	for (size_t i = 0; i < raw->n_statements; i++)
		statement_deinit(&raw->statement[i]);
	free(raw->block);
	free(raw->statement);
	conf_files_deinit(&raw->files);
	*raw = (struct raw){0};
}
