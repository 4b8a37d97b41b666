/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The log of sessions; see events.h. */
#include <wharf/base/address.h>
#include <wharf/base/log.h>

#include "events.h"
#include "secure.h"
#include "xferlog.h"

/* An event of a session, with the three fields that each has. */
#define EVENT(level, s, what, ...)                                                                \
	do {                                                                                      \
		if (log_wants(LOG_LEVEL_##level)) {                                               \
			struct sockaddr_storage from_ = endpoint_address(&(s)->ftp.peer);         \
			struct buf peer_ = BUF_INIT;                                              \
			address_format_host(&peer_, &from_);                                      \
			LOG(level, what, LOG_NUM("session", (s)->id),                             \
			    LOG_BYTES("peer", buf_slice(&peer_)), LOG_STR("user", (s)->ftp.user), \
			    __VA_ARGS__);                                                         \
			buf_deinit(&peer_);                                                       \
		}                                                                                 \
	} while (0)

void
event_opened(struct session *s)
{
	EVENT(INFO, s, "connection opened", LOG_NUM("listener", s->listener->id));
}

void
event_closed(struct session *s)
{
	EVENT(INFO, s, "connection closed",
	      LOG_NUM("seconds", (uv_now(&s->worker->loop) - s->born) / 1000));
}

void
event_command(struct session *s, struct slice line, unsigned code)
{
	EVENT(DEBUG, s, "command", LOG_BYTES("line", line), LOG_NUM("reply", code));
}

void
event_login(struct session *s, struct slice user, bool accepted, const char *why)
{
	if (accepted)
		EVENT(INFO, s, "login accepted", LOG_BYTES("name", user));
	else
		EVENT(INFO, s, "login refused", LOG_BYTES("name", user), LOG_STR("why", why));
}

void
event_stranger(struct session *s, const struct sockaddr_storage *from)
{
	struct buf text = BUF_INIT;

	address_format(&text, from);
	EVENT(INFO, s, "a stranger came to the data port and was turned away",
	      LOG_BYTES("stranger", buf_slice(&text)), LOG_NUM("port", s->port));
	buf_deinit(&text);
}

void
event_secured(struct session *s, struct slice user)
{
	const struct tls *t = s->secure->tls;

	EVENT(INFO, s, "TLS begins", LOG_STR("version", tls_version(t)),
	      LOG_STR("cipher", tls_cipher(t)), LOG_BYTES("sni", tls_sni(t)),
	      LOG_BYTES("certificate", user));
}

void
event_tls_failed(struct session *s, const char *why)
{
	EVENT(INFO, s, "TLS failed", LOG_STR("why", why));
}

void
event_data_tls_failed(struct session *s, const char *why)
{
	EVENT(INFO, s, "TLS failed on a data connection", LOG_STR("why", why));
}

/* What TLS a transfer had. */
static const char *
protection_of(const struct pump_result *result)
{
	if (!result->protected)
		return "no";
	return result->resumed ? "resumed" : "yes";
}

/* Whether an upload's file is where it was to be. */
static const char *
published(const struct transfer_record *record)
{
	if (!record->upload)
		return "";
	return record->whole ? "yes" : "no";
}

void
event_transfer(struct session *s, const struct transfer_record *record)
{
	EVENT(INFO, s, record->upload ? "upload" : "download",
	      LOG_BYTES("command", record->command), LOG_BYTES("path", record->path),
	      LOG_NUM("bytes", record->bytes),
	      LOG_REAL("seconds", (double)record->milliseconds / 1000),
	      LOG_STR("tls", protection_of(&s->result)), LOG_STR("verdict", record->verdict),
	      LOG_STR("published", published(record)), LOG_NUM("size", record->size),
	      LOG_BYTES("digest", record->digest),
	      LOG_BYTES("error", record->error < 0 ? log_errno(record->error) : SLICE("")));
	if (!transfer_is_of_a_file(record))
		return;
	if (s->worker->xferlog >= 0)
		xferlog_write(s->worker->xferlog, s, record);
	journal_transfer(s, record);
}

void
event_change(struct session *s, const struct change_record *record)
{
	EVENT(INFO, s, "changed", LOG_BYTES("command", record->command),
	      LOG_BYTES("path", record->path), LOG_BYTES("other", record->other));
	journal_change(s, record);
}
