/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * One login by PAM.  Modules are foreign code, so everything that they might break is this process
 * alone.  Where a PAM session is wanted the process stays, as the parent of the agent that lives in
 * it.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/base/spawn.h>
#include <wharf/sandbox/sandbox.h>

#include "auth.h"
#include "talk.h"

#define CPU_SECONDS 10
#define DESCRIPTORS 64
/* How long the agent has to leave when its channel was closed. */
#define LEAVE_MS   2000
#define GROUPS_MAX 65536

struct login {
	struct auth *auth;
	struct talk talk;
	pam_handle_t *pam;
	char user[NAME_MAX_BYTES + 1];
	bool refused; /* by certificate, where the configuration does not take those */
	int status;   /* the last PAM code, for pam_end() */
	bool granted; /* pam_setcred() was, so that it is taken back */
	bool open;    /* the PAM session is */
	pid_t agent;
	int agent_pidfd;
};

/* Only soft limits: the agent is our child and must not be bound by them. */
static void
limit(int resource, rlim_t soft)
{
	struct rlimit r;

	if (getrlimit(resource, &r) == 0) {
		r.rlim_cur = soft == RLIM_INFINITY || soft > r.rlim_max ? r.rlim_max : soft;
		setrlimit(resource, &r);
	}
}

static int
confine(const struct auth *a)
{
	const cap_value_t keep[] = {CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT, CAP_KILL, CAP_SETPCAP};
	struct protections got = {0};

	limit(RLIMIT_CPU, CPU_SECONDS);
	limit(RLIMIT_NOFILE, DESCRIPTORS);
	int r = sandbox_pam(a->settings.sandbox == WORD_sandbox_full, keep,
			    a->as_root ? sizeof(keep) / sizeof(keep[0]) : 0, &got);
	if (r < 0)
		LOG(ERROR, "the auth process cannot confine itself", LOG_STR("step", got.failed),
		    LOG_ERRNO(r));
	return r;
}

/* The name and what may have come of the password.  0, or a negative errno. */
static int
await_login(struct login *l)
{
	struct auth *a = l->auth;
	struct message m;

	for (enum auth_event event; (event = auth_wait(a, -1)) != AUTH_WORKER;) {
		if (event == AUTH_ENDED || wire_recv(&a->monitor, &m) != 0)
			return -EPIPE;
		auth_take_common(a, &m);
	}
	int r = wire_recv(&a->worker, &m);
	if (r == 0 && (m.id != MSG_A_LOGIN || m.a_login.session != a->session))
		r = -EPROTO;
	if (r == 0 && m.a_login.user.n <= NAME_MAX_BYTES &&
	    !memchr(m.a_login.user.p, '\0', m.a_login.user.n))
		memcpy(l->user, m.a_login.user.p, m.a_login.user.n);
	if (r == 0 && m.a_login.proof == PROOF_SECRET) {
		bool fits = m.a_login.secret.n <= SECRET_MAX &&
			    !memchr(m.a_login.secret.p, '\0', m.a_login.secret.n);
		if (fits)
			memcpy(l->talk.secret, m.a_login.secret.p, m.a_login.secret.n);
		else
			l->user[0] = '\0';
		l->talk.has_secret = fits;
	}
	l->talk.certified = r == 0 && m.a_login.proof == PROOF_CERTIFICATE;
	l->refused = l->talk.certified && !auth_takes_certificates(a);
	auth_wipe(&a->worker);
	return r > 0 ? -EPIPE : r;
}

/* Failures are told after a time that the worker chooses, so modules need not wait. */
static void
no_delay(int result, unsigned microseconds, void *appdata)
{
	(void)result;
	(void)microseconds;
	(void)appdata;
}

static int
authenticate(struct login *l)
{
	const struct pam_conv conv = {talk_converse, &l->talk};
	struct buf host = BUF_INIT;
	void (*delay)(int, unsigned, void *) = no_delay;
	const void *item;

	address_format_host(&host, &l->auth->peer);
	buf_add_byte(&host, '\0');
	l->status = pam_start(l->auth->settings.pam_service, l->user, &conv, &l->pam);
	if (l->status == PAM_SUCCESS)
		l->status = pam_set_item(l->pam, PAM_RHOST, host.data);
	buf_deinit(&host);
	if (l->status == PAM_SUCCESS)
		l->status = pam_set_item(l->pam, PAM_TTY, "ftp");
	if (l->status == PAM_SUCCESS) {
		memcpy(&item, &delay, sizeof(item));
		l->status = pam_set_item(l->pam, PAM_FAIL_DELAY, item);
	}
	/* A certificate has proved who it is; whether he may come in PAM still says. */
	if (l->status == PAM_SUCCESS && !l->talk.certified)
		l->status = pam_authenticate(l->pam, PAM_DISALLOW_NULL_AUTHTOK);
	/* A password that must be changed can't be changed by FTP: PAM_NEW_AUTHTOK_REQD is a
	 * refusal like any other. */
	if (l->status == PAM_SUCCESS)
		l->status = pam_acct_mgmt(l->pam, PAM_DISALLOW_NULL_AUTHTOK);
	return l->status;
}

/* Modules may have made another user of him. */
static const struct passwd *
find_user(struct login *l)
{
	const void *name = NULL;

	if (pam_get_item(l->pam, PAM_USER, &name) != PAM_SUCCESS || !name)
		return NULL;
	return getpwnam(name);
}

static bool
has_shell(const struct passwd *pw)
{
	const char *shell = pw->pw_shell && *pw->pw_shell ? pw->pw_shell : "/bin/sh";
	bool found = false;

	setusershell();
	for (const char *s = getusershell(); s && !found; s = getusershell())
		found = strcmp(s, shell) == 0;
	endusershell();
	return found;
}

/* NULL when he may log in, else why not. */
static const char *
policy_against(const struct settings *s, const struct passwd *pw)
{
	if (pw->pw_uid == 0 && !s->allow_root)
		return "uid 0";
	if (pw->pw_uid < s->minimum_uid)
		return "uid below minimum_uid";
	return s->require_shell && !has_shell(pw) ? "shell not in /etc/shells" : NULL;
}

/* Exactly the groups that the system lists for him, with their names. */
static int
add_groups(const struct passwd *pw, struct buf *ids, struct buf *names)
{
	int n = 64;
	gid_t *groups = malloc((size_t)n * sizeof(*groups));

	while (groups && getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0) {
		gid_t *more = n <= GROUPS_MAX ? realloc(groups, (size_t)n * sizeof(*groups)) : NULL;
		if (!more)
			free(groups);
		groups = more;
	}
	if (!groups)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		const struct group *group = getgrgid(groups[i]);
		wire_ids_add(ids, groups[i]);
		if (group)
			buf_add(names, group->gr_name, strlen(group->gr_name) + 1);
	}
	free(groups);
	return buf_error(ids) < 0 || buf_error(names) < 0 ? -ENOMEM : 0;
}

static int
send_identity(struct login *l, const struct passwd *pw)
{
	struct message m = {.id = MSG_I_IDENTITY, .fd = -1};
	struct buf ids = BUF_INIT, names = BUF_INIT;
	/* getgrgid() and getpwnam() share nothing, but a module of the name service may. */
	char *user = strdup(pw->pw_name), *home = strdup(pw->pw_dir);
	int r = user && home ? add_groups(pw, &ids, &names) : -ENOMEM;

	if (r == 0) {
		m.i_identity = (struct i_identity){.session = l->auth->session,
						   .user = slice_of(user),
						   .uid = pw->pw_uid,
						   .gid = pw->pw_gid,
						   .groups = buf_slice(&ids),
						   .group_names = buf_slice(&names),
						   .home = slice_of(home)};
		r = wire_send(&l->auth->monitor, &m);
	}
	buf_deinit(&ids);
	buf_deinit(&names);
	free(user);
	free(home);
	return r;
}

/* Opens the PAM session that the agent will live in.  Modules that set limits set them for him too,
 * so ours end here. */
static int
open_session(struct login *l)
{
	limit(RLIMIT_CPU, RLIM_INFINITY);
	limit(RLIMIT_NOFILE, RLIM_INFINITY);
	l->status = pam_setcred(l->pam, PAM_ESTABLISH_CRED);
	l->granted = l->status == PAM_SUCCESS;
	if (l->granted)
		l->status = pam_open_session(l->pam, 0);
	l->open = l->granted && l->status == PAM_SUCCESS;
	return l->status;
}

static void
close_session(struct login *l)
{
	if (l->open)
		l->status = pam_close_session(l->pam, 0);
	if (l->granted)
		pam_setcred(l->pam, PAM_DELETE_CRED);
}

/* The user's entry, if he may come in; else NULL, and *against tells why not. */
static const struct passwd *
find_welcome(struct login *l, const char **against)
{
	const struct passwd *pw = find_user(l);

	*against = pw ? policy_against(&l->auth->settings, pw) : "not known to the system";
	return *against ? NULL : pw;
}

/* The same, when he has also proved who he is and his PAM session is open. */
static const struct passwd *
admit(struct login *l, const char **against)
{
	const struct passwd *pw = NULL;

	if (l->refused)
		*against = "no logins by certificate";
	else if (authenticate(l) == PAM_SUCCESS)
		pw = find_welcome(l, against);
	else
		*against = pam_strerror(l->pam, l->status);
	if (!pw || !l->auth->settings.pam_session)
		return pw;
	if (open_session(l) != PAM_SUCCESS) {
		*against = pam_strerror(l->pam, l->status);
		return NULL;
	}
	/* Modules asked for other entries meanwhile, in the place of this one. */
	return find_welcome(l, against);
}

/*
 * The whole login.  True when the user may come in, and the monitor knows.  A client who left in
 * the middle was not refused; what he answered before still counts as a try.
 */
static bool
log_in(struct login *l)
{
	bool known = getpwnam(l->user) != NULL;
	const char *against = NULL;
	const struct passwd *pw = admit(l, &against);
	struct auth *a = l->auth;

	if (pw) {
		auth_answer(a, a->session, AUTH_OK, buf_slice(&l->talk.text));
		return send_identity(l, pw) == 0;
	}
	if (!l->talk.abandoned)
		LOG(INFO, "PAM refused a login", LOG_NUM("session", a->session),
		    LOG_STR("user", l->user), LOG_STR("why", against));
	if (!l->talk.abandoned || l->talk.answered)
		auth_answer(a, a->session, known || l->refused ? AUTH_NO : AUTH_UNKNOWN,
			    buf_slice(&l->talk.text));
	return false;
}

/* Starts the agent, in the PAM session.  False when it failed: the agent's channel ends, which
 * tells. */
static bool
start_agent(struct login *l, int channel)
{
	int r = spawn_role("wharfd-agent", channel, SPAWN_LOG_FD, &l->agent);

	if (r == 0) {
		l->agent_pidfd = pidfd_open(l->agent, 0);
		r = l->agent_pidfd < 0 ? -errno : 0;
	}
	if (r < 0)
		LOG(ERROR, "an agent cannot be started", LOG_ERRNO(r));
	return r == 0;
}

/* The agent's channel is closed by the monitor too, so it leaves by itself; it is helped when it
 * does not. */
static void
end_agent(struct login *l)
{
	const struct timespec tick = {.tv_nsec = 10000000};

	for (int ms = 0; l->agent > 0 && ms < LEAVE_MS; ms += 10) {
		if (waitpid(l->agent, NULL, WNOHANG) != 0)
			l->agent = 0;
		else
			nanosleep(&tick, NULL);
	}
	if (l->agent > 0) {
		kill(l->agent, SIGKILL);
		waitpid(l->agent, NULL, 0);
	}
	fd_close(&l->agent_pidfd);
}

/* Stays until the monitor closes the channel or the agent ends, which is started when the monitor
 * asks for it. */
static void
hold(struct login *l)
{
	struct auth *a = l->auth;
	bool going_on = true;
	struct message m;

	wire_deinit(&a->worker);
	while (going_on && auth_wait(a, l->agent_pidfd) == AUTH_MONITOR &&
	       wire_recv(&a->monitor, &m) == 0) {
		if (m.id == MSG_A_AGENT && l->agent == 0)
			going_on = start_agent(l, m.fd);
		auth_take_common(a, &m);
	}
	end_agent(l);
}

int
pam_serve(struct auth *a)
{
	struct login l = {.auth = a, .agent_pidfd = -1};

	l.talk.auth = a;
	l.talk.left = (unsigned)a->settings.pam_timeout;
	if (confine(a) < 0 ||
	    wire_send(&a->monitor, &(struct message){.id = MSG_I_READY, .fd = -1}) < 0)
		return EX_OSERR;
	a->monitor.phase = WIRE_SERVING;
	if (await_login(&l) < 0)
		return EX_OK;
	talk_clock_start(&l.talk);
	bool in = log_in(&l);
	talk_clock_stop(&l.talk);
	explicit_bzero(l.talk.secret, sizeof(l.talk.secret));
	if (in)
		hold(&l);
	close_session(&l);
	if (l.pam)
		pam_end(l.pam, l.status);
	buf_deinit(&l.talk.text);
	return EX_OK;
}
