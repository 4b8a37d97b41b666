/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Answering workers.  Each channel has a few identical threads that all wait on its socket, so that
 * the kernel is the queue, and one that hangs on a dead disk leaves the others.  There are more of
 * them when none is left to wait: uploads that wait for the disk together share its work, and those
 * who ask for less do not wait behind them.  What may be asked is the table of requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/ftp/path.h>

#include "agent.h"

#define THREADS     2  /* of a channel, at first */
#define THREADS_MAX 32 /* and at most; they stay as long as the channel */
#define STACK_BYTES (256UL * 1024)

struct request {
	enum message_id answer;
	unsigned right;     /* of settings.rights; 0: none, or the handler's business */
	size_t path, path2; /* where its paths are in struct message, or 0 */
	size_t id;          /* where its id is */
	size_t answer_id, answer_error;
	int (*handler)(struct agent *, const struct message *, struct message *, struct buf *);
};

#define AT(field) offsetof(struct message, field)
#define REQUEST(NAME, name, ANSWER, answer, right, path, path2, handler)                   \
	[MSG_##NAME] = {MSG_##ANSWER,     right,  path, path2, AT(name.id), AT(answer.id), \
			AT(answer.error), handler}

static const struct request requests[MSG_COUNT] = {
	REQUEST(F_OPEN, f_open, R_OPENED, r_opened, 0, AT(f_open.path), 0, do_open),
	REQUEST(F_PREPARE, f_prepare, R_OPENED, r_opened, RIGHT(overwrite), AT(f_prepare.path), 0,
		do_prepare),
	REQUEST(F_COMMIT, f_commit, R_CLOSED, r_closed, 0, AT(f_commit.path), 0, do_commit),
	REQUEST(F_KEEP, f_keep, R_CLOSED, r_closed, 0, AT(f_keep.path), 0, do_keep),
	REQUEST(F_STAT, f_stat, R_STAT, r_stat, 0, AT(f_stat.path), 0, do_stat),
	REQUEST(F_LIST, f_list, R_LISTING, r_listing, RIGHT(list), AT(f_list.path), 0, do_list),
	REQUEST(F_MKDIR, f_mkdir, R_DONE, r_done, RIGHT(mkdir), AT(f_mkdir.path), 0, do_mkdir),
	REQUEST(F_RMDIR, f_rmdir, R_DONE, r_done, RIGHT(delete), AT(f_rmdir.path), 0, do_rmdir),
	REQUEST(F_UNLINK, f_unlink, R_DONE, r_done, RIGHT(delete), AT(f_unlink.path), 0, do_unlink),
	REQUEST(F_RENAME, f_rename, R_DONE, r_done, RIGHT(rename), AT(f_rename.from),
		AT(f_rename.to), do_rename),
	REQUEST(F_CHMOD, f_chmod, R_DONE, r_done, RIGHT(chmod), AT(f_chmod.path), 0, do_chmod),
	REQUEST(F_CHGRP, f_chgrp, R_DONE, r_done, RIGHT(chmod), AT(f_chgrp.path), 0, do_chgrp),
	REQUEST(F_UTIME, f_utime, R_DONE, r_done, RIGHT(chmod), AT(f_utime.path), 0, do_utime),
	/* A link to a hidden name would be another name for it. */
	REQUEST(F_SYMLINK, f_symlink, R_DONE, r_done, RIGHT(write), AT(f_symlink.path),
		AT(f_symlink.target), do_symlink),
	REQUEST(F_SPACE, f_space, R_SPACE, r_space, 0, AT(f_space.path), 0, do_space),
	REQUEST(F_USAGE, f_usage, R_USAGE, r_usage, 0, 0, 0, do_usage),
};

struct channel {
	struct agent *agent;
	int fd;
	atomic_uint threads; /* the last one frees it */
	atomic_uint waiting; /* of these, for a request */
};

/* One thread's view of it. */
struct server {
	struct channel *channel;
	struct wire wire;
	struct buf scratch;
};

static void *serve(void *arg);

bool
agent_hides(const struct agent *agent, struct slice name)
{
	return path_hidden(name, (const char *const *)agent->settings.hidden.item,
			   agent->settings.hidden.n);
}

void
name_terminate(struct slice name, char out[])
{
	memcpy(out, name.p, name.n);
	out[name.n] = '\0';
}

static struct slice
slice_at(const struct message *m, size_t at)
{
	struct slice s;

	memcpy(&s, (const char *)m + at, sizeof(s));
	return s;
}

/* Whether a request changes nothing: kept versions may be shown, and no more. */
static bool
only_reads(const struct message *in)
{
	return in->id == MSG_F_STAT || in->id == MSG_F_LIST ||
	       (in->id == MSG_F_OPEN && !(in->f_open.how & OPEN_WRITE));
}

static bool
is_closed(const struct agent *agent, struct slice path, bool versions)
{
	return agent_hides(agent, path) || path_reserved(path, versions);
}

/* What the table can refuse.  0 or a negative errno. */
static int
check(const struct agent *agent, const struct request *request, const struct message *in)
{
	const bool versions = agent->settings.show_versions && only_reads(in);

	if ((request->path && is_closed(agent, slice_at(in, request->path), versions)) ||
	    (request->path2 && is_closed(agent, slice_at(in, request->path2), versions)))
		return -ENOENT;
	return agent_may(agent, request->right) ? 0 : -EACCES;
}

static void
copy_u32(struct message *out, size_t at, const void *value)
{
	memcpy((char *)out + at, value, sizeof(uint32_t));
}

/* Sends an answer, and closes its descriptor, before anybody is told that its lock is taken. */
static int
hand_over(struct server *s, struct message *out)
{
	struct agent *agent = s->channel->agent;
	const bool has_fd = out->fd >= 0;

	if (has_fd)
		pthread_rwlock_rdlock(&agent->handing);
	int r = wire_send(&s->wire, out);
	fd_close(&out->fd);
	if (has_fd)
		pthread_rwlock_unlock(&agent->handing);
	return r;
}

/* error: what has gone wrong already, or 0.  Takes over in->fd. */
static int
answer(struct server *s, struct message *in, int error)
{
	const struct request *request = &requests[in->id];
	struct message out = {.id = request->answer, .fd = -1};

	buf_reset(&s->scratch);
	struct agent *agent = s->channel->agent;
	int r = error < 0 ? error : check(agent, request, in);
	if (r == 0)
		r = request->handler(agent, in, &out, &s->scratch);
	/* What was counted until then stays in the answer. */
	if (r < 0)
		fd_close(&out.fd);
	/* With it goes its lock, before the worker can ask for the file again. */
	fd_close(&in->fd);
	const uint32_t positive = (uint32_t)-r;
	copy_u32(&out, request->answer_id, (const char *)in + request->id);
	copy_u32(&out, request->answer_error, &positive);
	return hand_over(s, &out);
}

/* Takes one more thread into account and starts it.  0 or a negative errno. */
static int
start_thread(struct channel *channel)
{
	struct server *s = calloc(1, sizeof(*s));
	pthread_attr_t attr;
	pthread_t thread;

	if (!s)
		return -ENOMEM;
	int own = fcntl(channel->fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0) {
		int r = -errno;
		free(s);
		return r;
	}
	s->channel = channel;
	wire_init(&s->wire, own, WIRE_AGENT, WIRE_WORKER);
	s->wire.phase = WIRE_SERVING;
	atomic_fetch_add(&channel->threads, 1);
	int r = -pthread_attr_init(&attr);
	if (r == 0)
		r = -pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (r == 0)
		r = -pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (r == 0)
		r = -pthread_create(&thread, &attr, serve, s);
	pthread_attr_destroy(&attr);
	if (r < 0) {
		atomic_fetch_sub(&channel->threads, 1);
		wire_deinit(&s->wire);
		free(s);
	}
	return r;
}

/* The thread, or who has started none, is done with the channel. */
static void
leave(struct channel *channel)
{
	if (atomic_fetch_sub(&channel->threads, 1) > 1)
		return;
	fd_close(&channel->fd);
	free(channel);
}

static int
next_request(struct server *s, struct message *in)
{
	struct channel *channel = s->channel;

	atomic_fetch_add(&channel->waiting, 1);
	const int r = wire_recv(&s->wire, in);
	/* Where no more can be had, those that there are have to do. */
	if (atomic_fetch_sub(&channel->waiting, 1) == 1 && r >= 0 && r != WIRE_CLOSED &&
	    atomic_load(&channel->threads) < THREADS_MAX)
		(void)start_thread(channel);
	return r;
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	struct message in;
	int r;

	do {
		r = next_request(s, &in);
		if (r == 0 || r == WIRE_FD_LOST)
			r = answer(s, &in, r == 0 ? 0 : -EMFILE);
	} while (r == 0);
	/* Nobody sends by accident what may not be sent: that worker is not to be trusted. */
	if (r == -EPROTO) {
		LOG(ERROR, "a worker sent what it may not, the agent ends");
		_exit(EXIT_FAILURE);
	}
	wire_deinit(&s->wire);
	buf_deinit(&s->scratch);
	leave(s->channel);
	free(s);
	return NULL;
}

int
serve_channel(struct agent *agent, int fd)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	int r = 0;

	if (!channel) {
		fd_close(&fd);
		return -ENOMEM;
	}
	*channel = (struct channel){.agent = agent, .fd = fd, .threads = 1};
	for (int i = 0; i < THREADS && r == 0; i++)
		r = start_thread(channel);
	leave(channel);
	return r;
}
