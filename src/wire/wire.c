/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Channels between roles; see wharf/wire/wire.h.  Everything about a message is made from its row
 * in messages.def. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/wire/wire.h>

enum fd_rule { NO_FD, WITH_FD, MAYBE_FD };

/* What is left to read of a datagram.  A read past the end fails, and so do all that follow. */
struct reader {
	struct slice rest;
	bool bad;
};

static void
put_number(struct buf *b, uint64_t n, size_t bytes)
{
	const uint64_t little = htole64(n);

	/* All eight, since a known length is cheaper; what is too much is written over. */
	if (buf_reserve(b, sizeof(little)) < 0)
		return;
	memcpy(b->data + b->len, &little, sizeof(little));
	b->len += bytes;
}

static uint64_t
get_number(struct reader *r, size_t bytes)
{
	uint64_t n = 0;

	if (r->bad || r->rest.n < bytes) {
		r->bad = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		n |= (uint64_t)(unsigned char)r->rest.p[i] << (8 * i);
	r->rest = slice_from(r->rest, bytes);
	return n;
}

static void
put_bytes(struct buf *b, struct slice s)
{
	put_number(b, s.n, 4);
	buf_add_slice(b, s);
}

static struct slice
get_bytes(struct reader *r)
{
	size_t n = (size_t)get_number(r, 4);

	if (r->bad || r->rest.n < n) {
		r->bad = true;
		return SLICE_NULL;
	}
	struct slice s = slice_head(r->rest, n);
	r->rest = slice_from(r->rest, n);
	return s;
}

/* A family of 0, 4 or 6; then port, scope and the address's bytes. */
static void
put_addr(struct buf *b, const struct sockaddr_storage *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

	if (a->ss_family == AF_INET) {
		put_number(b, 4, 1);
		put_number(b, ntohs(in->sin_port), 2);
		buf_add(b, &in->sin_addr, sizeof(in->sin_addr));
	} else if (a->ss_family == AF_INET6) {
		put_number(b, 6, 1);
		put_number(b, ntohs(in6->sin6_port), 2);
		put_number(b, in6->sin6_scope_id, 4);
		buf_add(b, &in6->sin6_addr, sizeof(in6->sin6_addr));
	} else {
		put_number(b, 0, 1);
	}
}

static void
get_raw(struct reader *r, void *out, size_t n)
{
	if (r->bad || r->rest.n < n) {
		r->bad = true;
		return;
	}
	memcpy(out, r->rest.p, n);
	r->rest = slice_from(r->rest, n);
}

static struct sockaddr_storage
get_addr(struct reader *r)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&a;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a;
	uint64_t family = get_number(r, 1);

	if (family == 4) {
		a.ss_family = AF_INET;
		in->sin_port = htons((uint16_t)get_number(r, 2));
		get_raw(r, &in->sin_addr, sizeof(in->sin_addr));
	} else if (family == 6) {
		a.ss_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)get_number(r, 2));
		in6->sin6_scope_id = (uint32_t)get_number(r, 4);
		get_raw(r, &in6->sin6_addr, sizeof(in6->sin6_addr));
	} else if (family != 0) {
		r->bad = true;
	}
	return a;
}

/* An encoder and a decoder for each message. */
#define U8(f)    put_number(b, m->f, 1);
#define U16(f)   put_number(b, m->f, 2);
#define U32(f)   put_number(b, m->f, 4);
#define U64(f)   put_number(b, m->f, 8);
#define I64(f)   put_number(b, (uint64_t)m->f, 8);
#define BYTES(f) put_bytes(b, m->f);
#define ADDR(f)  put_addr(b, &m->f);
#define MESSAGE(NAME, name, from, to, phase, fd, fields)                   \
	static void put_##name(struct buf *b, const struct message *whole) \
	{                                                                  \
		const struct name *m = &whole->name;                       \
		(void)b;                                                   \
		(void)m;                                                   \
		fields                                                     \
	}
#include <wharf/wire/messages.def>
#undef U8
#undef U16
#undef U32
#undef U64
#undef I64
#undef BYTES
#undef ADDR

#define U8(f)    m->f = (uint8_t)get_number(r, 1);
#define U16(f)   m->f = (uint16_t)get_number(r, 2);
#define U32(f)   m->f = (uint32_t)get_number(r, 4);
#define U64(f)   m->f = get_number(r, 8);
#define I64(f)   m->f = (int64_t)get_number(r, 8);
#define BYTES(f) m->f = get_bytes(r);
#define ADDR(f)  m->f = get_addr(r);
#define MESSAGE(NAME, name, from, to, phase, fd, fields)                \
	static void get_##name(struct reader *r, struct message *whole) \
	{                                                               \
		struct name *m = &whole->name;                          \
		(void)r;                                                \
		(void)m;                                                \
		fields                                                  \
	}
#include <wharf/wire/messages.def>

static const struct row {
	const char *name;
	enum wire_role from, to;
	enum wire_phase phase;
	enum fd_rule fd;
	void (*put)(struct buf *, const struct message *);
	void (*get)(struct reader *, struct message *);
} rows[MSG_COUNT] = {
#define MESSAGE(NAME, name, from, to, phase, fd, fields) \
	[MSG_##NAME] = {#NAME, WIRE_##from, WIRE_##to, WIRE_##phase, fd, put_##name, get_##name},
#include <wharf/wire/messages.def>
};

void
wire_init(struct wire *w, int fd, enum wire_role self, enum wire_role peer)
{
	*w = (struct wire){.fd = fd, .self = self, .peer = peer, .phase = WIRE_START};
}

void
wire_deinit(struct wire *w)
{
	fd_close(&w->fd);
	buf_deinit(&w->in);
	buf_deinit(&w->out);
}

const char *
message_name(enum message_id id)
{
	return (unsigned)id < MSG_COUNT ? rows[id].name : "?";
}

/* Whether a message with or without a descriptor may go from one end to the other in this phase. */
static bool
is_legal(const struct row *row, enum wire_role from, enum wire_role to, enum wire_phase phase,
	 bool with_fd)
{
	return row->from == from && row->to == to &&
	       (row->phase == WIRE_ANY || row->phase == phase) &&
	       (row->fd == MAYBE_FD || (row->fd == WITH_FD) == with_fd);
}

void
message_encode(struct buf *out, const struct message *m)
{
	put_number(out, m->id, 1);
	rows[m->id].put(out, m);
}

int
message_decode(struct slice bytes, struct message *m)
{
	struct reader r = {bytes, false};
	uint64_t id = get_number(&r, 1);

	if (r.bad || id >= MSG_COUNT)
		return -EPROTO;
	m->id = (enum message_id)id;
	m->fd = -1;
	rows[id].get(&r, m);
	return r.bad || r.rest.n ? -EPROTO : 0;
}

int
wire_encode(struct wire *w, const struct message *m)
{
	const struct row *row = &rows[m->id];

	if (!is_legal(row, w->self, w->peer, w->phase, m->fd >= 0))
		return -EPROTO;
	buf_reset(&w->out);
	message_encode(&w->out, m);
	if (buf_error(&w->out) < 0)
		return -ENOMEM;
	return w->out.len > WIRE_MAX ? -EMSGSIZE : 0;
}

int
wire_send_encoded(struct wire *w, struct slice datagram, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)datagram.p, datagram.n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	for (;;) {
		if (sendmsg(w->fd, &msg, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
	}
}

int
wire_send(struct wire *w, const struct message *m)
{
	int r = wire_encode(w, m);

	return r < 0 ? r : wire_send_encoded(w, buf_slice(&w->out), m->fd);
}

/* Takes the first descriptor that came, closes any other (nobody may send more), and tells how many
 * there were. */
static size_t
take_descriptors(struct msghdr *msg, int *fd)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int one;
			memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n++ == 0)
				*fd = one;
			else
				close(one);
		}
	}
	return n;
}

/* Reads the datagram's fields.  0 or -EPROTO. */
static int
decode(const struct wire *w, struct slice datagram, struct message *m, bool fd_lost)
{
	struct reader r = {datagram, false};
	uint64_t id = get_number(&r, 1);

	if (r.bad || id >= MSG_COUNT)
		return -EPROTO;
	m->id = (enum message_id)id;
	if (!is_legal(&rows[id], w->peer, w->self, w->phase, m->fd >= 0 || fd_lost))
		return -EPROTO;
	rows[id].get(&r, m);
	return r.bad || r.rest.n ? -EPROTO : 0;
}

int
wire_recv(struct wire *w, struct message *m)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;

	buf_reset(&w->in);
	if (buf_reserve(&w->in, WIRE_MAX) < 0)
		return -ENOMEM;
	struct iovec iov = {w->in.data, WIRE_MAX};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space)};
	ssize_t n;

	do
		n = recvmsg(w->fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? WIRE_CLOSED : -errno;
	m->fd = -1;
	size_t fds = take_descriptors(&msg, &m->fd);
	/* No message is empty, so nothing at all is the end of the channel. */
	if (n == 0 && fds == 0)
		return WIRE_CLOSED;

	bool fd_lost = fds == 0 && (msg.msg_flags & MSG_CTRUNC);
	int r = -EPROTO;
	if (fds <= 1 && !(msg.msg_flags & MSG_TRUNC))
		r = decode(w, (struct slice){w->in.data, (size_t)n}, m, fd_lost);
	if (r < 0)
		fd_close(&m->fd);
	return r < 0 ? r : fd_lost ? WIRE_FD_LOST : 0;
}

void
wire_ids_add(struct buf *b, uint32_t id)
{
	put_number(b, id, 4);
}

size_t
wire_ids_count(struct slice ids)
{
	return ids.n / 4;
}

uint32_t
wire_ids_get(struct slice ids, size_t i)
{
	struct reader r = {slice_from(ids, i * 4), false};

	return (uint32_t)get_number(&r, 4);
}
