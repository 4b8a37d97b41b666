/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Sweeping: what agent.h says.  One thread walks the tree of the root, without other mounts and
 * links, and sleeps until the oldest part that it has left may be due.  It never takes more than a
 * tenth of the time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/sandbox/jail.h>

#include "agent.h"
#include "part.h"
#include "tree.h"

#define STACK_BYTES (256UL * 1024)
/* A part that is written is looked at again after this time, or staging_keep if that is less. */
#define WRITTEN_SECONDS 3600
/* Sleeping for so many times as long as the walk has taken. */
#define REST_FACTOR 10
/* So soon after its upload was expected a part is there to be seen. */
#define EXPECT_SECONDS 60

struct sweeper {
	struct agent *agent;
	struct wire *monitor;
	pthread_mutex_t mutex; /* of all that follows, and of what is sent to the monitor */
	pthread_cond_t woken;
	bool is_told;    /* the monitor, that there may be parts */
	time_t expected; /* when an upload was expected last, on the clock below; 0: never */
	time_t due;      /* when to sweep; 0: never */
};

/* What a walk has found. */
struct sweep {
	int64_t bytes, files;
	time_t due; /* when the first of those that are left may be removed; 0: none is left */
};

/* Seconds of a clock that nobody sets. */
static time_t
seconds_now(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Microseconds, by the clock that those who count a user's files have too. */
static uint64_t
microseconds_now(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
leave(struct sweep *sweep, time_t in)
{
	time_t due = seconds_now() + (in < 1 ? 1 : in);

	if (sweep->due == 0 || due < sweep->due)
		sweep->due = due;
}

/*
 * How long a part is to be kept from now on; 0 for one that is old.  What has a time to come is
 * kept for its time from now on.
 */
static time_t
rest_of(const struct agent *agent, const struct stat *st)
{
	const time_t keep = (time_t)agent->settings.staging_keep;
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || now.tv_sec < st->st_ctim.tv_sec)
		return keep;
	time_t age = now.tv_sec - st->st_ctim.tv_sec;
	return age > keep ? 0 : keep + 1 - age;
}

/* Removes a part that is old and that nobody writes. */
static void
sweep_part(struct agent *agent, int folder, const char *name, struct sweep *sweep)
{
	const time_t keep = (time_t)agent->settings.staging_keep;
	struct stat st;
	int fd = part_open_idle(agent, folder, name);

	if (fd == -EBUSY)
		leave(sweep, keep < WRITTEN_SECONDS ? keep : WRITTEN_SECONDS);
	/* One that can't be opened may have a mode that was wished.  Who writes it changes its
	 * time. */
	if (fd < 0 && fd != -EACCES)
		return;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    st.st_uid == agent->who.uid) {
		time_t rest = rest_of(agent, &st);
		if (rest)
			leave(sweep, rest);
		else if (unlinkat(folder, name, 0) == 0) {
			sweep->bytes += st.st_size;
			sweep->files++;
		}
	}
	fd_close(&fd);
}

/* Walks the whole root. */
static int
sweep_root(struct agent *agent, struct sweep *sweep)
{
	struct folder_item item;
	struct tree tree;
	int fd = jail_open(agent->root, SLICE("/"), O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	int r = tree_init(&tree, fd, false);
	while (r == 0 && (r = tree_next(&tree, &item)) == 0)
		if (item.type == DT_REG && part_is_name(item.name))
			sweep_part(agent, tree.folder.fd, item.name.p, sweep);
	tree_deinit(&tree);
	return r == TREE_END ? 0 : r;
}

/* Tells the monitor.  Whoever calls has the mutex. */
static void
tell(struct sweeper *s, const struct message *m)
{
	int r = wire_send(s->monitor, m);

	if (r < 0)
		LOG(DEBUG, "the monitor does not hear of parts of uploads", LOG_ERRNO(r));
}

/* One sweep, and when the next is due. */
static void
sweep_once(struct sweeper *s)
{
	const time_t keep = (time_t)s->agent->settings.staging_keep;
	const time_t begin = seconds_now();
	const uint64_t since = microseconds_now();
	struct sweep sweep = {0};
	int r = sweep_root(s->agent, &sweep);
	const time_t end = seconds_now();

	if (r < 0) {
		LOG(WARNING, "old parts of uploads can't be looked for", LOG_ERRNO(r));
		leave(&sweep, keep);
	}
	if (sweep.files)
		LOG(INFO, "old parts of uploads were removed", LOG_NUM("files", sweep.files),
		    LOG_NUM("bytes", sweep.bytes));
	pthread_mutex_lock(&s->mutex);
	/* The walk may have missed one that came meanwhile. */
	if (s->expected && s->expected + EXPECT_SECONDS >= begin)
		leave(&sweep, keep);
	s->due = sweep.due;
	if (s->due && s->due < end + (end - begin) * REST_FACTOR)
		s->due = end + (end - begin) * REST_FACTOR;
	s->is_told = s->due != 0;
	const struct message m = {
		.id = MSG_R_SWEPT,
		.fd = -1,
		.r_swept = {(uint64_t)sweep.bytes, (uint64_t)sweep.files, since, s->due != 0}};
	tell(s, &m);
	pthread_mutex_unlock(&s->mutex);
}

static void *
run(void *arg)
{
	struct sweeper *s = arg;

	for (;;) {
		pthread_mutex_lock(&s->mutex);
		while (s->due == 0 || seconds_now() < s->due) {
			const struct timespec until = {.tv_sec = s->due};
			if (s->due)
				pthread_cond_timedwait(&s->woken, &s->mutex, &until);
			else
				pthread_cond_wait(&s->woken, &s->mutex);
		}
		pthread_mutex_unlock(&s->mutex);
		sweep_once(s);
	}
	return NULL;
}

/* Its own thread, which ends with the process. */
static int
start_thread(struct sweeper *s)
{
	pthread_condattr_t clock;
	pthread_attr_t attr;
	pthread_t thread;
	int r = pthread_condattr_init(&clock);

	if (r)
		return -r;
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&s->woken, &clock);
	pthread_condattr_destroy(&clock);
	pthread_mutex_init(&s->mutex, NULL);
	r = pthread_attr_init(&attr);
	if (r)
		return -r;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, run, s);
	pthread_attr_destroy(&attr);
	return -r;
}

int
sweep_start(struct agent *agent, struct wire *monitor, bool now)
{
	struct sweeper *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->agent = agent;
	s->monitor = monitor;
	s->is_told = now;
	s->due = now ? seconds_now() : 0;
	int r = start_thread(s);
	if (r < 0) {
		free(s);
		return r;
	}
	agent->sweeper = s;
	return 0;
}

void
sweep_expect(struct agent *agent)
{
	const struct message stages = {.id = MSG_R_STAGES, .fd = -1};
	struct sweeper *s = agent->sweeper;

	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->expected = seconds_now();
	if (!s->is_told)
		tell(s, &stages);
	s->is_told = true;
	if (s->due == 0) {
		s->due = s->expected + (time_t)agent->settings.staging_keep + 1;
		pthread_cond_signal(&s->woken);
	}
	pthread_mutex_unlock(&s->mutex);
}
