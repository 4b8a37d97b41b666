/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Commands that prepare a data connection and say how files go over it: PORT to RANG (RFC 959
 * §4.1.2, 2428, 3659 §5). */
#include <errno.h>
#include <netinet/in.h>

#include <wharf/base/address.h>
#include <wharf/ftp/hostport.h>
#include <wharf/ftp/number.h>

#include "command.h"

#define LOWEST_PORT 1024 /* RFC 2577 §3 */

/* Whatever was prepared is void, also when the new command fails (attacks A05). */
static void
forget_channel(struct ftp_session *s)
{
	s->world->disconnect(s);
	s->data = DATA_NONE;
}

/*
 * TLS sessions are resumed by tickets that some clients use once only, so that each data connection
 * wants its own (attacks B10).  It goes before the reply: who has read that has the ticket.
 */
static void
send_ticket(struct ftp_session *s)
{
	if (s->secure && s->protect)
		s->world->ticket(s);
}

static void
set_active(struct ftp_session *s, const struct sockaddr_storage *to)
{
	struct sockaddr_storage peer = endpoint_address(&s->peer);

	if (!address_same_host(to, &peer) || address_port(to) < LOWEST_PORT) {
		reply(s, 501, "Only your own address, and a port from %d.", LOWEST_PORT);
		return;
	}
	s->world->active(s, to);
	s->data = DATA_ACTIVE;
	send_ticket(s);
	reply(s, 200, "OK.");
}

/* After EPSV ALL nothing else may prepare a data connection (RFC 2428 §4); and active ones may be
 * forbidden. */
static bool
may_prepare(struct ftp_session *s, bool active)
{
	forget_channel(s);
	if (s->epsv_all) {
		reply(s, 501, "Only EPSV after EPSV ALL.");
		return false;
	}
	if (active && !s->settings->active) {
		reply(s, 502, "Active data connections are not served; use PASV or EPSV.");
		return false;
	}
	return true;
}

void
do_port(struct ftp_session *s, struct slice arg)
{
	union {
		struct sockaddr_storage any;
		struct sockaddr_in in;
	} to = {0};

	if (!may_prepare(s, true))
		return;
	if (hostport_parse_port(arg, &to.in) != 0)
		reply(s, 501, "h1,h2,h3,h4,p1,p2 is wanted.");
	else
		set_active(s, &to.any);
}

void
do_eprt(struct ftp_session *s, struct slice arg)
{
	struct sockaddr_storage to;

	if (!may_prepare(s, true))
		return;
	switch (hostport_parse_eprt(arg, &to)) {
	case 0:
		set_active(s, &to);
		break;
	case HOSTPORT_PROTOCOL:
		reply(s, 522, "Network protocol not supported, use (1,2)");
		break;
	default:
		reply(s, 501, "|protocol|address|port| is wanted.");
	}
}

/* The family of the control connection: the data connection's must be the same. */
static int
control_family(const struct ftp_session *s)
{
	struct sockaddr_storage local = endpoint_address(&s->local);

	address_unmap(&local);
	return local.ss_family;
}

static bool
listen_for_data(struct ftp_session *s, struct sockaddr_storage *announce)
{
	int r = s->world->passive(s, control_family(s), announce);

	if (r < 0) {
		reply(s, 425,
		      r == -EADDRINUSE
			      ? "All ports for data connections are taken, try again later."
			      : "Can't wait for a data connection.");
		return false;
	}
	s->data = DATA_PASSIVE;
	send_ticket(s);
	return true;
}

void
do_pasv(struct ftp_session *s, struct slice arg)
{
	struct sockaddr_storage announce;
	struct buf b = BUF_INIT;

	(void)arg;
	if (!may_prepare(s, false))
		return;
	if (control_family(s) != AF_INET) {
		reply(s, 425, "Use EPSV over IPv6.");
		return;
	}
	if (!listen_for_data(s, &announce))
		return;
	buf_add_str(&b, "227 Entering Passive Mode (");
	hostport_format_pasv(&b, (const struct sockaddr_in *)&announce);
	buf_add_str(&b, ").\r\n");
	reply_raw(s, 227, &b);
	buf_deinit(&b);
}

void
do_epsv(struct ftp_session *s, struct slice arg)
{
	struct sockaddr_storage announce;
	struct buf b = BUF_INIT;
	int family = AF_UNSPEC;
	int r = hostport_parse_epsv(arg, &family);

	forget_channel(s);
	if (r == HOSTPORT_ALL) {
		s->epsv_all = true;
		reply(s, 200, "Only EPSV from now on.");
	} else if (r == HOSTPORT_PROTOCOL ||
		   (r == 0 && family != AF_UNSPEC && family != control_family(s))) {
		reply(s, 522, "Network protocol not supported, use (%d)",
		      control_family(s) == AF_INET ? 1 : 2);
	} else if (r != 0) {
		reply(s, 501, "1, 2, ALL or nothing is wanted.");
	} else if (listen_for_data(s, &announce)) {
		buf_add_str(&b, "229 Entering Extended Passive Mode (");
		hostport_format_epsv(&b, address_port(&announce));
		buf_add_str(&b, ")\r\n");
		reply_raw(s, 229, &b);
	}
	buf_deinit(&b);
}

/* One of a command's legal arguments, and what it means. */
struct choice {
	const char *word;
	int value;
};

/* The value of the word, ignoring case; -1 when it is none of them. */
static int
choose(const struct choice *choices, size_t n, struct slice word)
{
	for (size_t i = 0; i < n; i++)
		if (slice_equal_nocase(word, slice_of(choices[i].word)))
			return choices[i].value;
	return -1;
}

void
do_type(struct ftp_session *s, struct slice arg)
{
	static const struct choice types[] = {
		{"A", 1}, {"A N", 1}, {"I", 0}, {"L 8", 0}, {"L8", 0}};
	int ascii = choose(types, sizeof(types) / sizeof(types[0]), arg);

	if (ascii < 0) {
		reply(s, 504, "TYPE A, A N, I or L 8 is served.");
		return;
	}
	s->ascii = ascii == 1;
	reply(s, 200, "TYPE is %s.", s->ascii ? "A" : "I");
}

void
do_stru(struct ftp_session *s, struct slice arg)
{
	static const struct choice structures[] = {{"F", 1}};

	if (choose(structures, 1, arg) < 0)
		reply(s, 504, "STRU F alone is served.");
	else
		reply(s, 200, "OK.");
}

void
do_mode(struct ftp_session *s, struct slice arg)
{
	static const struct choice modes[] = {{"S", 1}};

	if (choose(modes, 1, arg) < 0)
		reply(s, 504, "MODE S alone is served.");
	else
		reply(s, 200, "OK.");
}

void
restart_reset(struct ftp_session *s)
{
	s->restart = 0;
	s->range_start = 1;
	s->range_end = 0;
}

void
prepared_reset(struct ftp_session *s)
{
	restart_reset(s);
	s->allocated = 0;
}

/* Kept until the next transfer command, since clients send PASV or TYPE between (RFC 3659 §5.3). */
void
do_rest(struct ftp_session *s, struct slice arg)
{
	uint64_t offset;

	restart_reset(s);
	if (number_parse_u64(arg, INT64_MAX, &offset) != 0) {
		reply(s, 501, "An offset in bytes is wanted.");
	} else if (s->ascii && offset > 0) {
		/* Offsets in a translated stream are not offsets in the file. */
		reply(s, 504, "REST wants TYPE I.");
	} else {
		s->restart = offset;
		reply(s, 350, "Restarting at %llu.", (unsigned long long)offset);
	}
}

/* draft-bryan-ftp-range §3: both ends are included; "1 0" takes the range back. */
void
do_rang(struct ftp_session *s, struct slice arg)
{
	struct slice last;
	struct slice first = split_word(arg, &last);
	uint64_t start, end;

	restart_reset(s);
	if (number_parse_u64(first, INT64_MAX, &start) != 0 ||
	    number_parse_u64(last, INT64_MAX, &end) != 0) {
		reply(s, 501, "The first and the last byte are wanted.");
	} else if (start == 1 && end == 0) {
		reply(s, 350, "The range is all of the file.");
	} else if (start > end) {
		reply(s, 501, "The first byte is behind the last.");
	} else if (s->ascii) {
		reply(s, 504, "RANG wants TYPE I.");
	} else {
		s->range_start = start;
		s->range_end = end;
		reply(s, 350, "Restarting at %llu, to %llu.", (unsigned long long)start,
		      (unsigned long long)end);
	}
}
