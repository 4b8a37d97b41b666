/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * USER, PASS and what belongs to them (RFC 959 §4.1.1).  Sources are tried in the configured order.
 * Every failure is answered alike and at the same time after PASS, so that neither text nor time
 * tells whether a name exists (RFC 2577 §7).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define USER_NAME_MAX     128
#define LOGIN_DELAY_MAX   60000 /* ms */
#define PASSWORD_REQUIRED "Password required."

static void
forget_secret(struct ftp_session *s)
{
	if (s->secret)
		explicit_bzero(s->secret, strlen(s->secret));
	free(s->secret);
	s->secret = NULL;
}

void
login_forget(struct ftp_session *s)
{
	forget_secret(s);
	free(s->message);
	s->message = NULL;
}

static bool
has_source(const struct ftp_session *s, enum word_source source)
{
	for (unsigned i = 0; i < s->settings->sources.n; i++)
		if (s->settings->sources.item[i] == source)
			return true;
	return false;
}

static bool
is_anonymous(const struct ftp_session *s)
{
	struct slice user = slice_of(s->user);

	return has_source(s, WORD_source_anonymous) &&
	       (slice_equal_nocase(user, SLICE("anonymous")) ||
		slice_equal_nocase(user, SLICE("ftp")));
}

/*
 * A name that may be shown to a source.  Others fail as unknown names do: nothing that could be
 * taken for a path, an option or a line of a file goes further (attacks D12).
 */
static bool
is_sane_name(struct slice name)
{
	if (name.n == 0 || name.n > USER_NAME_MAX || name.p[0] == '-' || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		if (c <= ' ' || c == 0x7f || c == '/' || c == ':')
			return false;
	}
	return true;
}

/* The next source that can tell about a name with a password; -1 when none is left. */
static int
next_source(struct ftp_session *s)
{
	while (s->sources_tried < s->settings->sources.n) {
		uint8_t source = s->settings->sources.item[s->sources_tried++];
		if (source != WORD_source_anonymous && is_sane_name(slice_of(s->user)))
			return source;
	}
	return -1;
}

/*
 * Whether the client's certificate alone lets in whom USER named.  A certificate that names
 * anonymous is none of those: no source knows him.
 */
static bool
is_by_certificate(const struct ftp_session *s)
{
	return s->certified && !s->settings->tls_client_password && !is_anonymous(s);
}

/* Whom a certificate names is that user, and nobody else: not anonymous either. */
static bool
is_another_than_certified(const struct ftp_session *s)
{
	return s->certified && strcmp(s->user, s->certified) != 0;
}

static void
ask_source(struct ftp_session *s, enum word_source source, struct slice secret)
{
	s->waits = WAIT_LOGIN;
	s->login = LOGIN_JUDGING;
	if (is_by_certificate(s))
		s->world->login_certified(s, source, slice_of(s->user));
	else
		s->world->login(s, source, slice_of(s->user), secret);
}

/* The answer comes when the delay since PASS (or USER, where a certificate decides) is over, never
 * sooner. */
static void
fail(struct ftp_session *s)
{
	uint64_t delay = s->settings->login_delay * 1000;
	uint64_t spent = s->world->now(s) - s->judged_since;

	forget_secret(s);
	for (unsigned i = 0; i < s->failures && delay < LOGIN_DELAY_MAX; i++)
		delay *= 2;
	if (delay > LOGIN_DELAY_MAX)
		delay = LOGIN_DELAY_MAX;
	s->failures++;
	s->login = LOGIN_FAILING;
	s->waits = WAIT_DELAY;
	s->world->delay(s, delay > spent ? delay - spent : 0);
}

static void
try_next(struct ftp_session *s)
{
	int source = next_source(s);

	if (source < 0)
		fail(s);
	else
		ask_source(s, (enum word_source)source, slice_of(s->secret));
}

/* What follows USER: a source's prompt, 331, or what the certificate says. */
static void
begin_login(struct ftp_session *s)
{
	s->login = LOGIN_NAMED;
	s->sources_tried = 0;
	s->judged_since = s->world->now(s);
	if (is_another_than_certified(s)) {
		fail(s);
	} else if (is_by_certificate(s)) {
		try_next(s);
	} else if (is_anonymous(s)) {
		reply(s, 331, "Any password will do, customarily your e-mail address.");
	} else if (s->settings->sources.n && s->settings->sources.item[0] == WORD_source_pam &&
		   is_sane_name(slice_of(s->user))) {
		/* PAM comes first for every name, so that it asks in its own words tells nothing of
		 * the name. */
		s->sources_tried = 1;
		ask_source(s, WORD_source_pam, SLICE_NULL);
	} else {
		reply(s, 331, PASSWORD_REQUIRED);
	}
}

void
do_user(struct ftp_session *s, struct slice arg)
{
	if (s->login == LOGIN_DONE) {
		reply(s, 503, "You are logged in already; REIN logs out.");
		return;
	}
	/* A prompt that is left unanswered was an attempt: each costs a process of PAM. */
	if (s->login == LOGIN_ASKING) {
		s->world->logout(s);
		if (++s->failures >= s->settings->login_tries) {
			ftp_session_expire(s, "Too many failed logins.");
			return;
		}
	}
	login_forget(s);
	free(s->user);
	s->user = slice_dup(arg);
	if (s->user) {
		begin_login(s);
	} else {
		s->login = LOGIN_NONE;
		reply(s, 451, "Out of resources, try again later.");
	}
}

void
do_pass(struct ftp_session *s, struct slice arg)
{
	enum login_state before = s->login;

	if (before != LOGIN_NAMED && before != LOGIN_ASKING) {
		reply(s, 503,
		      before == LOGIN_DONE ? "You are logged in already." : "Send USER first.");
		return;
	}
	s->judged_since = s->world->now(s);
	s->login = LOGIN_JUDGING;
	forget_secret(s);
	if (before == LOGIN_NAMED && is_anonymous(s)) {
		ask_source(s, WORD_source_anonymous, SLICE_NULL);
		return;
	}
	s->secret = arg.n <= SESSION_SECRET_MAX ? slice_dup(arg) : NULL;
	if (!s->secret) {
		if (before == LOGIN_ASKING)
			s->world->logout(s);
		fail(s);
	} else if (before == LOGIN_ASKING) {
		s->waits = WAIT_LOGIN;
		s->world->login_answer(s, slice_of(s->secret));
	} else {
		try_next(s);
	}
}

void
ftp_session_prompted(struct ftp_session *s, struct slice text)
{
	struct buf b = BUF_INIT;

	if (s->closing || s->waits != WAIT_LOGIN)
		return;
	/* The usual prompt is worded as the other sources' is. */
	if (text.n == 0 || slice_equal(text, SLICE("Password: "))) {
		reply(s, 331, PASSWORD_REQUIRED);
	} else {
		const char *last = memrchr(text.p, '\n', text.n);
		size_t head = last ? (size_t)(last - text.p) + 1 : 0;
		struct slice prompt = slice_from(text, head);
		char *end = slice_dup(prompt);
		for (char *c = end; c && *c; c++)
			if ((unsigned char)*c < 0x20 || *c == 0x7f)
				*c = '?';
		if (head)
			reply_add_lines(&b, 331, "The server says:", slice_head(text, head - 1),
					end ? end : "");
		else
			buf_printf(&b, "331 %s\r\n", end ? end : "");
		reply_raw(s, 331, &b);
		free(end);
	}
	buf_deinit(&b);
	s->login = LOGIN_ASKING;
	finish(s);
	session_answered(s);
}

void
ftp_session_judged(struct ftp_session *s, enum auth_verdict verdict, struct slice text)
{
	if (s->closing || s->waits != WAIT_LOGIN)
		return;
	if (verdict == AUTH_OK) {
		free(s->message);
		s->message = slice_dup(text);
		return; /* the monitor's word comes next */
	}
	/* A source that PASS has not been shown to yet says no at once: the client learns it after
	 * PASS. */
	if (!s->secret && !is_by_certificate(s)) {
		if (verdict == AUTH_NO)
			s->sources_tried = s->settings->sources.n;
		s->login = LOGIN_NAMED;
		reply(s, 331, PASSWORD_REQUIRED);
		finish(s);
		session_answered(s);
	} else if (verdict == AUTH_UNKNOWN) {
		try_next(s);
	} else {
		fail(s);
	}
}

void
ftp_session_delayed(struct ftp_session *s)
{
	if (s->closing || s->waits != WAIT_DELAY)
		return;
	s->login = LOGIN_NONE;
	s->world->log_login(s, slice_of(s->user), false,
			    is_another_than_certified(s) ? "not the user of the certificate"
			    : is_by_certificate(s) ? "no source lets the certificate's user in"
						   : "wrong name or password");
	finish(s);
	if (s->failures >= s->settings->login_tries)
		ftp_session_expire(s, "Too many failed logins.");
	else
		reply(s, 530, "Login incorrect.");
	session_answered(s);
}

/* 230, with what the source and the administrator have to say before it; 232 where a certificate
 * was the proof (RFC 2228 §3). */
static void
reply_welcome(struct ftp_session *s)
{
	unsigned code = is_by_certificate(s) ? 232 : 230;
	const char *last = code == 232 ? "Logged in by certificate." : "Logged in.";
	struct buf text = BUF_INIT;
	struct buf b = BUF_INIT;

	if (s->message && *s->message)
		buf_printf(&text, "%s\n", s->message);
	if (*s->settings->welcome)
		buf_printf(&text, "%s\n", s->settings->welcome);
	if (text.len && text.data[text.len - 1] == '\n')
		text.len--;
	if (text.len)
		reply_add_lines(&b, code, "Welcome.", buf_slice(&text), last);
	else
		buf_printf(&b, "%u %s\r\n", code, last);
	reply_raw(s, code, &b);
	buf_deinit(&text);
	buf_deinit(&b);
}

/* The attempt ends without counting as a failure: the proof was right. */
static void
refuse(struct ftp_session *s, const char *text)
{
	login_forget(s);
	s->world->log_login(s, slice_of(s->user), false, text);
	s->login = LOGIN_NONE;
	reply(s, 530, "%s", text);
	finish(s);
	session_answered(s);
}

void
ftp_session_logged_in(struct ftp_session *s, struct slice user, const struct settings *settings)
{
	if (s->closing || s->waits != WAIT_LOGIN)
		return;
	/* Only now his groups' settings are known. */
	if (!s->secure && tls_is_wanted_for_login(settings->require_tls)) {
		s->world->logout(s);
		refuse(s, TLS_WANTED);
		return;
	}
	char *name = slice_dup(user);
	char *cwd = strdup("/");
	if (!name || !cwd) {
		free(name);
		free(cwd);
		ftp_session_expire(s, "Out of resources, try again later.");
		return;
	}
	free(s->user);
	s->user = name;
	free(s->cwd);
	s->cwd = cwd;
	s->settings = settings;
	s->umask = (unsigned)settings->umask;
	s->idle_timeout = settings->idle_timeout;
	s->login = LOGIN_DONE;
	s->failures = 0;
	reply_welcome(s);
	login_forget(s);
	s->world->log_login(s, user, true, "");
	finish(s);
	session_answered(s);
}

static const char *const refusals[] = {
	[REFUSED_USER_SESSIONS] = "Too many sessions of this user.",
	[REFUSED_ROOT_FOLDER] = "Your folder is not there.",
	[REFUSED_POLICY] = "You may not log in here.",
	[REFUSED_RESOURCES] = "Out of resources, try again later.",
};

void
ftp_session_refused(struct ftp_session *s, enum login_refusal why)
{
	if (s->closing || s->waits != WAIT_LOGIN)
		return;
	const char *text = refusals[(size_t)why < sizeof(refusals) / sizeof(refusals[0])
					    ? why
					    : REFUSED_POLICY];

	refuse(s, text);
}

void
do_acct(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	reply(s, 202, "No account is needed here.");
}

void
do_quit(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	reply(s, 221, "Goodbye.");
	s->closing = true;
	s->world->hang_up(s, true);
}

/* An IPv6 address stands in brackets, as a port, which is none of HOST's, could stand behind it. */
static bool
is_bracketed_address(struct slice name)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (name.n < 2 || name.p[0] != '[' || name.p[name.n - 1] != ']' ||
	    name.n - 2 >= sizeof(text))
		return false;
	memcpy(text, name.p + 1, name.n - 2);
	text[name.n - 2] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

/* A domain or an IPv4 address: labels that no hyphen begins or ends.  Names with "_" are in use. */
static bool
is_domain(struct slice name)
{
	char before = '.';

	if (name.n == 0 || name.n > 253)
		return false;
	for (size_t i = 0; i <= name.n; i++) {
		char c = i < name.n ? name.p[i] : '.';
		if ((c == '.' && (before == '.' || before == '-')) || (c == '-' && before == '.') ||
		    (c != '.' && c != '-' && c != '_' && !isalnum((unsigned char)c)))
			return false;
		before = c;
	}
	return true;
}

/* RFC 7151 §3. */
void
do_host(struct ftp_session *s, struct slice arg)
{
	if (s->login == LOGIN_DONE || s->login == LOGIN_NAMED || s->login == LOGIN_ASKING) {
		reply(s, 503, "HOST comes before USER.");
		return;
	}
	/* With the dot of the root behind it, as a resolver takes it, it is the same name. */
	if (arg.n > 1 && arg.p[0] != '[' && arg.p[arg.n - 1] == '.')
		arg.n--;
	if (!is_domain(arg) && !is_bracketed_address(arg)) {
		reply(s, 501,
		      "That is no host name, and no address as 192.0.2.1 or [2001:db8::1].");
		return;
	}
	if (s->world->host(s, arg))
		session_greet(s);
	else
		reply(s, 504, "No such host here.");
}
