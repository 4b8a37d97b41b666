/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Channels: every message of messages.def goes over a real socket pair and comes out equal; what is
 * cut, too long, from the wrong side, in the wrong phase or with the wrong descriptors is refused
 * (attacks F11).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/fd.h>
#include <wharf/wire/wire.h>

enum fd_rule { NO_FD, WITH_FD, MAYBE_FD };

static const struct row {
	enum message_id id;
	enum wire_role from, to;
	enum wire_phase phase;
	enum fd_rule fd;
} rows[] = {
#define MESSAGE(NAME, name, from, to, phase, fd, fields) \
	{MSG_##NAME, WIRE_##from, WIRE_##to, WIRE_##phase, fd},
#include <wharf/wire/messages.def>
};

static void
fill_addr(struct sockaddr_storage *a, uint64_t seed)
{
	*a = (struct sockaddr_storage){0};
	if (seed % 3 == 1) {
		((struct sockaddr_in *)a)->sin_family = AF_INET;
		((struct sockaddr_in *)a)->sin_port = htons((uint16_t)seed);
		((struct sockaddr_in *)a)->sin_addr.s_addr = htonl((uint32_t)seed * 77);
	} else if (seed % 3 == 2) {
		((struct sockaddr_in6 *)a)->sin6_family = AF_INET6;
		((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)seed);
		((struct sockaddr_in6 *)a)->sin6_scope_id = 3;
		((struct sockaddr_in6 *)a)->sin6_addr.s6_addr[15] = (uint8_t)seed;
	}
}

/* Fills every field of a message with something that only it has. */
static void
fill(struct message *whole, enum message_id id, uint64_t seed)
{
	static const char text[] = "a name\0with \xff bytes";

	*whole = (struct message){.id = id, .fd = -1};
	switch (id) {
#define U8(f)    m->f = (uint8_t)(seed = seed * 31 + 7);
#define U16(f)   m->f = (uint16_t)(seed = seed * 31 + 7);
#define U32(f)   m->f = (uint32_t)(seed = seed * 0x9e3779b9u + 7);
#define U64(f)   m->f = (seed = seed * 0x9e3779b97f4a7c15u + 7);
#define I64(f)   m->f = -(int64_t)(seed = seed * 31 + 7);
#define BYTES(f) m->f = (struct slice){text, (seed = seed * 31 + 7) % sizeof(text)};
#define ADDR(f)  fill_addr(&m->f, seed++);
#define MESSAGE(NAME, name, from, to, phase, fd, fields) \
	case MSG_##NAME: {                               \
		struct name *m = &whole->name;           \
		(void)m;                                 \
		fields break;                            \
	}
#include <wharf/wire/messages.def>
#undef U8
#undef U16
#undef U32
#undef U64
#undef I64
#undef BYTES
#undef ADDR
	case MSG_COUNT:
		break;
	}
	(void)seed;
}

static void
assert_equal(const struct message *a, const struct message *b)
{
	assert_int_equal(a->id, b->id);
	switch (a->id) {
#define U8(f)    assert_int_equal(x->f, y->f);
#define U16(f)   assert_int_equal(x->f, y->f);
#define U32(f)   assert_int_equal(x->f, y->f);
#define U64(f)   assert_true(x->f == y->f);
#define I64(f)   assert_true(x->f == y->f);
#define BYTES(f) assert_true(slice_equal(x->f, y->f));
#define ADDR(f)  assert_memory_equal(&x->f, &y->f, sizeof(x->f));
#define MESSAGE(NAME, name, from, to, phase, fd, fields) \
	case MSG_##NAME: {                               \
		const struct name *x = &a->name;         \
		const struct name *y = &b->name;         \
		(void)x;                                 \
		(void)y;                                 \
		fields break;                            \
	}
#include <wharf/wire/messages.def>
	case MSG_COUNT:
		break;
	}
}

static void
open_channel(const struct row *row, struct wire *from, struct wire *to)
{
	int pair[2];

	assert_int_equal(fd_seqpacket_pair(pair), 0);
	wire_init(from, pair[0], row->from, row->to);
	wire_init(to, pair[1], row->to, row->from);
	from->phase = to->phase = row->phase == WIRE_ANY ? WIRE_SERVING : row->phase;
}

static void
test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint64_t seed = 1; seed < 20; seed++) {
			struct wire from, to;
			struct message sent, got;
			open_channel(&rows[i], &from, &to);
			fill(&sent, rows[i].id, seed);
			if (rows[i].fd == WITH_FD || (rows[i].fd == MAYBE_FD && seed % 2))
				sent.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
			assert_int_equal(wire_send(&from, &sent), 0);
			assert_int_equal(wire_recv(&to, &got), 0);
			assert_equal(&sent, &got);
			assert_int_equal(got.fd >= 0, sent.fd >= 0);
			if (got.fd >= 0)
				assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
			fd_close(&sent.fd);
			fd_close(&got.fd);
			wire_deinit(&from);
			assert_int_equal(wire_recv(&to, &got), WIRE_CLOSED);
			wire_deinit(&to);
		}
	}
}

/* Neither the sender's nor the receiver's side lets an illegal message through. */
static void
test_legality(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire from, to;
		struct message sent, got;
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		open_channel(&rows[i], &from, &to);
		fill(&sent, rows[i].id, 5);
		/* The wrong direction, and the wrong phase. */
		sent.fd = rows[i].fd == WITH_FD ? fd : -1;
		assert_int_equal(wire_send(&to, &sent), -EPROTO);
		if (rows[i].phase != WIRE_ANY) {
			to.phase = rows[i].phase == WIRE_START ? WIRE_SERVING : WIRE_START;
			assert_int_equal(wire_send(&from, &sent), 0);
			assert_int_equal(wire_recv(&to, &got), -EPROTO);
			assert_int_equal(got.fd, -1);
		}
		/* A descriptor where none belongs, none where one does. */
		sent.fd = rows[i].fd == WITH_FD ? -1 : fd;
		if (rows[i].fd != MAYBE_FD)
			assert_int_equal(wire_send(&from, &sent), -EPROTO);
		fd_close(&fd);
		wire_deinit(&from);
		wire_deinit(&to);
	}
}

/* Sends raw bytes with n descriptors. */
static void
send_raw(int socket, struct slice bytes, int n)
{
	struct iovec iov = {(void *)bytes.p, bytes.n};
	union {
		char space[CMSG_SPACE(sizeof(int) * 3)];
		struct cmsghdr align;
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		for (int i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + sizeof(int) * (size_t)i, &socket, sizeof(int));
	}
	assert_true(sendmsg(socket, &msg, 0) >= 0);
}

/* Every prefix of every message, and every message with a byte too many, is refused. */
static void
test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire from, to;
		struct message sent, got;
		char bytes[4096];

		open_channel(&rows[i], &from, &to);
		fill(&sent, rows[i].id, 3);
		if (rows[i].fd == WITH_FD)
			sent.fd = from.fd;
		assert_int_equal(wire_send(&from, &sent), 0);
		ssize_t n = recv(to.fd, bytes, sizeof(bytes), 0);
		assert_true(n > 0);
		int fds = rows[i].fd == WITH_FD;
		for (size_t cut = 1; cut < (size_t)n; cut++) {
			send_raw(from.fd, (struct slice){bytes, cut}, fds);
			assert_int_equal(wire_recv(&to, &got), -EPROTO);
		}
		bytes[n] = 0;
		send_raw(from.fd, (struct slice){bytes, (size_t)n + 1}, fds);
		assert_int_equal(wire_recv(&to, &got), -EPROTO);
		/* More descriptors than one: all are closed. */
		int before = fd_count();
		send_raw(from.fd, (struct slice){bytes, (size_t)n}, 3);
		assert_int_equal(wire_recv(&to, &got), -EPROTO);
		assert_int_equal(fd_count(), before);
		wire_deinit(&from);
		wire_deinit(&to);
	}
}

static void
test_garbage(void **state)
{
	struct row row = rows[MSG_F_OPEN];
	struct wire from, to;
	struct message got;

	(void)state;
	srandom(1);
	open_channel(&row, &from, &to);
	int before = fd_count();
	for (int round = 0; round < 200000; round++) {
		char bytes[64];
		size_t n = 1 + (size_t)random() % sizeof(bytes);
		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)random();
		bytes[0] = (char)(random() % (MSG_COUNT + 3));
		send_raw(from.fd, (struct slice){bytes, n}, round % 16 == 0);
		int r = wire_recv(&to, &got);
		assert_true(r == 0 || r == -EPROTO);
		if (r == 0) {
			assert_int_equal(rows[got.id].from, WIRE_WORKER);
			assert_int_equal(rows[got.id].to, WIRE_AGENT);
			fd_close(&got.fd);
		}
	}
	assert_int_equal(fd_count(), before);
	wire_deinit(&from);
	wire_deinit(&to);
}

static void
test_ids(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		wire_ids_add(&b, i * 40000000U);
	assert_int_equal(wire_ids_count(buf_slice(&b)), 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(wire_ids_get(buf_slice(&b), i), i * 40000000U);
	buf_deinit(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_legality),
		cmocka_unit_test(test_cut),        cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
