/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What each role's filter kills, refuses and lets pass, and what Landlock leaves.  Every try has a
 * process of its own, which tells by its end how it went.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wharf/sandbox/confine.h>
#include <wharf/sandbox/identity.h>

/* The table as it stands, with the roles' names for bits. */
enum {
	MONITOR = SANDBOX_MONITOR,
	WORKER = SANDBOX_WORKER,
	USERS = SANDBOX_USERS,
	PAM = SANDBOX_PAM,
	AGENT = SANDBOX_AGENT,
	LEDGER = SANDBOX_LEDGER,
	ANY = MONITOR | WORKER | USERS | PAM | AGENT | LEDGER,
	START = 64,
};
#define SYSCALL(name, roles, reason)                      {#name, roles},
#define SYSCALL_NEW(name, number, roles, reason)          {#name, roles},
#define SYSCALL_IF(name, roles, arg, mask, value, reason) {#name, roles},
static const struct {
	const char *name;
	unsigned roles;
} table[] = {
#include "syscalls.def"
};
#define N_TABLE (sizeof(table) / sizeof(table[0]))

/* So many calls at most in the filters of those whom a client's bytes and paths reach. */
static const struct {
	unsigned role, most;
} bounds[] = {{WORKER, 45}, {AGENT, 46}, {LEDGER, 60}};

static bool
is_first_of(size_t i, unsigned role)
{
	for (size_t k = 0; k < i; k++)
		if ((table[k].roles & role) && strcmp(table[k].name, table[i].name) == 0)
			return false;
	return true;
}

static void
filters_stay_narrow(void **state)
{
	(void)state;
	for (size_t b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++) {
		unsigned calls = 0;
		for (size_t i = 0; i < N_TABLE; i++)
			if ((table[i].roles & bounds[b].role) && is_first_of(i, bounds[b].role))
				calls++;
		assert_in_range(calls, 20, bounds[b].most);
	}
}

#define ALL                                                                               \
	(SANDBOX_MONITOR | SANDBOX_WORKER | SANDBOX_USERS | SANDBOX_PAM | SANDBOX_AGENT | \
	 SANDBOX_LEDGER)
#define PARENTS (SANDBOX_MONITOR | SANDBOX_PAM)
#define KILLED  (-SIGSYS)

/* How the process ended: KILLED, or the errno that fn returned (0: it worked). */
static int
try_confined(enum sandbox_role role, long (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (identity_no_new_privs() < 0 || confine_seccomp(role) < 0)
			_exit(254);
		_exit(fn() < 0 ? errno & 0xff : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#define TRY(name, call)              \
	static long name(void)       \
	{                            \
		return (long)(call); \
	}

TRY(try_execve, syscall(SYS_execve, "/bin/true", (char *[]){"true", NULL}, NULL))
TRY(try_execveat, syscall(SYS_execveat, AT_FDCWD, "/bin/true", (char *[]){"true", NULL}, NULL, 0))
TRY(try_ptrace, syscall(SYS_ptrace, 0, 0, 0, 0))
TRY(try_vm_read, syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0))
TRY(try_mount, syscall(SYS_mount, "a", "b", "c", 0, NULL))
TRY(try_setns, syscall(SYS_setns, 0, 0))
TRY(try_unshare, syscall(SYS_unshare, CLONE_NEWUSER))
TRY(try_bpf, syscall(SYS_bpf, 0, NULL, 0))
TRY(try_perf, syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0))
TRY(try_userfaultfd, syscall(SYS_userfaultfd, 0))
TRY(try_uring, syscall(SYS_io_uring_setup, 1, NULL))
TRY(try_handle, syscall(SYS_open_by_handle_at, 0, NULL, 0))
TRY(try_mknod, syscall(SYS_mknodat, AT_FDCWD, "/tmp/wharf-device", S_IFIFO | 0600, 0))
TRY(try_module, syscall(SYS_init_module, NULL, 0, ""))
TRY(try_keyctl, syscall(SYS_keyctl, 0, 0))
TRY(try_clone_newuser, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0))
TRY(try_clone_thread_newns,
    syscall(SYS_clone, CLONE_NEWNS | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL, NULL, NULL, 0))
TRY(try_clone3, syscall(SYS_clone3, NULL, 0))
TRY(try_unknown, syscall(9999))
TRY(try_chroot, chroot("."))
TRY(try_setuid, setuid(getuid()))
TRY(try_kill, kill(getppid(), 0))
TRY(try_socket_unix, socket(AF_UNIX, SOCK_STREAM, 0))
TRY(try_socket_inet, socket(AF_INET, SOCK_STREAM, 0))
TRY(try_socket_inet6, socket(AF_INET6, SOCK_STREAM, 0))
TRY(try_socket_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
TRY(try_socket_packet, socket(AF_PACKET, SOCK_RAW, 0))
TRY(try_mmap,
    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
											       : 0)
TRY(try_mmap_exec,
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
											      : 0)
TRY(try_fstatfs, fstatfs(STDIN_FILENO, &(struct statfs){0}))
TRY(try_openat2, syscall(SYS_openat2, AT_FDCWD, "/", &(uint64_t[3]){O_PATH, 0, 0}, 24))

static long
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static void *
do_nothing(void *arg)
{
	return arg;
}

static long
try_thread(void)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, do_nothing, NULL);

	errno = r;
	return r || pthread_join(thread, NULL) ? -1 : 0;
}

static long
try_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static const struct {
	const char *name;
	long (*fn)(void);
	unsigned roles;
	int end;
} tries[] = {
	{"execve", try_execve, ALL & ~PARENTS, KILLED},
	{"execve", try_execve, PARENTS, 0},
	{"execveat", try_execveat, ALL, KILLED},
	{"ptrace", try_ptrace, ALL, KILLED},
	{"process_vm_readv", try_vm_read, ALL, KILLED},
	{"mount", try_mount, ALL, KILLED},
	{"setns", try_setns, ALL, KILLED},
	{"unshare", try_unshare, ALL, KILLED},
	{"bpf", try_bpf, ALL, KILLED},
	{"perf_event_open", try_perf, ALL, KILLED},
	{"userfaultfd", try_userfaultfd, ALL, KILLED},
	{"io_uring_setup", try_uring, ALL, KILLED},
	{"open_by_handle_at", try_handle, ALL, KILLED},
	{"mknodat", try_mknod, ALL, KILLED},
	{"init_module", try_module, ALL, KILLED},
	{"keyctl", try_keyctl, ALL & ~PARENTS, KILLED},
	{"keyctl", try_keyctl, PARENTS, ENOSYS},
	{"clone with a user namespace", try_clone_newuser, ALL, KILLED},
	{"a thread with a mount namespace", try_clone_thread_newns, ALL, KILLED},
	{"clone3", try_clone3, ALL, ENOSYS},
	{"an unknown number", try_unknown, ALL, ENOSYS},
	{"chroot", try_chroot, ALL & ~PARENTS, ENOSYS},
	{"setuid", try_setuid, SANDBOX_WORKER | SANDBOX_USERS | SANDBOX_AGENT | SANDBOX_LEDGER,
	 ENOSYS},
	{"kill", try_kill, ALL & ~PARENTS, ENOSYS},
	{"fork", try_fork, ALL & ~PARENTS, ENOSYS},
	{"fork", try_fork, PARENTS, 0},
	{"a thread", try_thread, ALL & ~SANDBOX_LEDGER, 0},
	{"a thread", try_thread, SANDBOX_LEDGER, ENOSYS},
	{"socket AF_UNIX", try_socket_unix, SANDBOX_WORKER | SANDBOX_AGENT | SANDBOX_LEDGER,
	 ENOSYS},
	{"socket AF_UNIX", try_socket_unix, SANDBOX_USERS | PARENTS, 0},
	{"socket AF_INET", try_socket_inet, SANDBOX_MONITOR | SANDBOX_WORKER, 0},
	{"socket AF_INET", try_socket_inet, SANDBOX_AGENT | SANDBOX_LEDGER, ENOSYS},
	{"socket AF_INET", try_socket_inet, SANDBOX_PAM | SANDBOX_USERS, EAFNOSUPPORT},
	{"socket AF_INET6", try_socket_inet6, SANDBOX_WORKER, 0},
	{"socket AF_NETLINK", try_socket_netlink, SANDBOX_WORKER | SANDBOX_AGENT | SANDBOX_LEDGER,
	 ENOSYS},
	{"socket AF_NETLINK", try_socket_netlink, SANDBOX_USERS | PARENTS, EAFNOSUPPORT},
	{"socket AF_PACKET", try_socket_packet, SANDBOX_WORKER | SANDBOX_AGENT | SANDBOX_LEDGER,
	 ENOSYS},
	{"mmap", try_mmap, ALL, 0},
	{"mmap to run", try_mmap_exec, SANDBOX_WORKER | SANDBOX_AGENT | SANDBOX_LEDGER, ENOSYS},
	{"mmap to run", try_mmap_exec, SANDBOX_USERS | PARENTS, 0},
	{"mprotect to run", try_mprotect_exec, SANDBOX_WORKER | SANDBOX_AGENT | SANDBOX_LEDGER,
	 ENOSYS},
	/* Without it every file would be taken for one that may hang, and none sent by sendfile. */
	{"fstatfs", try_fstatfs, SANDBOX_WORKER | SANDBOX_AGENT, 0},
	{"openat2", try_openat2, SANDBOX_AGENT | PARENTS, 0},
	{"openat2", try_openat2, SANDBOX_WORKER | SANDBOX_USERS | SANDBOX_LEDGER, ENOSYS},
};

static void
filters_hold(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		for (unsigned role = 1; role <= SANDBOX_LEDGER; role <<= 1) {
			if (!(tries[i].roles & role))
				continue;
			int end = try_confined((enum sandbox_role)role, tries[i].fn);
			if (end != tries[i].end) {
				print_error("%s in role %u: %d, not %d\n", tries[i].name, role, end,
					    tries[i].end);
				wrong++;
			}
		}
	}
	assert_int_equal(wrong, 0);
}

/* A call of the foreign architecture that the kernel offers beside this one. */
#ifdef __x86_64__
static long
try_i386(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static void
foreign_architectures_end_the_process(void **state)
{
	(void)state;
	for (unsigned role = 1; role <= SANDBOX_LEDGER; role <<= 1) {
		int end = try_confined((enum sandbox_role)role, try_i386);
		/* A kernel without them ends it too. */
		assert_true(end == KILLED || end == -SIGSEGV);
	}
}
#endif

/* What a process under Landlock gets: in the folder, and beside it. */
static void
landlock_holds(void **state)
{
	static const struct {
		enum confine_access access;
		int read_in, write_in, make_in, read_out;
	} rows[] = {
		{CONFINE_NOTHING, EACCES, EACCES, EACCES, EACCES},
		{CONFINE_READ, 0, EACCES, EACCES, EACCES},
		{CONFINE_WRITE, 0, 0, 0, EACCES},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char dir[] = "/tmp/wharf-landlock-XXXXXX";
		assert_non_null(mkdtemp(dir));
		int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(openat(root, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
		int status;
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			int got[4];
			if (identity_no_new_privs() < 0)
				_exit(1);
			int abi = confine_landlock(rows[i].access == CONFINE_NOTHING ? -1 : root,
						   rows[i].access);
			if (abi <= 0)
				_exit(abi == 0 ? 77 : 2);
			got[0] = openat(root, "file", O_RDONLY) < 0 ? errno : 0;
			got[1] = openat(root, "file", O_WRONLY) < 0 ? errno : 0;
			got[2] = openat(root, "new", O_WRONLY | O_CREAT, 0644) < 0 ? errno : 0;
			got[3] = open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
			_exit(got[0] != rows[i].read_in || got[1] != rows[i].write_in ||
					      got[2] != rows[i].make_in ||
					      got[3] != rows[i].read_out
				      ? 3
				      : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		unlinkat(root, "file", 0);
		unlinkat(root, "new", 0);
		close(root);
		rmdir(dir);
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_hold),
		cmocka_unit_test(filters_stay_narrow),
#ifdef __x86_64__
		cmocka_unit_test(foreign_architectures_end_the_process),
#endif
		cmocka_unit_test(landlock_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
