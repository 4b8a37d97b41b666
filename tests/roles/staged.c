/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Staged uploads and the ledger; see staged.h. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "staged.h"

#define STAGE ".wharfd-abcdefghijklmnopqrstuvwxyz"

struct wire ledger;

void
connect_ledger(const struct q_open *session)
{
	int channel;

	make_channel(&ledger, WIRE_LEDGER, &channel);
	tell(&world.monitor, (struct message){.id = MSG_W_LEDGER, .fd = channel});
	if (session) {
		struct q_open got = hear(&ledger, MSG_Q_OPEN).q_open;
		assert_true(slice_equal(got.user, SLICE("anonymous")));
		assert_int_equal(got.bytes, session->bytes);
		assert_int_equal(got.files, session->files);
	}
	hear(&ledger, MSG_Q_BEGUN);
}

/* "crc32:cbf43926" of the file. */
static const char *
crc_of(int file)
{
	static char text[32];
	uint32_t crc = 0xffffffff;
	unsigned char byte;

	for (off_t at = 0; pread(file, &byte, 1, at) == 1; at++) {
		crc ^= byte;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	snprintf(text, sizeof(text), "crc32:%08x", ~crc);
	return text;
}

int
store(struct client *c, struct message *open)
{
	uint16_t port = passive(c);

	say(c, "STOR f\r\n");
	int fd = connect_from(INADDR_LOOPBACK, port);
	*open = hear(&world.agent, MSG_F_OPEN);
	return fd;
}

void
answer_staged(int file, struct message open, bool created)
{
	struct stat st;

	assert_true(open.f_open.how & OPEN_STAGE);
	assert_int_equal(fstat(file, &st), 0);
	tell(&world.agent, (struct message){.id = MSG_R_OPENED,
					    .fd = reopen(file, O_RDWR),
					    .r_opened = {.id = open.f_open.id,
							 .size = (uint64_t)st.st_size,
							 .created = created,
							 .made = created,
							 .files = created,
							 .stage = SLICE(STAGE)}});
}

int
begin(struct client *c, int file, bool created)
{
	struct message open;
	int fd = store(c, &open);

	answer_staged(file, open, created);
	return fd;
}

int
begun(struct client *c, int file, bool created)
{
	int fd = begin(c, file, created);

	assert_int_equal(reply_code(c), 150);
	return fd;
}

/* The descriptor that came is the file. */
static void
assert_is_file(int fd, int file)
{
	struct stat want, got;

	assert_int_equal(fstat(file, &want), 0);
	assert_int_equal(fstat(fd, &got), 0);
	assert_int_equal(got.st_ino, want.st_ino);
	close(fd);
}

uint32_t
hear_commit(int file)
{
	struct message m = hear(&world.agent, MSG_F_COMMIT);

	assert_true(slice_equal(m.f_commit.path, SLICE("/f")));
	assert_true(slice_equal(m.f_commit.stage, SLICE(STAGE)));
	assert_true(slice_equal(m.f_commit.digest, slice_of(crc_of(file))));
	assert_is_file(m.fd, file);
	return m.f_commit.id;
}

uint32_t
hear_keep(int file, bool discard)
{
	struct message m = hear(&world.agent, MSG_F_KEEP);

	assert_true(slice_equal(m.f_keep.path, SLICE("/f")));
	assert_true(slice_equal(m.f_keep.stage, SLICE(STAGE)));
	assert_int_equal(m.f_keep.discard, discard);
	assert_is_file(m.fd, file);
	return m.f_keep.id;
}

void
answer_closed(uint32_t id, uint64_t size, int64_t bytes, int64_t files)
{
	tell(&world.agent,
	     (struct message){
		     .id = MSG_R_CLOSED,
		     .fd = -1,
		     .r_closed = {.id = id, .size = size, .bytes = bytes, .files = files}});
}

void
store_whole(struct client *c, int file, const char *bytes)
{
	int fd = begun(c, file, true);

	write_all(fd, bytes, strlen(bytes));
	close(fd);
	answer_closed(hear_commit(file), strlen(bytes), 0, 0);
	assert_int_equal(reply_code(c), 226);
}

void
dele(struct client *c, int64_t bytes, int64_t files)
{
	say(c, "DELE f\r\n");
	struct message m = hear(&world.agent, MSG_F_UNLINK);
	tell(&world.agent, (struct message){.id = MSG_R_DONE,
					    .fd = -1,
					    .r_done = {m.f_unlink.id, 0, bytes, files}});
	assert_int_equal(reply_code(c), 250);
}
