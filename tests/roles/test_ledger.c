/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A real wharfd-ledger: the test is its monitor and its workers, writes to its spool, reads its
 * database and kills it.  The program is named by the environment's WHARF_LEDGER.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/conf/settings.h>
#include <wharf/wire/journal.h>
#include <wharf/wire/ledger.h>

/* Who the ledger becomes where root runs the test. */
#define UID 1
#define GID 1

static struct {
	char folder[64], database[96], log[96];
	const char *state; /* where it is told to work */
	int spool;
	pid_t pid;
	struct wire monitor, worker[3];
	struct settings settings;
	unsigned records; /* that were appended */
} world;

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

static int
await(struct wire *w, struct message *m)
{
	struct pollfd wait = {.fd = w->fd, .events = POLLIN};

	assert_int_equal(poll(&wait, 1, 20000), 1);
	return wire_recv(w, m);
}

/* Starts one, and returns the error of its K_READY. */
static int
start_with(bool alone, rlim_t largest)
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

/* Each worker has its channel. */
static void
run(void)
{
	const struct message m = {.id = MSG_K_RUN, .fd = -1};

	assert_int_equal(wire_send(&world.monitor, &m), 0);
}

static void
start(bool alone)
{
	assert_int_equal(start_with(alone, 0), 0);
	run();
}

static void
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

static void
kill_it(void)
{
	kill(world.pid, SIGKILL);
	waitpid(world.pid, NULL, 0);
	world.pid = 0;
	forget_channels();
}

/* As the monitor ends it: returns its exit code. */
static int
stop(void)
{
	int status;

	for (unsigned i = 0; i < 3; i++)
		wire_deinit(&world.worker[i]);
	wire_deinit(&world.monitor);
	waitpid(world.pid, &status, 0);
	world.pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int
set_up(void **state)
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

static int
tear_down(void **state)
{
	char path[400];
	const struct dirent *e;
	DIR *dir = opendir(world.folder);

	(void)state;
	if (world.pid)
		kill_it();
	while ((e = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", world.folder, e->d_name);
		unlink(path);
	}
	closedir(dir);
	close(world.spool);
	settings_deinit(&world.settings);
	return rmdir(world.folder);
}

static void
add_records(unsigned n)
{
	struct buf out = BUF_INIT;
	char path[300];

	for (unsigned i = 0; i < n; i++, world.records++) {
		struct message m = {.id = MSG_J_TRANSFER, .fd = -1};
		int length = snprintf(path, sizeof(path), "/%u%*s", world.records,
				      (int)(world.records % 200), "x");
		m.j_transfer = (struct j_transfer){.time = world.records,
						   .session = world.records,
						   .user = SLICE("alice"),
						   .path = {path, (size_t)length}};
		buf_reset(&out);
		assert_int_equal(journal_encode(&out, &m), 0);
		assert_int_equal(write(world.spool, out.data, out.len), out.len);
	}
	buf_deinit(&out);
}

static long long
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

#define ROWS     query("SELECT count(*) FROM journal")
#define SESSIONS query("SELECT count(DISTINCT session) FROM journal")

static void
pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void
wait_for_rows(long long n, unsigned ms)
{
	for (unsigned i = 0; i < ms / 10 && ROWS < n; i++)
		pause_ms(10);
	assert_int_equal(ROWS, n);
}

static void
say(unsigned i, struct message m)
{
	assert_int_equal(wire_send(&world.worker[i], &m), 0);
}

#define SAY(i, NAME, name, ...) \
	say((i), (struct message){.id = MSG_##NAME, .fd = -1, .name = {__VA_ARGS__}})

static const struct message *
hear(unsigned i)
{
	static struct message m;

	assert_int_equal(await(&world.worker[i], &m), 0);
	return &m;
}

/* Whether it says anything within so many milliseconds. */
static bool
says_something(unsigned i, int ms)
{
	struct pollfd wait = {.fd = world.worker[i].fd, .events = POLLIN};

	return poll(&wait, 1, ms) != 0;
}

static bool
log_has(const char *text)
{
	struct buf all = BUF_INIT;
	FILE *f = fopen(world.log, "r");
	size_t n;

	assert_non_null(f);
	do {
		assert_int_equal(buf_reserve(&all, 65536), 0);
		n = fread(all.data + all.len, 1, 65536, f);
		all.len += n;
	} while (n);
	fclose(f);
	bool has = all.len && memmem(all.data, all.len, text, strlen(text));
	buf_deinit(&all);
	return has;
}

static void
records_are_rows_soon(void **state)
{
	(void)state;
	start(true);
	connect_worker(0);
	add_records(3);
	SAY(0, Q_SPOOLED, q_spooled, );
	wait_for_rows(3, 600);
	/* Also where nobody says so. */
	add_records(3000);
	wait_for_rows(3003, 3000);
	assert_int_equal(stop(), 0);
	assert_int_equal(SESSIONS, 3003);
	assert_false(log_has(" error "));
	assert_false(log_has(" warning "));
}

static void
the_end_leaves_nothing_behind(void **state)
{
	char path[160];

	(void)state;
	start(true);
	add_records(2500);
	assert_int_equal(stop(), 0);
	snprintf(path, sizeof(path), "%s-wal", world.database);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(ROWS, 2500);
	start(true);
	struct stat st;
	assert_int_equal(fstat(world.spool, &st), 0);
	assert_int_equal(st.st_size, 0);
	add_records(1);
	assert_int_equal(stop(), 0);
	assert_int_equal(ROWS, 2501);
}

/* In the middle of batches, and also of its start. */
static void
killed_it_loses_and_doubles_nothing(void **state)
{
	(void)state;
	srand(11);
	start(true);
	for (unsigned i = 0; i < 40; i++) {
		connect_worker(0);
		for (int n = rand() % 4; n >= 0; n--) {
			add_records((unsigned)rand() % 700);
			SAY(0, Q_SPOOLED, q_spooled, );
			pause_ms(rand() % 120);
		}
		kill_it();
		add_records(5);
		/* The first of a daemon may cut the spool, to which nobody writes then. */
		start(rand() % 3 == 0);
	}
	assert_int_equal(stop(), 0);
	assert_int_equal(ROWS, world.records);
	assert_int_equal(SESSIONS, world.records);
	assert_false(log_has(" warning "));
	assert_false(log_has(" error "));
}

static void
a_quota_is_kept(void **state)
{
	const struct slice user = SLICE("alice");
	const uint64_t none = UINT64_MAX;

	(void)state;
	start(true);
	connect_worker(0);
	connect_worker(1);
	SAY(0, Q_OPEN, q_open, user, 86400, 0, 0);
	SAY(0, Q_RESERVE, q_reserve, 5, user, 1000, none, 700, 1, 1, 0);
	assert_int_equal(hear(0)->id, MSG_Q_SCAN);
	/* On the disk before anything is granted. */
	assert_int_equal(query("SELECT open FROM quota WHERE user = 'alice'"), 1);
	SAY(0, Q_SCANNED, q_scanned, 5, user, 0, 100, 1, 1);
	const struct message *m = hear(0);
	assert_int_equal(m->id, MSG_Q_RESERVED);
	assert_int_equal(m->q_reserved.error, 0);
	assert_int_equal(m->q_reserved.bytes, 700);
	SAY(1, Q_OPEN, q_open, user, 86400, 0, 0);
	SAY(1, Q_RESERVE, q_reserve, 9, user, 1000, none, 700, 300, 1, 0);
	assert_int_equal(hear(1)->q_reserved.error, EDQUOT);
	SAY(0, Q_CHANGE, q_change, user, 700, 1, 650, 1, UINT64_MAX, 0, 0);
	SAY(0, Q_ASK, q_ask, 6, user);
	m = hear(0);
	assert_int_equal(m->id, MSG_Q_TOLD);
	assert_int_equal(m->q_told.bytes, 750);
	assert_int_equal(m->q_told.files, 2);
	SAY(0, Q_CLOSE, q_close, user);
	SAY(1, Q_CLOSE, q_close, user);
	assert_int_equal(stop(), 0);
	assert_int_equal(query("SELECT bytes FROM quota WHERE open = 0"), 750);
}

/* Of a tally that was open when it was killed, and of one that was not. */
static void
killed_it_has_the_files_counted_anew(void **state)
{
	const struct slice user = SLICE("alice");

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		start(i != 2);
		connect_worker(0);
		SAY(0, Q_OPEN, q_open, user, 86400, 0, 0);
		SAY(0, Q_ASK, q_ask, 1, user);
		assert_int_equal(hear(0)->id, MSG_Q_SCAN);
		SAY(0, Q_SCANNED, q_scanned, 1, user, 0, 100 + i, 1, 1);
		assert_int_equal(hear(0)->q_told.bytes, 100 + i);
		if (i == 1) {
			SAY(0, Q_CLOSE, q_close, user);
			assert_int_equal(stop(), 0);
			assert_int_equal(query("SELECT open FROM quota"), 0);
		} else {
			kill_it();
			assert_int_equal(query("SELECT open FROM quota"), 1);
		}
	}
	start(true);
	connect_worker(0);
	SAY(0, Q_OPEN, q_open, user, 86400, 0, 0);
	SAY(0, Q_CLOSE, q_close, user);
	assert_int_equal(stop(), 0);
	assert_int_equal(query("SELECT open FROM quota"), 1);
}

/* After another one was killed it answers when all workers have told what they have, or had their
 * time. */
static void
it_begins_when_all_have_told(void **state)
{
	const struct slice user = SLICE("alice");
	const struct message begun = {.id = MSG_Q_BEGUN, .fd = -1};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bool all_tell = i == 0;
		assert_int_equal(start_with(false, 0), 0);
		connect_worker(0);
		connect_worker(1);
		SAY(0, Q_OPEN, q_open, user, 86400, 0, 0);
		say(0, begun);
		SAY(0, Q_ASK, q_ask, 1, user);
		assert_false(says_something(0, 100));
		run();
		assert_false(says_something(0, 100));
		SAY(1, Q_OPEN, q_open, user, 86400, 500, 1);
		assert_false(says_something(0, 100));
		if (all_tell)
			say(1, begun);
		assert_int_equal(hear(0)->id, MSG_Q_SCAN);
		SAY(0, Q_SCANNED, q_scanned, 1, user, 0, 100, 1, 1);
		const struct message *m = hear(0);
		assert_int_equal(m->q_told.bytes, 100);
		assert_int_equal(m->q_told.reserved_bytes, 500);
		assert_int_equal(m->q_told.reserved_files, 1);
		assert_int_equal(stop(), 0);
	}
}

static void
a_worker_that_lies_is_cut_off_alone(void **state)
{
	struct message m;

	(void)state;
	start(true);
	connect_worker(0);
	connect_worker(1);
	assert_int_equal(send(world.worker[0].fd, "nonsense", 8, 0), 8);
	assert_int_equal(await(&world.worker[0], &m), WIRE_CLOSED);
	SAY(1, Q_CLOSE, q_close, SLICE("alice"));
	assert_int_equal(await(&world.worker[1], &m), WIRE_CLOSED);
	connect_worker(2);
	SAY(2, Q_OPEN, q_open, SLICE("alice"), 0, 0, 0);
	SAY(2, Q_ASK, q_ask, 4, SLICE("alice"));
	assert_int_equal(hear(2)->id, MSG_Q_SCAN);
	assert_int_equal(stop(), 0);
	assert_true(log_has("a worker's channel is closed"));
}

/* Who asks much and reads nothing costs memory up to a bound. */
static void
a_worker_that_does_not_read_is_cut_off(void **state)
{
	int r = 0;

	(void)state;
	start(true);
	connect_worker(0);
	SAY(0, Q_OPEN, q_open, SLICE("alice"), 86400, 0, 0);
	SAY(0, Q_ASK, q_ask, 1, SLICE("alice"));
	assert_int_equal(hear(0)->id, MSG_Q_SCAN);
	SAY(0, Q_SCANNED, q_scanned, 1, SLICE("alice"), 0, 1, 1, 1);
	for (unsigned i = 0; i < 400000 && r == 0; i++)
		r = wire_send(
			&world.worker[0],
			&(struct message){.id = MSG_Q_ASK, .fd = -1, .q_ask = {i, SLICE("alice")}});
	assert_int_equal(r, -EPIPE);
	assert_int_equal(stop(), 0);
	assert_true(log_has("it does not read"));
}

static void
a_full_disk_keeps_records_in_the_spool(void **state)
{
	(void)state;
	assert_int_equal(start_with(true, 200000), 0);
	run();
	connect_worker(0);
	for (unsigned i = 0; i < 20; i++) {
		add_records(300);
		SAY(0, Q_SPOOLED, q_spooled, );
		pause_ms(30);
	}
	pause_ms(1500);
	assert_true(log_has("the ledger's database fails"));
	assert_true(ROWS < world.records);
	/* It goes on serving, and ends as it should. */
	SAY(0, Q_OPEN, q_open, SLICE("alice"), 86400, 0, 0);
	SAY(0, Q_ASK, q_ask, 1, SLICE("alice"));
	assert_int_equal(hear(0)->id, MSG_Q_SCAN);
	assert_int_equal(stop(), 0);
	assert_true(log_has("the spool keeps the records"));
	start(true);
	wait_for_rows(world.records, 20000);
	assert_int_equal(stop(), 0);
	assert_int_equal(SESSIONS, world.records);
}

static void
a_damaged_database_is_replaced(void **state)
{
	(void)state;
	start(true);
	add_records(20);
	assert_int_equal(stop(), 0);
	int fd = open(world.database, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "no database, surely", 19), 19);
	close(fd);
	start(true);
	add_records(7);
	assert_int_equal(stop(), 0);
	assert_int_equal(ROWS, 7);
	assert_true(log_has("is damaged: a new one is begun"));
}

/* What is wrong with the folder is told, and is no crash. */
static void
without_a_folder_it_says_so(void **state)
{
	(void)state;
	world.state = "/nonexistent";
	assert_int_not_equal(start_with(true, 0), 0);
	assert_int_not_equal(stop(), 0);
}

static void
the_log_is_turned_over(void **state)
{
	char path[120];

	(void)state;
	start(true);
	snprintf(path, sizeof(path), "%s/log2", world.folder);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	const struct message m = {.id = MSG_K_LOG, .fd = fd};
	assert_int_equal(wire_send(&world.monitor, &m), 0);
	close(fd);
	connect_worker(0);
	assert_int_equal(send(world.worker[0].fd, "nonsense", 8, 0), 8);
	assert_int_equal(stop(), 0);
	assert_false(log_has("a worker's channel"));
	strcpy(world.log, path);
	assert_true(log_has("a worker's channel"));
}

/* What wharfctl prints, with its exit code in a last line. */
static char *
ctl(const char *arguments)
{
	struct buf out = BUF_INIT;
	char *line = NULL;
	int n;

	assert_true(asprintf(&line, "'%s' %s --config '%s/conf' 2>&1", getenv("WHARF_CTL"),
			     arguments, world.folder) > 0);
	FILE *f = popen(line, "r");
	assert_non_null(f);
	while ((n = fgetc(f)) != EOF)
		buf_add_byte(&out, (char)n);
	buf_printf(&out, "%d", WEXITSTATUS(pclose(f)));
	free(line);
	buf_add_byte(&out, '\0');
	return out.data;
}

static void
expect_ctl(const char *arguments, const char *wanted)
{
	char *got = ctl(arguments);

	assert_string_equal(got, wanted);
	free(got);
}

static void
add_message(const struct message *m)
{
	struct buf out = BUF_INIT;

	assert_int_equal(journal_encode(&out, m), 0);
	assert_int_equal(write(world.spool, out.data, out.len), out.len);
	buf_deinit(&out);
}

static void
write_conf(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/conf", world.folder);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f,
		"listener main { address = \"127.0.0.1\" port = 24999 }\n"
		"state_directory = \"%s\"\n",
		world.folder);
	fclose(f);
}

static void
add_history(void)
{
	struct message m = {.id = MSG_J_TRANSFER, .fd = -1};

	m.j_transfer = (struct j_transfer){.time = 1700000000123,
					   .session = 7,
					   .user = SLICE("alice"),
					   .peer = SLICE("127.0.0.1"),
					   .command = SLICE("STOR"),
					   .path = SLICE("/in/a \"b\"\xff\n"),
					   .upload = 1,
					   .tls = 1,
					   .published = 1,
					   .bytes = 5,
					   .size = 5,
					   .milliseconds = 12,
					   .verdict = SLICE("fin"),
					   .digest = SLICE("crc32:9ae0daaf")};
	add_message(&m);
	m.j_transfer = (struct j_transfer){.time = 1700000001000,
					   .session = 8,
					   .user = SLICE("bob"),
					   .peer = SLICE("::1"),
					   .command = SLICE("RETR"),
					   .path = SLICE("/out"),
					   .bytes = 3,
					   .size = 9,
					   .verdict = SLICE("abor"),
					   .error = SLICE("broken")};
	add_message(&m);
	m = (struct message){.id = MSG_J_CHANGE, .fd = -1};
	m.j_change = (struct j_change){1700000002000, 8,           SLICE("bob"),  SLICE("::1"),
				       SLICE("RNTO"), SLICE("/x"), SLICE("/in/y")};
	add_message(&m);
}

#define A                                                                                       \
	"2023-11-14T22:13:20.123Z alice 127.0.0.1 STOR \"/in/a \\\"b\\\"\\xff\\x0a\" 5 bytes, " \
	"whole, fin, crc32:9ae0daaf\n"
#define B "2023-11-14T22:13:21.000Z bob ::1 RETR \"/out\" 3 bytes, not whole, abor, broken\n"
#define C "2023-11-14T22:13:22.000Z bob ::1 RNTO \"/x\" \"/in/y\"\n"

static void
history_tells(void **state)
{
	static const struct {
		const char *arguments, *output;
	} rows[] = {
		{"history", A B C "0"},
		{"history --user alice", A "0"},
		{"history --user nobody", "0"},
		{"history --path /in/", A C "0"},
		{"history --path '*/y'", C "0"},
		{"history --path '/o?t'", B "0"},
		{"history --verdict abor", B "0"},
		{"history --since 2023-11-14", A B C "0"},
		{"history --since 2023-11-14T22:14", "0"},
		{"history --since 30m", "0"},
		{"history --since 5000d --user bob --verdict abor --format text", B "0"},
		{"history --since yesterday",
		 "wharfctl: yesterday is no time: 30m, 2d, YYYY-MM-DD or YYYY-MM-DDTHH:MM\n64"},
		{"history --since 2023-11-14x",
		 "wharfctl: 2023-11-14x is no time: 30m, 2d, YYYY-MM-DD or YYYY-MM-DDTHH:MM\n64"},
		{"history --format xml", "wharfctl: xml is no format: text or json\n64"},
		{"history --format json --user alice",
		 "{\"time\":\"2023-11-14T22:13:20.123Z\",\"kind\":\"upload\",\"session\":7,"
		 "\"user\":\"alice\",\"peer\":\"127.0.0.1\",\"command\":\"STOR\","
		 "\"path\":\"/in/a \\\"b\\\"\\\\xff\\\\x0a\",\"bytes\":5,\"size\":5,"
		 "\"milliseconds\":12,\"whole\":true,\"tls\":true,\"ascii\":false,\"verdict\":"
		 "\"fin\","
		 "\"digest\":\"crc32:9ae0daaf\",\"error\":\"\"}\n0"},
		{"history --format json --path /x",
		 "{\"time\":\"2023-11-14T22:13:22.000Z\",\"kind\":\"change\",\"session\":8,"
		 "\"user\":\"bob\",\"peer\":\"::1\",\"command\":\"RNTO\",\"path\":\"/x\","
		 "\"other\":\"/in/y\"}\n0"},
	};

	(void)state;
	write_conf();
	start(true);
	/* It waits for what stands in the spool. */
	add_history();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_ctl(rows[i].arguments, rows[i].output);
	assert_int_equal(stop(), 0);
	/* Also without a ledger, and then it does not wait for ever. */
	expect_ctl("history --user alice", A "0");
	add_history();
	expect_ctl("history --user alice",
		   "wharfctl: the newest records are missing: the ledger has not taken them yet\n" A
		   "0");
	unlink(world.database);
	char *got = ctl("history");
	assert_non_null(strstr(got, "ledger.db: No such file or directory\n1"));
	free(got);
}

static void
quota_tells(void **state)
{
	const struct slice alice = SLICE("alice"), bob = SLICE("bob");

	(void)state;
	write_conf();
	start(true);
	connect_worker(0);
	SAY(0, Q_OPEN, q_open, alice, 86400, 0, 0);
	SAY(0, Q_RESERVE, q_reserve, 1, alice, 5000, UINT64_MAX, 700, 1, 1, 0);
	assert_int_equal(hear(0)->id, MSG_Q_SCAN);
	SAY(0, Q_SCANNED, q_scanned, 1, alice, 0, 100, 2, 1);
	assert_int_equal(hear(0)->id, MSG_Q_RESERVED);
	SAY(0, Q_OPEN, q_open, bob, 86400, 0, 0);
	for (unsigned i = 0;
	     i < 100 && query("SELECT bytes FROM quota WHERE user = 'alice'") != 100; i++)
		pause_ms(20);
	char *got = ctl("quota alice");
	const char wanted[] =
		"alice: 100 bytes in 2 files; reserved 700 bytes, 1 files; counted 20";
	assert_memory_equal(got, wanted, sizeof(wanted) - 1);
	assert_non_null(strstr(got, "Z; open\n0"));
	free(got);
	expect_ctl("quota bob",
		   "bob: 0 bytes in 0 files; reserved 0 bytes, 0 files; not counted yet; open\n0");
	expect_ctl("quota bob --format json",
		   "{\"user\":\"bob\",\"bytes\":0,\"files\":0,\"reserved_bytes\":0,"
		   "\"reserved_files\":0,\"counted\":null,\"open\":true}\n0");
	got = ctl("quota");
	assert_non_null(strstr(got, "alice: "));
	assert_non_null(strstr(got, "bob: "));
	free(got);
	expect_ctl("quota carol", "wharfctl: nothing was counted of carol\n1");
	assert_int_equal(stop(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_are_rows_soon),
		TEST(the_end_leaves_nothing_behind),
		TEST(killed_it_loses_and_doubles_nothing),
		TEST(a_quota_is_kept),
		TEST(killed_it_has_the_files_counted_anew),
		TEST(it_begins_when_all_have_told),
		TEST(a_worker_that_lies_is_cut_off_alone),
		TEST(a_worker_that_does_not_read_is_cut_off),
		TEST(a_full_disk_keeps_records_in_the_spool),
		TEST(a_damaged_database_is_replaced),
		TEST(without_a_folder_it_says_so),
		TEST(the_log_is_turned_over),
		TEST(history_tells),
		TEST(quota_tells),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
