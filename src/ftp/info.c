/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Commands about the server itself: SYST, FEAT, OPTS, HELP, LANG, CLNT, CSID, NOOP, and STAT
 * without a path. */
#include <string.h>

#include <wharf/base/address.h>
#include <wharf/ftp/digest.h>

#include "command.h"

void
do_syst(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	/* This text to the letter: clients choose their parser of listings by it. */
	reply(s, 215, "UNIX Type: L8");
}

void
do_noop(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	reply(s, 200, "OK.");
}

void
do_nothing(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	reply(s, 502, "Not served here.");
}

void
do_clnt(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	reply(s, 200, "Noted.");
}

/* draft-peterson-streamlined-ftp-command-extensions §4: both sides name themselves; no version
 * (attacks F16). */
void
do_csid(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	reply(s, 200, "Name=wharfd; OS=Unix; CaseSensitive=1; DirSep=/;");
}

static void
add_feature(struct buf *b, const char *text)
{
	if (*text)
		buf_printf(b, " %s\r\n", text);
}

/* "HASH SHA-256*;SHA-512;...", the chosen one marked (draft-bryan-ftpext-hash §3.1). */
static void
add_hash_feature(struct buf *b, const struct ftp_session *s)
{
	buf_add_str(b, " HASH ");
	for (int i = 0; i < DIGEST_COUNT; i++)
		buf_printf(b, "%s%s%s", i ? ";" : "", digest_name((enum digest_algorithm)i),
			   i == s->hash_algorithm ? "*" : "");
	buf_add_str(b, "\r\n");
}

/* Who is logged in is told of nothing that he has no right to: clients go by it, and would say that
 * the upload failed whose time they could not set. */
static bool
may_use(const struct ftp_session *s, unsigned right)
{
	return !ftp_session_is_logged_in(s) || (s->settings->rights & right) == right;
}

/* RFC 2389 §3.  The same before and after AUTH, and all of it before the login: clients ask early.
 */
void
do_feat(struct ftp_session *s, struct slice arg)
{
	struct buf b = BUF_INIT;
	size_t n;

	(void)arg;
	buf_add_str(&b, "211-Features:\r\n");
	const struct command *c = commands(&n);
	for (size_t i = 0; i < n; i++) {
		if (!may_use(s, c[i].right))
			continue;
		if (c[i].run == do_hash) {
			add_hash_feature(&b, s);
		} else if (c[i].run == do_mlst) {
			buf_add_str(&b, " MLST ");
			facts_format_names(&b, FACT_ALL, s->facts);
			buf_add_str(&b, "\r\n");
		} else if (c[i].needs != NEEDS_TLS || tls_is_served(s)) {
			add_feature(&b, c[i].feature);
		}
	}
	const struct command *site = site_commands(&n);
	for (size_t i = 0; i < n; i++)
		if (may_use(s, site[i].right))
			add_feature(&b, site[i].feature);
	add_feature(&b, "TVFS");
	buf_add_str(&b, "211 End\r\n");
	reply_raw(s, 211, &b);
	buf_deinit(&b);
}

static void
opts_utf8(struct ftp_session *s, struct slice arg)
{
	if (arg.n == 0 || slice_equal_nocase(arg, SLICE("ON")))
		reply(s, 200, "UTF-8 is always on.");
	else
		reply(s, 504, "UTF-8 is always on.");
}

static void
opts_mlst(struct ftp_session *s, struct slice arg)
{
	struct buf b = BUF_INIT;

	if (facts_parse(arg, &s->facts) != 0) {
		reply(s, 501, "A list of facts is wanted, such as size;modify;");
		return;
	}
	buf_add_str(&b, "200 MLST OPTS ");
	facts_format_names(&b, s->facts, 0);
	buf_add_str(&b, "\r\n");
	reply_raw(s, 200, &b);
	buf_deinit(&b);
}

static void
opts_hash(struct ftp_session *s, struct slice arg)
{
	int algorithm = arg.n ? (int)digest_by_name(arg) : s->hash_algorithm;

	if (algorithm == DIGEST_COUNT) {
		reply(s, 501, "Not a digest that is served; see FEAT.");
		return;
	}
	s->hash_algorithm = algorithm;
	reply(s, 200, "%s", digest_name((enum digest_algorithm)algorithm));
}

/* What WinSCP asks before it resumes: yes. */
static void
opts_rest(struct ftp_session *s, struct slice arg)
{
	if (slice_equal_nocase(arg, SLICE("STOR")) || slice_equal_nocase(arg, SLICE("RETR")))
		reply(s, 200, "REST is served for both.");
	else
		reply(s, 501, "STOR or RETR is wanted.");
}

static const struct {
	struct slice name;
	void (*run)(struct ftp_session *, struct slice);
} options[] = {
	{{"UTF8", 4}, opts_utf8}, {{"UTF-8", 5}, opts_utf8}, {{"MLST", 4}, opts_mlst},
	{{"HASH", 4}, opts_hash}, {{"REST", 4}, opts_rest},
};

void
do_opts(struct ftp_session *s, struct slice arg)
{
	struct slice rest;
	struct slice name = split_word(arg, &rest);

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (slice_equal_nocase(name, options[i].name)) {
			options[i].run(s, rest);
			return;
		}
	}
	reply(s, 501, "That command has no options here.");
}

/* RFC 2640 §4. */
void
do_lang(struct ftp_session *s, struct slice arg)
{
	bool english = arg.n >= 2 && slice_equal_nocase(slice_head(arg, 2), SLICE("EN")) &&
		       (arg.n == 2 || arg.p[2] == '-');

	if (arg.n == 0 || english)
		reply(s, 200, "English it is.");
	else
		reply(s, 504, "Replies are in English only.");
}

/* The verbs of a table, eight a line. */
static void
add_verbs(struct buf *b, const struct command *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s%s%s", i % 8 == 0 ? " " : "", c[i].verb.p,
			   i % 8 == 7 || i + 1 == n ? "\r\n" : " ");
}

static void
help(struct ftp_session *s, const struct command *c, size_t n, const struct command *one,
     bool named)
{
	struct buf b = BUF_INIT;

	if (one) {
		reply(s, 214, "%s", one->help);
	} else if (named) {
		reply(s, 502, "No such command.");
	} else {
		buf_add_str(&b, "214-Commands:\r\n");
		add_verbs(&b, c, n);
		buf_add_str(&b, "214 HELP <command> tells more.\r\n");
		reply_raw(s, 214, &b);
	}
	buf_deinit(&b);
}

void
do_help(struct ftp_session *s, struct slice arg)
{
	struct slice rest;
	struct slice verb = split_word(arg, &rest);
	size_t n;
	const struct command *c = commands(&n);

	if (slice_equal_nocase(verb, SLICE("SITE")) && rest.n == 0)
		site_help(s, SLICE_NULL);
	else
		help(s, c, n, command_find(verb), arg.n > 0);
}

void
site_help(struct ftp_session *s, struct slice arg)
{
	size_t n;
	const struct command *c = site_commands(&n);

	help(s, c, n, site_find(arg), arg.n > 0);
}

/* STAT without a path (RFC 959 §4.1.3); during a transfer it tells how far that has come. */
static void
status(struct ftp_session *s)
{
	struct sockaddr_storage peer = endpoint_address(&s->peer);
	struct buf b = BUF_INIT;

	buf_add_str(&b, "211-Status:\r\n From ");
	address_format_host(&b, &peer);
	buf_add_str(&b, "\r\n Logged in as ");
	/* Names were checked at USER: they hold no control bytes. */
	buf_add_str(&b, s->user);
	buf_printf(&b, "\r\n Control connection %s, data connections %s\r\n",
		   s->secure ? "over TLS" : "clear", s->protect ? "over TLS" : "clear");
	buf_printf(&b, " TYPE %s, STRU F, MODE S\r\n", s->ascii ? "A" : "I");
	if (s->transfer)
		buf_printf(&b, " %s: %llu bytes so far\r\n",
			   s->running ? s->running->verb.p : "Transfer",
			   (unsigned long long)s->world->moved(s));
	else
		buf_add_str(&b, s->data == DATA_NONE ? " No data connection\r\n"
						     : " A data connection is prepared\r\n");
	buf_add_str(&b, "211 End\r\n");
	reply_raw(s, 211, &b);
	buf_deinit(&b);
}

void
do_stat(struct ftp_session *s, struct slice arg)
{
	if (arg.n == 0)
		status(s);
	else if (require_right(s, RIGHT_list))
		transfer_status(s, arg);
}
