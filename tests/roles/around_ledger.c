/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The world of around_ledger.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/wire/journal.h>
#include <wharf/wire/ledger.h>

#include "around_ledger.h"

/* Who the ledger becomes where root runs the test. */
#define UID 1
#define GID 1

struct ledger_world world;

static _Noreturn void
become_ledger(int channel, rlim_t largest)
{
	const char *path = getenv("WHARF_LEDGER");
	char *const argv[] = {"wharfd-ledger", NULL};
	char *const envp[] = {"ASAN_OPTIONS=detect_leaks=0", NULL};
	int null = open("/dev/null", O_RDWR);
	int log = open(world.log, O_WRONLY | O_APPEND | O_CREAT, 0600);

	dup2(channel, 10);
	dup2(null, 0);
	dup2(null, 1);
	dup2(log, 2);
	dup2(10, 3);
	if (largest)
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){largest, RLIM_INFINITY});
	if (path)
		execve(path, argv, envp);
	_exit(127);
}

int
await(struct wire *w, struct message *m)
{
	struct pollfd wait = {.fd = w->fd, .events = POLLIN};

	assert_int_equal(poll(&wait, 1, 20000), 1);
	return wire_recv(w, m);
}

int
start_ledger_with(bool alone, rlim_t largest)
{
	struct buf bytes = BUF_INIT;
	struct message m;
	int pair[2];

	assert_int_equal(fd_seqpacket_pair(pair), 0);
	world.pid = fork();
	assert_true(world.pid >= 0);
	if (world.pid == 0)
		become_ledger(pair[1], largest);
	close(pair[1]);
	wire_init(&world.monitor, pair[0], WIRE_MONITOR, WIRE_LEDGER);
	settings_encode(&world.settings, &bytes);
	m = (struct message){.id = MSG_K_START,
			     .fd = -1,
			     .k_start = {geteuid() == 0, UID, GID, alone, buf_slice(&bytes),
					 slice_of(world.state)}};
	assert_int_equal(wire_send(&world.monitor, &m), 0);
	buf_deinit(&bytes);
	assert_int_equal(await(&world.monitor, &m), 0);
	assert_int_equal(m.id, MSG_K_READY);
	world.monitor.phase = WIRE_SERVING;
	return (int)m.k_ready.error;
}

void
run_ledger(void)
{
	const struct message m = {.id = MSG_K_RUN, .fd = -1};

	assert_int_equal(wire_send(&world.monitor, &m), 0);
}

void
start_ledger(bool alone)
{
	assert_int_equal(start_ledger_with(alone, 0), 0);
	run_ledger();
}

void
connect_worker(unsigned i)
{
	int pair[2];

	wire_deinit(&world.worker[i]);
	assert_int_equal(fd_seqpacket_pair(pair), 0);
	const struct message m = {.id = MSG_K_CHANNEL, .fd = pair[0], .k_channel = {i}};
	assert_int_equal(wire_send(&world.monitor, &m), 0);
	close(pair[0]);
	wire_init(&world.worker[i], pair[1], WIRE_WORKER, WIRE_LEDGER);
	world.worker[i].phase = WIRE_SERVING;
}

static void
forget_channels(void)
{
	wire_deinit(&world.monitor);
	for (unsigned i = 0; i < 3; i++)
		wire_deinit(&world.worker[i]);
}

void
kill_ledger(void)
{
	kill(world.pid, SIGKILL);
	waitpid(world.pid, NULL, 0);
	world.pid = 0;
	forget_channels();
}

int
stop_ledger(void)
{
	int status;

	for (unsigned i = 0; i < 3; i++)
		wire_deinit(&world.worker[i]);
	wire_deinit(&world.monitor);
	waitpid(world.pid, &status, 0);
	world.pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int
set_up_ledger(void **state)
{
	char spool[96];

	(void)state;
	memset(&world, 0, sizeof(world));
	strcpy(world.folder, "/tmp/wharf-ledger-XXXXXX");
	if (!mkdtemp(world.folder))
		return -1;
	/* As the monitor makes it. */
	if (geteuid() == 0 && (chown(world.folder, 0, GID) < 0 || chmod(world.folder, 01770) < 0))
		return -1;
	snprintf(world.database, sizeof(world.database), "%s/%s", world.folder, LEDGER_FILE);
	snprintf(world.log, sizeof(world.log), "%s/log", world.folder);
	snprintf(spool, sizeof(spool), "%s/%s", world.folder, SPOOL_FILE);
	world.spool = open(spool, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0660);
	if (world.spool < 0 || fchmod(world.spool, 0660) < 0 ||
	    (geteuid() == 0 && fchown(world.spool, 0, GID) < 0))
		return -1;
	for (unsigned i = 0; i < 3; i++)
		world.worker[i].fd = -1;
	world.monitor.fd = -1;
	if (settings_init(&world.settings) < 0)
		return -1;
	world.state = world.folder;
	return 0;
}

int
tear_down_ledger(void **state)
{
	char path[400];
	const struct dirent *e;
	DIR *dir = opendir(world.folder);

	(void)state;
	if (world.pid)
		kill_ledger();
	while ((e = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", world.folder, e->d_name);
		unlink(path);
	}
	closedir(dir);
	close(world.spool);
	settings_deinit(&world.settings);
	return rmdir(world.folder);
}

void
add_message(const struct message *m)
{
	struct buf out = BUF_INIT;

	assert_int_equal(journal_encode(&out, m), 0);
	assert_int_equal(write(world.spool, out.data, out.len), out.len);
	buf_deinit(&out);
}

long long
query(const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	long long n = -1;

	if (sqlite3_open_v2(world.database, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(db, 5000);
		if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
		    sqlite3_step(st) == SQLITE_ROW)
			n = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

void
pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

void
say(unsigned i, struct message m)
{
	assert_int_equal(wire_send(&world.worker[i], &m), 0);
}

const struct message *
hear(unsigned i)
{
	static struct message m;

	assert_int_equal(await(&world.worker[i], &m), 0);
	return &m;
}
