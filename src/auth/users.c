/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Passwords of the users file.  The time of an answer must not tell whether there is such a user:
 * each question costs one hash, of a user who does not exist too.
 */
#include <crypt.h>
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/conf/users.h>
#include <wharf/sandbox/sandbox.h>

#include "auth.h"

#define DESCRIPTORS 64

struct checker {
	struct auth *auth;
	struct users *users; /* NULL before the first A_USERS */
	struct crypt_data *work;
	char dummy[CRYPT_OUTPUT_SIZE]; /* the hash of nobody's password */
};

/* What libxcrypt hashes new passwords by, so it costs what a user's costs. */
static int
make_dummy(struct checker *c)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash;

	c->work = calloc(1, sizeof(*c->work));
	if (!c->work || !crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)))
		return -ENOMEM;
	hash = crypt_r("nobody", setting, c->work);
	if (!hash || hash[0] == '*')
		return -EINVAL;
	memcpy(c->dummy, hash, strlen(hash) + 1);
	return 0;
}

/* Compares without telling by its time where the difference is. */
static bool
equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char differ = n != strlen(b);

	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)(a[i] ^ b[differ ? 0 : i]);
	return differ == 0;
}

/* Whether the secret is the one that the hash was made of.  Takes the time of a hash in every case.
 */
static bool
is_right(struct checker *c, struct slice hash, struct slice secret)
{
	char stored[CRYPT_OUTPUT_SIZE] = "";
	char text[SECRET_MAX + 1] = "";
	bool possible = hash.n > 0 && hash.n < sizeof(stored) && secret.n <= SECRET_MAX &&
			!memchr(secret.p, '\0', secret.n);
	const char *made;

	if (possible) {
		memcpy(stored, hash.p, hash.n);
		memcpy(text, secret.p, secret.n);
	}
	made = crypt_r(text, possible ? stored : c->dummy, c->work);
	bool right = possible && made && made[0] != '*' && equal(stored, made);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(stored, sizeof(stored));
	explicit_bzero(c->work, sizeof(*c->work));
	return right;
}

static void
send_identity(struct auth *a, uint64_t session, const struct user *u)
{
	struct message m = {.id = MSG_I_IDENTITY, .fd = -1};
	const struct group *group = getgrgid(u->gid);

	m.i_identity = (struct i_identity){.session = session,
					   .user = u->name,
					   .uid = u->uid,
					   .gid = u->gid,
					   .root = u->root,
					   .narrowed = 1,
					   .rights = u->rights};
	if (group)
		m.i_identity.group_names = (struct slice){group->gr_name,
							  strlen(group->gr_name) + 1};
	wire_send(&a->monitor, &m);
}

/*
 * NULL when the user may log in if his password is right, else why not.  It is asked before the
 * password is looked at: all refusals are one to the client.
 */
static const char *
policy_against(const struct auth *a, const struct user *u)
{
	if (user_is_locked(u))
		return "locked";
	if (user_is_expired(u, time(NULL)))
		return "expired";
	if (a->as_root && u->uid == 0 && !a->settings.allow_root)
		return "uid 0";
	return a->as_root && u->uid < a->settings.minimum_uid ? "uid below minimum_uid" : NULL;
}

/*
 * Whom a client certificate names needs no password, but all else that a password's owner needs.
 * No hash is taken for him: who bears the certificate may learn whether its user exists.
 */
static enum auth_verdict
judge_certificate(struct checker *c, const struct user *u, const char *against)
{
	if (!auth_takes_certificates(c->auth) || against)
		return AUTH_NO;
	return u ? AUTH_OK : AUTH_UNKNOWN;
}

static enum auth_verdict
judge_secret(struct checker *c, const struct user *u, const char *against,
	     const struct a_login *login)
{
	bool usable = u && !against && login->proof == PROOF_SECRET;
	bool right = is_right(c, usable ? u->hash : SLICE_NULL, login->secret);

	return right ? AUTH_OK : u ? AUTH_NO : AUTH_UNKNOWN;
}

static void
judge(struct checker *c, const struct message *m)
{
	const struct a_login *login = &m->a_login;
	const struct user *u = c->users ? users_find(c->users, login->user) : NULL;
	const char *against = u ? policy_against(c->auth, u) : NULL;
	enum auth_verdict verdict = login->proof == PROOF_CERTIFICATE
					    ? judge_certificate(c, u, against)
					    : judge_secret(c, u, against, login);
	uint64_t session = login->session;

	if (against)
		LOG(INFO, "a user of the users file may not log in", LOG_NUM("session", session),
		    LOG_BYTES("user", u->name), LOG_STR("why", against));
	auth_wipe(&c->auth->worker);
	auth_answer(c->auth, session, verdict, SLICE_NULL);
	if (u && verdict == AUTH_OK)
		send_identity(c->auth, session, u);
}

static void
load(struct checker *c, int fd)
{
	struct conf_report report = {0};
	struct users *fresh = NULL;
	int r = users_read(fd, c->auth->settings.users_file, &fresh, &report);

	for (struct slice rest = buf_slice(&report.text); rest.n;) {
		const char *end = memchr(rest.p, '\n', rest.n);
		size_t n = end ? (size_t)(end - rest.p) : rest.n;
		LOG(ERROR, "a line of the users file is not used",
		    LOG_BYTES("mistake", slice_head(rest, n)));
		rest = slice_from(rest, n + (end ? 1 : 0));
	}
	conf_report_deinit(&report);
	if (r < 0) {
		LOG(ERROR, "the users file cannot be read, the old one stays", LOG_ERRNO(r));
		return;
	}
	users_free(&c->users);
	c->users = fresh;
	const struct user *all;
	LOG(INFO, "the users file was read", LOG_NUM("users", users_all(fresh, &all)));
}

/* Returns false when the monitor is gone or breaks the rules. */
static bool
take_from_monitor(struct checker *c)
{
	struct message m;
	int r = wire_recv(&c->auth->monitor, &m);

	if (r != 0 && r != WIRE_FD_LOST)
		return false;
	if (m.id == MSG_A_USERS && m.fd >= 0)
		load(c, m.fd);
	auth_take_common(c->auth, &m);
	return true;
}

/* A worker that breaks the rules loses its channel; it can't be told from one that ended. */
static void
take_from_worker(struct checker *c)
{
	struct message m;

	if (wire_recv(&c->auth->worker, &m) == 0 && m.id == MSG_A_LOGIN)
		judge(c, &m);
	else
		wire_deinit(&c->auth->worker);
	auth_wipe(&c->auth->worker);
}

static int
confine(const struct auth *a)
{
	const struct rlimit files = {DESCRIPTORS, DESCRIPTORS};
	struct protections got = {0};

	/* The name service loads what it needs now. */
	(void)getgrgid(a->gid);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	int r = sandbox_users(a->as_root, a->settings.sandbox == WORD_sandbox_full, a->uid, a->gid,
			      &got);
	if (r < 0)
		LOG(ERROR, "the auth process cannot confine itself", LOG_STR("step", got.failed),
		    LOG_ERRNO(r));
	else
		protections_log(&got);
	return r;
}

/* Until the monitor is gone. */
static void
serve(struct checker *c)
{
	enum auth_event event;

	while ((event = auth_wait(c->auth, -1)) != AUTH_ENDED) {
		if (event == AUTH_WORKER)
			take_from_worker(c);
		else if (!take_from_monitor(c))
			return;
	}
}

int
users_serve(struct auth *a)
{
	const struct message ready = {.id = MSG_I_READY, .fd = -1};
	struct checker c = {.auth = a};
	int status = EX_OSERR;

	if (make_dummy(&c) == 0 && confine(a) == 0 && wire_send(&a->monitor, &ready) == 0) {
		a->monitor.phase = WIRE_SERVING;
		serve(&c);
		status = EX_OK;
	}
	users_free(&c.users);
	free(c.work);
	return status;
}
