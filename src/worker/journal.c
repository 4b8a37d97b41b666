/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Records of the journal; see journal.h. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/address.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>
#include <wharf/wire/journal.h>

#include "session.h"

/* The ledger is told of records no more often. */
#define TELL_MS 100

void
journal_init(struct journal *j, uv_loop_t *loop, struct ledger *ledger)
{
	*j = (struct journal){.fd = -1, .ledger = ledger};
	uv_timer_init(loop, &j->timer);
	j->timer.data = j;
}

void
journal_open(struct journal *j, int fd)
{
	fd_close(&j->fd);
	j->fd = fd;
}

static void
tell(uv_timer_t *timer)
{
	struct journal *j = timer->data;
	struct message m = {.id = MSG_Q_SPOOLED, .fd = -1};

	ledger_tell(j->ledger, &m);
}

void
journal_close(struct journal *j)
{
	if (uv_is_active((uv_handle_t *)&j->timer))
		tell(&j->timer);
	uv_close((uv_handle_t *)&j->timer, NULL);
	fd_close(&j->fd);
}

/* One call a record.  One that can't be written is lost, and no session waits for it. */
static void
append(struct journal *j, const struct message *m)
{
	struct buf record = BUF_INIT;
	int r = journal_encode(&record, m);

	if (r == 0) {
		ssize_t n = write(j->fd, record.data, record.len);
		r = n < 0 ? -errno : (size_t)n < record.len ? -ENOSPC : 0;
	}
	buf_deinit(&record);
	if (r < 0)
		j->lost++;
	if (r < 0 && !j->failed)
		LOG(ERROR, "the journal can't be written", LOG_NUM("lost", j->lost), LOG_ERRNO(r));
	j->failed = r < 0;
	if (r == 0 && !uv_is_active((uv_handle_t *)&j->timer))
		uv_timer_start(&j->timer, tell, TELL_MS, 0);
}

static uint64_t
wall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void
journal_transfer(struct session *s, const struct transfer_record *record)
{
	struct journal *j = &s->worker->journal;
	struct sockaddr_storage from = endpoint_address(&s->ftp.peer);
	struct buf peer = BUF_INIT;

	if (j->fd < 0)
		return;
	address_format_host(&peer, &from);
	const struct message m = {
		.id = MSG_J_TRANSFER,
		.fd = -1,
		.j_transfer = {
			.time = wall_clock(),
			.session = s->id,
			.user = slice_of(s->ftp.user),
			.peer = buf_slice(&peer),
			.command = record->command,
			.path = record->path,
			.upload = record->upload,
			.ascii = record->ascii,
			.tls = s->result.protected,
			.published = record->whole, /* a download: sent to its end */
			.bytes = record->bytes,
			.size = record->size,
			.milliseconds = record->milliseconds,
			.verdict = slice_of(record->verdict),
			.digest = record->digest,
			.error = record->error < 0 ? log_errno(record->error) : SLICE(""),
		}};
	append(j, &m);
	buf_deinit(&peer);
}

void
journal_change(struct session *s, const struct change_record *record)
{
	struct journal *j = &s->worker->journal;
	struct sockaddr_storage from = endpoint_address(&s->ftp.peer);
	struct buf peer = BUF_INIT;

	if (j->fd < 0)
		return;
	address_format_host(&peer, &from);
	const struct message m = {.id = MSG_J_CHANGE,
				  .fd = -1,
				  .j_change = {.time = wall_clock(),
					       .session = s->id,
					       .user = slice_of(s->ftp.user),
					       .peer = buf_slice(&peer),
					       .command = record->command,
					       .path = record->path,
					       .other = record->other}};
	append(j, &m);
	buf_deinit(&peer);
}
