/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * TLS as the protocol sees it (RFC 2228, 4217): how it begins and ends on the control connection,
 * what data connections are protected by, and what require_tls refuses.
 *
 * No byte that came on one side of the step between clear and TLS is ever read on the other side
 * (attacks B01): where more came behind the command that makes the step, the session ends.
 */
#include <stdlib.h>

#include <wharf/base/check.h>
#include <wharf/ftp/number.h>

#include "command.h"

#define PBSZ_MAX 4294967295U /* RFC 2228 §3 */

bool
tls_is_served(struct ftp_session *s)
{
	return s->settings->tls != WORD_tls_off && s->world->can_secure(s);
}

bool
tls_is_wanted_for_login(int require_tls)
{
	return require_tls == WORD_require_tls_login || require_tls == WORD_require_tls_control ||
	       require_tls == WORD_require_tls_all;
}

static bool
is_wanted_for_control(int require_tls)
{
	return require_tls == WORD_require_tls_control || require_tls == WORD_require_tls_all;
}

static bool
is_wanted_for_data(int require_tls)
{
	return require_tls == WORD_require_tls_data || require_tls == WORD_require_tls_all;
}

/* What holds for whom USER names: his own block's word, or else the listener's. */
static int
required_of(struct ftp_session *s, struct slice user)
{
	int required = s->world->required(s, user);

	return required >= 0 ? required : s->settings->require_tls;
}

bool
tls_allows(struct ftp_session *s, const struct command *c, struct slice arg)
{
	switch (c->needs) {
	case NEEDS_TLS:
	case NEEDS_USER_TLS:
		if (tls_is_served(s))
			return true;
		reply(s, 502, "TLS is not served here.");
		return false;
	case NEEDS_PRIVACY:
		if (s->secure || !tls_is_wanted_for_login(required_of(s, arg)))
			return true;
		reply(s, 530, TLS_WANTED);
		return false;
	case NEEDS_DATA:
		if (s->protect || !is_wanted_for_data(s->settings->require_tls))
			return true;
		reply(s, 521, "Data connections must be protected: send PROT P first.");
		return false;
	default:
		return true;
	}
}

/* Whether something is there that came before the step, and would be read after it. */
static bool
ends_over_more(struct ftp_session *s, const char *why)
{
	if (!session_has_more(s))
		return false;
	ftp_session_expire(s, why);
	return true;
}

/*
 * RFC 4217 §4 and appendix A.  SSL and TLS-P are of its drafts, where they stood for "PROT P, too":
 * clients that still send them (lftp by ftp:ssl-auth) send no PROT, and protect their data.
 */
static const struct {
	struct slice name;
	bool protect;
} mechanisms[] = {
	{{"TLS", 3}, false},
	{{"TLS-C", 5}, false},
	{{"SSL", 3}, true},
	{{"TLS-P", 5}, true},
};

static int
find_mechanism(struct slice name)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (slice_equal_nocase(name, mechanisms[i].name))
			return (int)i;
	return -1;
}

void
do_auth(struct ftp_session *s, struct slice arg)
{
	int mechanism = find_mechanism(arg);

	if (s->secure || s->login == LOGIN_DONE) {
		reply(s, 503, s->secure ? "TLS is there already." : "AUTH comes before USER.");
	} else if (mechanism < 0) {
		reply(s, 504, "AUTH TLS is served.");
	} else if (!ends_over_more(s, "Nothing may be sent behind AUTH before TLS has begun.")) {
		reply(s, 234, "TLS begins.");
		s->protect = mechanisms[mechanism].protect;
		s->waits = WAIT_TLS;
		s->world->secure(s);
	}
}

void
tls_begin_implicit(struct ftp_session *s)
{
	/* A client that awaits TLS can be told nothing without. */
	if (!s->world->can_secure(s)) {
		s->closing = true;
		s->world->hang_up(s, false);
		return;
	}
	s->protect = true;
	s->waits = WAIT_TLS;
	s->world->secure(s);
}

void
ftp_session_secured(struct ftp_session *s, const struct tls_client *client)
{
	if (s->closing || !CHECK(s->waits == WAIT_TLS && !s->secure))
		return;
	s->secure = true;
	s->sized = false;
	free(s->certified);
	s->certified = client->user.p ? slice_dup(client->user) : NULL;
	session_reset(s);
	finish(s);
	if (client->user.p && !s->certified)
		ftp_session_expire(s, "Out of resources, try again later.");
	else if (!s->greeted)
		session_greet(s);
	session_answered(s);
}

/* What comes from here on is clear, and what was agreed on by TLS is void. */
static void
unsecure(struct ftp_session *s)
{
	s->secure = false;
	free(s->certified);
	s->certified = NULL;
	s->world->unsecure(s);
}

/*
 * REIN (RFC 4217 §13): TLS ends behind the reply, but on a listener that speaks nothing else.  RFC
 * 7151 §3.2.1: HOST is forgotten.
 */
void
do_rein(struct ftp_session *s, struct slice arg)
{
	bool stays = s->secure && s->settings->tls == WORD_tls_implicit;
	bool ends = s->secure && !stays;

	(void)arg;
	if (ends && ends_over_more(s, "Nothing may be sent behind REIN before TLS has ended."))
		return;
	session_reset(s);
	s->world->host(s, SLICE(""));
	s->sized = false;
	s->protect = stays;
	session_greet(s);
	if (ends)
		unsecure(s);
}

/* RFC 4217 §9: a buffer for protected data has no size here, 0 it is. */
void
do_pbsz(struct ftp_session *s, struct slice arg)
{
	uint64_t size;

	if (!s->secure) {
		reply(s, 503, "AUTH comes before PBSZ.");
	} else if (number_parse_u64(arg, PBSZ_MAX, &size) != 0) {
		reply(s, 501, "A number up to %u is wanted.", PBSZ_MAX);
	} else {
		s->sized = true;
		reply(s, 200, "PBSZ=0");
	}
}

/* RFC 2228 §3, 4217 §9.  It holds on after CCC, and may be changed then. */
void
do_prot(struct ftp_session *s, struct slice arg)
{
	char level = arg.n == 1 ? (char)(arg.p[0] & ~0x20) : '\0';

	if (!s->sized) {
		reply(s, 503, "PBSZ comes before PROT.");
	} else if (level == 'P') {
		s->protect = true;
		reply(s, 200, "Data connections are protected.");
	} else if (level == 'C' && is_wanted_for_data(s->settings->require_tls)) {
		reply(s, 534, "Data connections must be protected.");
	} else if (level == 'C') {
		s->protect = false;
		reply(s, 200, "Data connections are clear.");
	} else if (level == 'S' || level == 'E') {
		reply(s, 536, "TLS knows PROT P and C only.");
	} else {
		reply(s, 504, "PROT P or C is wanted.");
	}
}

/* RFC 2228 §3, 4217 §12.3: for clients behind address translation that reads the commands. */
void
do_ccc(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (!s->secure) {
		reply(s, 533, "There is no TLS to end.");
	} else if (!s->settings->ccc || is_wanted_for_control(s->settings->require_tls)) {
		reply(s, 534, "The control connection stays protected.");
	} else if (!ends_over_more(s, "Nothing may be sent behind CCC before TLS has ended.")) {
		reply(s, 200, "TLS ends.");
		unsecure(s);
	}
}

/* RFC 2228 §3: TLS exchanges nothing by commands. */
void
do_adat(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	reply(s, 503, "No security data is awaited.");
}

/* MIC, CONF, ENC (RFC 2228 §4): TLS protects the connection, not each command. */
void
do_wrapped(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (s->secure)
		reply(s, 537, "TLS protects all commands alike.");
	else
		reply(s, 503, "AUTH comes before protected commands.");
}
