/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The loop: the monitor's channel, those of the workers, and batches for the database. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <wharf/base/buf.h>
#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "ledger.h"

/* What came within this time is one transaction. */
#define BATCH_MS 200
/* The spool is looked at so often, also when nobody says that it has grown. */
#define LOOK_MS 1000
/* After an error: a disk that is full. */
#define PAUSE_MIN_MS 500
#define PAUSE_MAX_MS 15000
/* So long workers have to tell of the sessions that began before this process did. */
#define BEGIN_MS 3000
/* So many messages of one worker a turn. */
#define MESSAGES_A_TURN 64
/* A worker that does not read at all is not fed for ever. */
#define UNSENT_MAX (4U << 20)

/* To a worker. */
struct channel {
	uint64_t id;
	uint32_t worker;
	bool begun; /* it has told of sessions from before */
	bool lost;
	struct wire wire;
	struct buf unsent; /* datagrams, each with its length before it (4 bytes) */
};

static uint64_t
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct quota_time
quota_now(void)
{
	struct timespec t, wall;

	clock_gettime(CLOCK_MONOTONIC, &t);
	clock_gettime(CLOCK_REALTIME, &wall);
	return (struct quota_time){(uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000,
				   (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000};
}

/* --- the database --- */

static int
note(struct ledger *l, int r)
{
	if (r == -EUCLEAN)
		l->damaged = true;
	return r;
}

static int
load_row(void *owner, struct slice user, struct quota_row *row)
{
	struct ledger *l = owner;

	return note(l, store_get_quota(&l->store, user, row));
}

static int
save_row(void *owner, struct slice user, const struct quota_row *row)
{
	struct ledger *l = owner;

	return note(l, store_set_quota(&l->store, user, row));
}

/* A new database in the place of one that is damaged: of who is not here now, quotas are counted
 * anew. */
static int
renew(struct ledger *l)
{
	int r = store_renew(&l->store);

	quotas_rewrite(&l->quotas);
	if (r == 0)
		r = journal_restart(&l->journal, &l->store);
	l->damaged = r < 0;
	return r;
}

/* One transaction of what there is.  Returns the number of records, or a negative errno. */
static int
write_batch(struct ledger *l, bool final)
{
	int r = l->damaged ? renew(l) : 0;
	int records = 0;

	if (r == 0)
		r = store_begin(&l->store);
	if (r == 0 && l->journal.fd >= 0)
		records = r = journal_take(&l->journal, &l->store, monotonic(), final);
	if (r >= 0)
		r = quotas_save(&l->quotas, save_row);
	if (r == 0)
		r = store_commit(&l->store);
	if (r < 0) {
		store_rollback(&l->store);
		journal_again(&l->journal);
		note(l, r);
		return r;
	}
	if (l->journal.fd >= 0)
		journal_taken(&l->journal);
	quotas_saved(&l->quotas, quota_now());
	return records;
}

/* Writes what there is, if it is time. */
static void
flush(struct ledger *l)
{
	if (l->now < l->flush_at)
		return;
	l->flush_at = l->now + LOOK_MS;
	if (!journal_waits(&l->journal) && !quotas_dirty(&l->quotas) && !l->damaged)
		return;
	int r = write_batch(l, false);
	l->last_flush = l->now = monotonic();
	if (r < 0) {
		l->pause = l->pause ? l->pause * 2 : PAUSE_MIN_MS;
		if (l->pause > PAUSE_MAX_MS)
			l->pause = PAUSE_MAX_MS;
		l->flush_at = l->now + l->pause;
		return;
	}
	l->pause = 0;
	l->flush_at = l->now + (r >= JOURNAL_BATCH ? 0 : LOOK_MS);
}

/* Something is to be written, soon. */
static void
flush_soon(struct ledger *l)
{
	const uint64_t at = l->last_flush + BATCH_MS;

	if (l->pause == 0 && at < l->flush_at)
		l->flush_at = at;
}

/* --- channels --- */

static struct channel *
find_channel(const struct ledger *l, uint64_t id)
{
	for (size_t i = 0; i < l->n_channels; i++)
		if (l->channels[i]->id == id)
			return l->channels[i];
	return NULL;
}

static void
lose(struct channel *c, const char *why)
{
	if (!c->lost && why)
		LOG(ERROR, "a worker's channel is closed", LOG_NUM("worker", c->worker),
		    LOG_STR("why", why));
	c->lost = true;
}

static void
send_waiting(struct channel *c)
{
	while (c->unsent.len && !c->lost) {
		uint32_t n;
		memcpy(&n, c->unsent.data, sizeof(n));
		int r = wire_send_encoded(&c->wire, (struct slice){c->unsent.data + sizeof(n), n},
					  -1);
		if (r == -EAGAIN)
			return;
		if (r < 0)
			lose(c, NULL);
		else
			buf_consume(&c->unsent, sizeof(n) + n);
	}
}

static void
send_to(void *owner, uint64_t peer, const struct message *m)
{
	struct channel *c = find_channel(owner, peer);

	if (!c || c->lost)
		return;
	int r = wire_encode(&c->wire, m);
	if (r == 0 && !c->unsent.len)
		r = wire_send_encoded(&c->wire, buf_slice(&c->wire.out), -1);
	else if (r == 0)
		r = -EAGAIN;
	if (r == -EAGAIN) {
		const uint32_t n = (uint32_t)c->wire.out.len;
		buf_add(&c->unsent, &n, sizeof(n));
		buf_add(&c->unsent, c->wire.out.data, n);
		r = buf_error(&c->unsent) < 0 || c->unsent.len > UNSENT_MAX ? -ENOBUFS : 0;
	}
	if (r < 0)
		lose(c, r == -EPIPE ? NULL : "it does not read");
}

static const struct quota_calls quota_calls = {load_row, save_row, send_to};

static void
free_channel(struct channel *c)
{
	wire_deinit(&c->wire);
	buf_deinit(&c->unsent);
	free(c);
}

static void
drop_lost(struct ledger *l)
{
	for (size_t i = 0; i < l->n_channels;) {
		struct channel *c = l->channels[i];
		if (!c->lost) {
			i++;
			continue;
		}
		l->channels[i] = l->channels[--l->n_channels];
		quotas_lose(&l->quotas, c->id, quota_now());
		free_channel(c);
		flush_soon(l);
		i = 0; /* by what others were told, more may be lost */
	}
}

static int
add_channel(struct ledger *l, uint32_t worker, int fd)
{
	struct channel **more = reallocarray(l->channels, l->n_channels + 1,
					     sizeof(struct channel *));
	struct channel *c = calloc(1, sizeof(*c));

	if (more)
		l->channels = more;
	if (!more || !c || fd_set_nonblocking(fd, true) < 0) {
		free(c);
		fd_close(&fd);
		return -ENOMEM;
	}
	c->id = ++l->last_channel;
	c->worker = worker;
	wire_init(&c->wire, fd, WIRE_LEDGER, WIRE_WORKER);
	c->wire.phase = WIRE_SERVING;
	l->channels[l->n_channels++] = c;
	return 0;
}

/* Takes at most so many messages.  Whether there may be more. */
static bool
on_worker(struct ledger *l, struct channel *c, unsigned most)
{
	for (unsigned i = 0; i < most && !c->lost; i++) {
		struct message m;
		int r = wire_recv(&c->wire, &m);
		if (r == -EAGAIN)
			return false;
		if (r != 0) {
			lose(c, r == WIRE_CLOSED ? NULL : "what it sent is not legal");
			return false;
		}
		if (m.id == MSG_Q_BEGUN)
			c->begun = true;
		else if (m.id != MSG_Q_SPOOLED)
			r = quotas_take(&l->quotas, c->id, &m, quota_now());
		if (r < 0)
			lose(c, message_name(m.id));
		flush_soon(l);
	}
	return !c->lost;
}

/* Whether each worker has told of its sessions from before, or has had its time. */
static bool
may_begin(const struct ledger *l)
{
	bool all = true;

	for (size_t i = 0; i < l->n_channels; i++)
		all = all && l->channels[i]->begun;
	return l->run && (all || l->now >= l->run + BEGIN_MS);
}

/* 0, or a negative errno when the monitor is gone, or said what it may not. */
static int
on_monitor(struct ledger *l)
{
	struct message m;
	int r = wire_recv(&l->monitor, &m);

	if (r == -EAGAIN)
		return 0;
	if (r == WIRE_FD_LOST) {
		LOG(ERROR, "a descriptor was lost", LOG_STR("message", message_name(m.id)));
		return 0;
	}
	if (r != 0)
		return r < 0 ? r : -EPIPE;
	switch (m.id) {
	case MSG_K_CHANNEL:
		return add_channel(l, m.k_channel.worker, m.fd);
	case MSG_K_RUN:
		l->run = l->now;
		return 0;
	case MSG_K_LOG:
		log_replace(m.fd);
		fd_close(&m.fd);
		return 0;
	case MSG_K_FREED:
		quotas_freed(&l->quotas, &m.k_freed);
		flush_soon(l);
		return 0;
	default:
		return -EPROTO;
	}
}

/* --- the process --- */

int
ledger_open(struct ledger *l)
{
	l->now = monotonic();
	l->flush_at = l->now;
	quotas_init(&l->quotas, &quota_calls, l);
	int r = store_open(&l->store, l->folder);
	/* Who went before was killed, and workers may have told him of changes that he never read.
	 */
	if (r == 0 && !l->alone)
		r = store_distrust_quotas(&l->store);
	if (r == 0)
		r = journal_open(&l->journal, &l->store, l->folder, l->alone);
	return r;
}

static int
timeout(const struct ledger *l)
{
	uint64_t at = l->flush_at;

	if (l->run && !l->quotas.began && l->run + BEGIN_MS < at)
		at = l->run + BEGIN_MS;
	return at <= l->now ? 0 : (int)(at - l->now);
}

static int
turn(struct ledger *l, struct pollfd *fds)
{
	const size_t n = l->n_channels;
	int r = 0;

	fds[0] = (struct pollfd){.fd = l->monitor.fd, .events = POLLIN};
	for (size_t i = 0; i < n; i++)
		fds[i + 1] = (struct pollfd){
			.fd = l->channels[i]->wire.fd,
			.events = (short)(POLLIN | (l->channels[i]->unsent.len ? POLLOUT : 0))};
	if (poll(fds, n + 1, timeout(l)) < 0 && errno != EINTR)
		return -errno;
	l->now = monotonic();
	for (size_t i = 0; i < n; i++) {
		if (fds[i + 1].revents & POLLOUT)
			send_waiting(l->channels[i]);
		if (fds[i + 1].revents & ~POLLOUT)
			on_worker(l, l->channels[i], MESSAGES_A_TURN);
	}
	drop_lost(l);
	if (fds[0].revents)
		r = on_monitor(l);
	if (!l->quotas.began && may_begin(l))
		quotas_begin(&l->quotas, l->alone, quota_now());
	flush(l);
	return r;
}

/* The monitor is gone, and was so only after the workers: what they have told is taken, and all
 * rows are closed. */
static void
end(struct ledger *l)
{
	int r;

	for (size_t i = 0; i < l->n_channels; i++)
		while (on_worker(l, l->channels[i], MESSAGES_A_TURN))
			;
	drop_lost(l);
	do {
		r = write_batch(l, true);
	} while (r >= 0 && (journal_waits(&l->journal) || quotas_dirty(&l->quotas)));
	if (r < 0)
		LOG(ERROR, "the ledger ends and has not written all: the spool keeps the records",
		    LOG_ERRNO(r));
}

int
ledger_serve(struct ledger *l)
{
	struct pollfd *fds = NULL;
	int r = fd_set_nonblocking(l->monitor.fd, true);

	while (r == 0) {
		struct pollfd *more = reallocarray(fds, l->n_channels + 1, sizeof(*fds));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		fds = more;
		r = turn(l, fds);
	}
	free(fds);
	end(l);
	if (r != -EPIPE)
		LOG(ERROR, "the ledger ends", LOG_ERRNO(r));
	return r == -EPIPE ? EX_OK : EX_OSERR;
}

void
ledger_close(struct ledger *l)
{
	while (l->n_channels)
		free_channel(l->channels[--l->n_channels]);
	free(l->channels);
	quotas_deinit(&l->quotas);
	journal_close(&l->journal);
	store_close(&l->store);
	wire_deinit(&l->monitor);
}
