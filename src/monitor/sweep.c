/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Sweeping; see sweep.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "agent.h"
#include "ledger.h"
#include "login.h"
#include "state_file.h"
#include "state.h"
#include "sweep.h"

#define KEY_SIZE 32
/* A hundred thousand roots, and a file by mistake is more. */
#define ROOTS_MAX (64U << 20)

#define TICK_MS 1000
/* So many agents are started in a turn, and live at a time, for sweeping alone. */
#define AGENTS_MAX 4
/* How often a root is swept: twice while a part is kept, within these bounds. */
#define PERIOD_MIN_MS 1000
#define PERIOD_MAX_MS 3600000

struct sweeps {
	struct monitor *monitor;
	int folder; /* state_directory */
	unsigned char key[KEY_SIZE];
	struct roots roots;
	uint64_t staged;     /* the last number that was given to a root */
	bool stale, failing; /* the file is not as the list is; it could not be written */
	uv_timer_t timer;
	bool timer_made;
};

static int
make_key(struct sweeps *s)
{
	if (getrandom(s->key, KEY_SIZE, 0) != KEY_SIZE)
		return -EAGAIN;
	return state_file_write(s->folder, STATE_KEY_FILE,
				(struct slice){(const char *)s->key, KEY_SIZE});
}

static int
read_key(struct sweeps *s)
{
	struct buf bytes = BUF_INIT;
	int r = state_file_read(s->folder, STATE_KEY_FILE, KEY_SIZE, &bytes);
	bool good = r == 0 && bytes.len == KEY_SIZE;

	if (good)
		memcpy(s->key, bytes.data, KEY_SIZE);
	buf_wipe(&bytes);
	if (good)
		return 0;
	if (r != -ENOENT)
		LOG(WARNING,
		    "the key of staged uploads is not as it was made, and is made anew; uploads "
		    "that "
		    "broke before can't be resumed",
		    LOG_STR("file", STATE_KEY_FILE),
		    LOG_BYTES("why", r == 0 ? SLICE("its size is not 32") : log_errno(r)));
	return make_key(s);
}

static int
read_roots(struct sweeps *s)
{
	struct buf text = BUF_INIT;
	size_t bad = 0;
	int r = state_file_read(s->folder, STATE_ROOTS_FILE, ROOTS_MAX, &text);

	if (r == 0)
		r = roots_read(&s->roots, buf_slice(&text), &bad);
	buf_deinit(&text);
	if (r == -ENOMEM)
		return r;
	if (r < 0 && r != -ENOENT)
		LOG(WARNING, "the list of roots with staged uploads cannot be read",
		    LOG_STR("file", STATE_ROOTS_FILE), LOG_ERRNO(r));
	if (bad)
		LOG(WARNING, "lines of the list of roots with staged uploads are none",
		    LOG_STR("file", STATE_ROOTS_FILE), LOG_NUM("lines", bad));
	s->stale = bad > 0 || (r < 0 && r != -ENOENT);
	return 0;
}

int
sweeps_open(struct monitor *m)
{
	struct sweeps *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s) {
		s->monitor = m;
		s->folder = m->state.folder;
		r = read_key(s);
		m->sweeps = s;
	}
	if (r == 0)
		r = read_roots(s);
	if (r < 0)
		LOG(ERROR, "state_directory cannot be used", LOG_STR("folder", m->state.path),
		    LOG_ERRNO(r));
	return r;
}

/* Puts the list in the place of the file.  What fails is tried again with the next turn. */
static void
write_roots(struct sweeps *s)
{
	struct buf text = BUF_INIT;

	roots_format(&s->roots, &text);
	int r = buf_error(&text);
	if (r == 0)
		r = state_file_write(s->folder, STATE_ROOTS_FILE, buf_slice(&text));
	buf_deinit(&text);
	s->stale = r < 0;
	if (r < 0 && !s->failing)
		LOG(WARNING, "the list of roots with staged uploads cannot be written",
		    LOG_STR("file", STATE_ROOTS_FILE), LOG_ERRNO(r));
	s->failing = r < 0;
}

/* Of a new one only its line is written, before the first part is long there. */
static void
append_root(struct sweeps *s, const struct root_owner *owner)
{
	struct buf line = BUF_INIT;

	root_format(owner, &line);
	if (s->stale || buf_error(&line) < 0 ||
	    state_file_append(s->folder, STATE_ROOTS_FILE, buf_slice(&line)) < 0)
		write_roots(s);
	buf_deinit(&line);
}

/* The settings of somebody who sweeps: his, and he may remove what he finds. */
static int
settings_of(const struct monitor *m, const struct root_owner *owner, struct settings *out)
{
	const struct login_claim claim = {.user = owner->user, .group_names = owner->group_names};
	int r = login_settings(m, &claim, 0, NULL, out);

	if (r < 0)
		return r;
	out->rights |= RIGHT(write) | RIGHT(delete);
	out->list_owners = WORD_list_owners_numbers;
	return 0;
}

/* What is against acting as that owner, as it would be at a login; or NULL. */
static const char *
policy_against(const struct monitor *m, const struct root_owner *owner)
{
	bool anonymous = slice_equal(owner->user, SLICE("anonymous"));
	const struct login_claim claim = {.source = anonymous ? WORD_source_anonymous
							      : WORD_source_users,
					  .user = owner->user,
					  .uid = owner->uid,
					  .gid = owner->gid};

	if (!m->as_root && (owner->uid != getuid() || owner->gid != getgid()))
		return "not who runs wharfd";
	if (anonymous && m->as_root &&
	    (owner->uid != m->anonymous.uid || owner->gid != m->anonymous.gid))
		return "not the anonymous user";
	return login_policy_against(m, &claim);
}

/* Starts an agent for the root, and says when it is due again.  Whether one was started. */
static bool
sweep(struct sweeps *s, struct root *root)
{
	struct monitor *m = s->monitor;
	const char *against = policy_against(m, &root->owner);
	struct agent_identity who = {.owner = root->owner};
	struct settings settings;
	struct buf blob = BUF_INIT;

	root->due = uv_now(&m->loop) + PERIOD_MAX_MS;
	if (against) {
		if (!root->refused)
			LOG(WARNING, "a root folder with staged uploads is not swept",
			    LOG_BYTES("user", root->owner.user),
			    LOG_BYTES("root", root->owner.folder), LOG_STR("why", against));
		root->refused = true;
		return false;
	}
	if (settings_of(m, &root->owner, &settings) < 0)
		return false;
	uint64_t period = settings.staging_keep * 500;
	period = period < PERIOD_MIN_MS ? PERIOD_MIN_MS : period;
	if (period < PERIOD_MAX_MS)
		root->due = uv_now(&m->loop) + period;
	settings_encode(&settings, &blob);
	settings_deinit(&settings);
	who.settings = buf_slice(&blob);
	/* One that lives there sweeps by itself. */
	bool started = buf_error(&blob) == 0 && !agents_serve(m, &root->owner) &&
		       agent_sweep(m, &who) == 0;
	buf_deinit(&blob);
	return started;
}

/* The one that is due for the longest time, or NULL. */
static struct root *
next_due(const struct sweeps *s)
{
	struct root *root, *next, *first = NULL;

	HASH_ITER (hh, s->roots.all, root, next)
		if (root->due <= uv_now(&s->monitor->loop) && (!first || root->due < first->due))
			first = root;
	return first;
}

static void
on_tick(uv_timer_t *timer)
{
	struct sweeps *s = timer->data;
	struct root *root;

	if (s->stale)
		write_roots(s);
	size_t n = agents_sweeping(s->monitor);
	while (n < AGENTS_MAX && !s->monitor->draining && (root = next_due(s)) != NULL)
		n += sweep(s, root);
	if (!s->roots.all && !s->stale)
		uv_timer_stop(timer);
}

static void
arm(struct sweeps *s)
{
	if (s->timer_made && !uv_is_active((uv_handle_t *)&s->timer))
		uv_timer_start(&s->timer, on_tick, TICK_MS, TICK_MS);
}

void
sweeps_start(struct monitor *m)
{
	struct sweeps *s = m->sweeps;

	uv_timer_init(&m->loop, &s->timer);
	s->timer.data = s;
	s->timer_made = true;
	if (s->roots.all || s->stale)
		uv_timer_start(&s->timer, on_tick, 0, TICK_MS);
}

void
sweeps_free(struct monitor *m)
{
	struct sweeps *s = m->sweeps;

	if (!s)
		return;
	if (s->stale)
		write_roots(s);
	roots_deinit(&s->roots);
	explicit_bzero(s->key, KEY_SIZE);
	free(s);
	m->sweeps = NULL;
}

struct slice
sweeps_key(const struct monitor *m)
{
	return (struct slice){(const char *)m->sweeps->key, KEY_SIZE};
}

bool
sweeps_begin(const struct monitor *m, const struct root_owner *owner, uint64_t *staged)
{
	const struct root *root = roots_find(&m->sweeps->roots, owner);

	*staged = root ? root->staged : 0;
	return root != NULL;
}

void
sweeps_expect(struct monitor *m, const struct root_owner *owner)
{
	struct sweeps *s = m->sweeps;
	bool known = roots_find(&s->roots, owner) != NULL;
	struct root *root = roots_add(&s->roots, owner);

	if (!root) {
		LOG(ERROR, "a root folder with staged uploads is not remembered",
		    LOG_BYTES("root", owner->folder), LOG_ERRNO(-ENOMEM));
		return;
	}
	root->staged = ++s->staged;
	if (!known) {
		root->due = uv_now(&m->loop) + PERIOD_MIN_MS;
		append_root(s, owner);
	}
	arm(s);
}

uint64_t
sweeps_done(struct monitor *m, const struct root_owner *owner, uint64_t staged,
	    const struct r_swept *swept)
{
	struct sweeps *s = m->sweeps;
	struct root *root = roots_find(&s->roots, owner);

	if (swept->files)
		LOG(INFO, "parts of broken uploads were removed", LOG_BYTES("user", owner->user),
		    LOG_BYTES("root", owner->folder), LOG_NUM("files", swept->files),
		    LOG_NUM("bytes", swept->bytes));
	if (swept->files || swept->bytes)
		ledger_freed(m, owner->user, swept);
	if (!root)
		return 0;
	if (swept->left || root->staged != staged)
		return root->staged;
	roots_drop(&s->roots, &root);
	s->stale = true;
	arm(s);
	return 0;
}

void
sweeps_failed(struct monitor *m, const struct root_owner *owner, int error, struct slice step)
{
	struct sweeps *s = m->sweeps;
	struct root *root = roots_find(&s->roots, owner);

	/* A folder that is gone has no parts. */
	if (!root || error != -ENOENT || !slice_equal(step, SLICE("root folder")))
		return;
	roots_drop(&s->roots, &root);
	s->stale = true;
	arm(s);
}
