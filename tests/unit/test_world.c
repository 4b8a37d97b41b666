/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A configuration against the machine: what is missing or wrong is told with the line that asks for
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <wharf/conf/conf.h>

#include "folder.h"

static void
write_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(name, mode), 0);
}

/* Reads a configuration in which each "@" is the test's folder, and tries it. */
static void
assert_world(const char *text, bool thorough, const char *expected, size_t mistakes)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;
	struct buf full = BUF_INIT, wanted = BUF_INIT;
	struct buf *to = &full;

	for (const char *p = text; *p; p++)
		*p == '@' ? buf_add_str(to, folder) : buf_add_byte(to, *p);
	for (const char *p = expected; *p; p++)
		*p == '@' ? buf_add_str(&wanted, folder) : buf_add_byte(&wanted, *p);
	/* run_as is somebody who exists, whoever runs the test. */
	buf_add_str(&full, "\nrun_as = nobody\nanonymous_user = nobody\n");
	if (!strstr(text, "state_directory"))
		buf_printf(&full, "state_directory = \"%s\"\n", folder);
	buf_add_byte(&full, '\0');
	buf_add_byte(&wanted, '\0');
	write_file("c", full.data, 0600);
	assert_int_equal(conf_read("c", &conf, &report), 0);
	assert_int_equal(conf_try_world(conf, thorough, &report), mistakes);
	buf_add_byte(&report.text, '\0');
	assert_string_equal(report.text.data, wanted.data);
	assert_int_equal(report.mistakes, mistakes);
	conf_report_deinit(&report);
	conf_free(&conf);
	buf_deinit(&full);
	buf_deinit(&wanted);
	unlink("c");
}

static void
test_users_file(void **state)
{
	static const char conf[] = "\nsources = users\nusers_file = \"@/users\"";

	(void)state;
	assert_world(conf, false, "c:3: users_file: @/users: No such file or directory\n", 1);
	write_file("users", "", 0600);
	assert_world(conf, false, "", 0);
	write_file("users", "x\ny\n", 0600);
	/* Lines that are left out keep no daemon from starting. */
	assert_world(conf, false, "", 0);
	write_file("users", "x\ny\n", 0644);
	assert_world(
		conf, true,
		"c:3: users_file: @/users: its mode is 644, and not 600: others may read or change "
		"it\n"
		"@/users:1: there are 1 fields, and not name:hash:uid:gid:root:rights:expires\n"
		"@/users:2: there are 1 fields, and not name:hash:uid:gid:root:rights:expires\n",
		3);
	if (geteuid() == 0) {
		write_file("users", "", 0600);
		assert_int_equal(chown("users", 1234, 0), 0);
		assert_world(conf, false,
			     "c:3: users_file: @/users: it belongs to uid 1234, and not to 0\n", 1);
	}
	unlink("users");
	assert_int_equal(mkdir("users", 0700), 0);
	assert_world(conf, false, "c:3: users_file: @/users: Is a directory\n", 1);
	rmdir("users");
}

static void
test_logs(void **state)
{
	(void)state;
#define BASE "sources = users\nusers_file = \"@/users\"\n"
	write_file("users", "", 0600);
	assert_world(BASE "log = \"@/x/log\"\nxferlog = \"@/\"", false,
		     "c:3: log: @/x/log: it can't be made: No such file or directory\n"
		     "c:4: xferlog: @/: it is neither a file nor a device\n",
		     2);
	assert_world(BASE "log = stderr\nxferlog = \"@/new\"", false, "", 0);
	write_file("old", "", 0600);
	assert_world(BASE "log = \"@/old\"\nxferlog = \"/dev/null\"", false, "", 0);
	assert_int_equal(symlink("old", "link"), 0);
	assert_world(BASE "log = \"@/link\"", false,
		     "c:3: log: @/link: it is neither a file nor a device\n", 1);
	unlink("link");
	unlink("old");
	unlink("users");
#undef BASE
}

static void
test_folders(void **state)
{
	(void)state;
	write_file("file", "", 0600);
	assert_world("sources = anonymous\nanonymous_root = \"@/file\"\nroot = \"@/no\"\n"
		     "user a { root = \"@/%u\" }\ngroup b { root = \"@/none\" }\n",
		     false,
		     "c:2: anonymous_root: @/file: it is no folder\n"
		     "c:3: root: @/no: No such file or directory\n"
		     "c:5: root: @/none: No such file or directory\n",
		     3);
	unlink("file");

	assert_int_equal(mkdir("pub", 0755), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_world("sources = anonymous\nanonymous_root = \"@/pub\"\n", false, "", 0);
	if (geteuid() == 0) {
		assert_int_equal(chmod("pub", 0711), 0);
		assert_world("sources = anonymous\nanonymous_root = \"@/pub\"\n", false,
			     "c:2: anonymous_root: the user \"nobody\" may not read @/pub\n", 1);
		assert_int_equal(chmod(folder, 0700), 0);
		assert_world("sources = anonymous\nanonymous_root = \"@/pub\"\n", false,
			     "c:2: anonymous_root: the user \"nobody\" may not enter @\n", 1);
	}
	rmdir("pub");
}

static void
test_state_directory(void **state)
{
	(void)state;
	write_file("users", "", 0600);
	write_file("file", "", 0600);
#define USERS "sources = users\nusers_file = \"@/users\"\n"
	assert_world(USERS "state_directory = \"@\"", false, "", 0);
	assert_world(USERS "state_directory = \"@/\"", false, "", 0);
	assert_world(USERS "state_directory = \"@/a/b\"", false, "", 0);
	assert_world(USERS "state_directory = \"@/file\"", false,
		     "c:3: state_directory: @/file: it is no folder\n", 1);
	assert_world(USERS "state_directory = \"@/file/a\"", false,
		     "c:3: state_directory: @/file/a: Not a directory\n", 1);
	/* As a daemon that runs does. */
	int fd = open(folder, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
#define LISTENER "listener l { address = \"127.0.0.1\" port = 23972 }\n"
	assert_world(USERS LISTENER "state_directory = \"@\"", true,
		     "c:4: state_directory: @: another wharfd uses it\n", 1);
	assert_world(USERS LISTENER "state_directory = \"@\"", false, "", 0);
	close(fd);
	assert_world(USERS LISTENER "state_directory = \"@\"", true, "", 0);
#undef LISTENER
	if (geteuid() != 0) {
		assert_int_equal(mkdir("a", 0500), 0);
		assert_world(USERS "state_directory = \"@/a\"", false,
			     "c:3: state_directory: @/a: it can't be written to: Permission "
			     "denied\n",
			     1);
		assert_world(USERS "state_directory = \"@/a/b/c\"", false,
			     "c:3: state_directory: @/a/b/c: it can't be made: Permission "
			     "denied\n",
			     1);
		rmdir("a");
	}
#undef USERS
	unlink("users");
	unlink("file");
}

static void
test_host_files(void **state)
{
	static const char anonymous[] = "sources = anonymous\nanonymous_root = \"@\"\n";
	char conf[1000];

	(void)state;
	assert_int_equal(chmod(folder, 0755), 0);
	write_file("cert", "", 0644);
	write_file("both", "", 0644);
	write_file("key", "", 0600);
	write_file("open", "", 0640);
	assert_int_equal(symlink("key", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	snprintf(conf, sizeof(conf), "%s%s", anonymous,
		 "tls_certificate = {\"@/cert\", \"@/cert\"}\ntls_key = {\"@/key\", \"@/link\"}\n"
		 "host a { tls_certificate = \"@/cert\" tls_key = \"@/key\" tls_client_ca = "
		 "\"@/cert\" }\n");
	assert_world(conf, false, "", 0);
	snprintf(conf, sizeof(conf), "%s%s", anonymous,
		 "tls_certificate = {\"@/cert\", \"@/none\"}\ntls_key = {\"@/open\", \"@/fifo\"}\n"
		 "tls_ocsp = \"@/ocsp\"\nhost a { tls_certificate = \"@/both\"\n tls_client_ca = "
		 "\"@/none\"\n tls_client_crl = \"@\" }\n");
	assert_world(conf, false,
		     "c:3: tls_certificate: @/none: No such file or directory\n"
		     "c:4: warning: tls_key: @/open: its mode is 640, and not 600: others may read "
		     "or change the key\n"
		     "c:4: tls_key: @/fifo: it is no regular file\n"
		     "c:5: tls_ocsp: @/ocsp: No such file or directory\n"
		     "c:6: warning: tls_certificate: @/both: its mode is 644, and not 600: others "
		     "may read or change the key\n"
		     "c:7: tls_client_ca: @/none: No such file or directory\n"
		     "c:8: tls_client_crl: @: it is no regular file\n",
		     5);
	if (geteuid() == 0) {
		assert_int_equal(chown("key", 1234, 1234), 0);
		snprintf(conf, sizeof(conf), "%s%s", anonymous,
			 "tls_certificate = \"@/cert\"\ntls_key = \"@/key\"\n");
		assert_world(
			conf, false,
			"c:4: tls_key: @/key: it belongs to uid 1234, and root may not read it "
			"once wharfd has given up the right to read everything; make it "
			"root's\n",
			1);
	}
	unlink("cert");
	unlink("both");
	unlink("key");
	unlink("open");
	unlink("link");
	unlink("fifo");
}

static void
test_pam(void **state)
{
	(void)state;
	assert_world("sources = pam\npam_service = no-such-service\n", false,
		     "c:2: pam_service: /etc/pam.d/no-such-service: No such file or directory\n",
		     1);
}

/* What nobody set is asked for by the sources, and those may be nobody's, too. */
static void
test_defaults(void **state)
{
#define PAM_MISSING                                     \
	"pam_service, which is \"wharfd\" by default: " \
	"/etc/pam.d/wharfd: No such file or directory"
	(void)state;
	if (access("/etc/pam.d/wharfd", F_OK) == 0 || access(WHARF_CONF_DIR "/users", F_OK) == 0)
		skip();
	assert_world("\nsources = pam\n", false, "c:2: " PAM_MISSING "\n", 1);
	write_file("users", "", 0600);
	assert_world("users_file = \"@/users\"\n", false,
		     "c: " PAM_MISSING "; sources are by default users, pam\n", 1);
	unlink("users");
	assert_world("\nsources = users\n", false,
		     "c:2: users_file, which is \"" WHARF_CONF_DIR
		     "/users\" by default: " WHARF_CONF_DIR "/users: No such file or directory\n",
		     1);
#undef PAM_MISSING
}

static void
test_ports(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(in);
	char conf[200], expected[200];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	unsigned port = ntohs(in.sin_port);
	snprintf(conf, sizeof(conf),
		 "sources = anonymous anonymous_root = \"@\"\n"
		 "listener l { address = \"127.0.0.1\" port = %u }\n",
		 port);
	snprintf(expected, sizeof(expected),
		 "c:2: listener \"l\": 127.0.0.1:%u: Address already in use\n", port);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_world(conf, true, expected, 1);
	assert_world(conf, false, "", 0);
	close(fd);
	assert_world(conf, true, "", 0);
	/* Two of ours that are in each other's way. */
	snprintf(conf, sizeof(conf),
		 "sources = anonymous anonymous_root = \"@\"\n"
		 "listener l { address = \"127.0.0.1\" port = %u }\n"
		 "listener m { port = %u }\n",
		 port, port);
	snprintf(expected, sizeof(expected),
		 "c:3: listener \"m\": [::]:%u: Address already in use\n", port);
	assert_world(conf, true, expected, 1);
}

/* The line of a user of the tests, whose password is "x". */
#define USER(name, root, expires) name ":$y$j9T$a$b:2001:2001:" root "::" expires "\n"

static void
test_user_roots(void **state)
{
	static const char conf[] = "sources = users\nusers_file = \"@/users\"\n"
				   "listener l { address = \"127.0.0.1\" port = 23971 }\n"
				   "user optional { root = \"/%u\" }\n";
	char text[1200], full[1200], *to = full;

	(void)state;
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(mkdir("home", 0755), 0);
	assert_int_equal(mkdir("home/own", 0700), 0);
	assert_int_equal(symlink("home", "link"), 0);
	if (geteuid() == 0)
		assert_int_equal(chown("home/own", 2001, 0), 0);
	write_file("file", "", 0600);
	snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s", USER("good", "@/home/own", ""),
		 USER("none", "@/nope/at/all", ""), USER("file", "@/file", ""),
		 USER("link", "@/link/own", ""), USER("gone", "@/nope", "2001-01-01"),
		 "locked:!:2001:2001:@/nope::\n", USER("optional", "@/nope", ""),
		 USER("empty", "", ""));
	for (const char *p = text; *p; p++)
		to = *p == '@' ? stpcpy(to, folder) : (*to = *p, to + 1);
	*to = '\0';
	write_file("users", full, 0600);
	/* That keeps nobody else from being served. */
	assert_world(conf, false, "", 0);
	assert_world(conf, true,
		     "@/users:2: root of none: @/nope: No such file or directory\n"
		     "@/users:3: root of file: @/file: it is no folder\n"
		     "@/users:4: root of link: @/link: it is a symbolic link, which is not "
		     "followed\n",
		     3);
	if (geteuid() == 0) {
		assert_int_equal(chown("home/own", 0, 0), 0);
		to = stpcpy(stpcpy(stpcpy(full, "good:$y$j9T$a$b:2001:2001:"), folder),
			    "/home/own::\n");
		write_file("users", full, 0600);
		assert_world(conf, true,
			     "@/users:1: root of good: @/home/own: the user may not enter it\n", 1);
	}
	unlink("users");
	unlink("file");
	unlink("link");
	rmdir("home/own");
	rmdir("home");
}

/* A file with mistakes, and what is said of it and of the world. */
static void
assert_test(const char *text, const char *expected)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;

	write_file("c", text, 0600);
	assert_int_equal(conf_test("c", false, &conf, &report), CONF_MISTAKES);
	assert_null(conf);
	buf_add_byte(&report.text, '\0');
	assert_string_equal(report.text.data, expected);
	conf_report_deinit(&report);
	unlink("c");
}

static void
test_beside_mistakes(void **state)
{
	(void)state;
	/* The world is tried beside them, */
	assert_test("run_as = nobody sources = users state_directory = \"/tmp\"\numsk = "
		    "1\nusers_file = \"/nope/users\"\n"
		    "root = \"/nope/root\"\n",
		    "c:2: \"umsk\" is no option; did you mean umask?\n"
		    "c:3: users_file: /nope/users: No such file or directory\n"
		    "c:4: root: /nope/root: No such file or directory\n");
	/* but not with a default in the place of what was wrong, or may stand behind the end. */
	assert_test(
		"run_as = nobody sources = users state_directory = \"/tmp\"\nusers_file = {a, b}\n",
		"c:2: users_file: it takes one value, not a list\n");
	assert_test("run_as = nobody state_directory = \"/tmp\"\nsources = usrs\n",
		    "c:2: sources: \"usrs\" is not one of users, pam, anonymous; did you mean "
		    "users?\n");
	assert_test("sources = users state_directory = \"/tmp\"\nroot = \"/nope/root\"\numask = "
		    "\"022\n",
		    "c:3: a quote opens here and does not close\n"
		    "c:2: root: /nope/root: No such file or directory\n");
}

static void
test_limits(void **state)
{
	struct rlimit limit, small;

	(void)state;
	assert_int_equal(chmod(folder, 0755), 0);
	assert_world(
		"sources = anonymous anonymous_root = \"@\" max_sessions = 11\n"
		"passive_ports = 5000-5009\n"
		"listener a { passive_ports = 5000-5010 }\n"
		"listener b { port = 22 passive_ports = 5000-5000 }\n",
		false,
		"c:2: warning: passive_ports: 5000-5009 are 10 ports, fewer than max_sessions, "
		"11\n"
		"c:4: warning: passive_ports: 5000-5000 are 1 ports, fewer than max_sessions, "
		"11\n",
		0);

	unsigned lowest = 0;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
	assert_true(f && fscanf(f, "%u", &lowest) == 1);
	fclose(f);
	/* In some containers every port is anybody's. */
	if (lowest == 1024)
		assert_world("sources = anonymous anonymous_root = \"@\" max_sessions = 2\n"
			     "passive_ports = 1000-1030\n"
			     "listener a { passive_ports = 1024-1030 }\n"
			     "listener b { port = 22\n passive_ports = 500-600 }\n",
			     false,
			     "c:2: passive_ports: 1000-1030: workers may not use ports below 1024\n"
			     "c:5: passive_ports: 500-600: workers may not use ports below 1024\n",
			     2);

	/* As the hard limit can't be raised again by all, it is asked for with many sessions
	 * instead. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	small = limit;
	small.rlim_cur = small.rlim_max = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	assert_world("sources = anonymous anonymous_root = \"@\" workers = 10\n"
		     "max_sessions = 13440\n",
		     false, "", 0);
	assert_world("sources = anonymous anonymous_root = \"@\" workers = 10\n"
		     "max_sessions = 13441\n",
		     false,
		     "c:2: max_sessions: 13441 sessions on 10 workers need 4097 descriptors a "
		     "process, and the limit (ulimit -Hn) is 4096\n",
		     1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users_file),
		cmocka_unit_test(test_logs),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_state_directory),
		cmocka_unit_test(test_host_files),
		cmocka_unit_test(test_pam),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_user_roots),
		cmocka_unit_test(test_beside_mistakes),
		/* The last, as it lowers limits. */
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
