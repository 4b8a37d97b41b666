/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Passwords of wharfctl: asked for, hashed, and wiped from memory. */
#include <crypt.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/slice.h>

#include "ctl.h"

static const struct {
	const char *name;
	const char *prefix;
} methods[] = {
	{"yescrypt", "$y$"}, {"bcrypt", "$2b$"}, {"sha512crypt", "$6$"}, {"gost-yescrypt", "$gy$"},
	{"scrypt", "$7$"},   {"bcrypt", "$2y$"}, {"bcrypt", "$2a$"},     {"sha256crypt", "$5$"},
};

/* Those that a new hash may be made with; the others are only known by their names. */
#define N_NEW     3
#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

struct password {
	char text[PASSWORD_MAX + 1];
	size_t n;
};

const char *
password_method(struct slice hash)
{
	if (hash.n == 0 || hash.p[0] == '!')
		return "locked";
	for (size_t i = 0; i < N_METHODS; i++)
		if (slice_starts(hash, slice_of(methods[i].prefix)))
			return methods[i].name;
	return "unknown";
}

/* Whether a byte can be read before one of the signals comes that `signals` waits for. */
static bool
wait_for_byte(int signals)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
			       {.fd = signals, .events = POLLIN}};

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	return fds[1].revents == 0;
}

/*
 * Reads a line byte by byte, so that nothing of it stays in a buffer of stdio.  signals: a
 * signalfd, or -1.  0 or 1, after a complaint.
 */
static int
read_line(int signals, struct password *pw)
{
	for (pw->n = 0;;) {
		char c;
		if (!wait_for_byte(signals))
			return complain("interrupted");
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain("the password: %s", strerror(errno));
		if (n == 0 || c == '\n')
			break;
		if (c == '\0')
			return complain("the password has a NUL byte in it");
		if (pw->n == PASSWORD_MAX)
			return complain("the password is longer than %d bytes", PASSWORD_MAX);
		pw->text[pw->n++] = c;
	}
	pw->text[pw->n] = '\0';
	return pw->n ? 0 : complain("the password is empty");
}

/*
 * One question at the terminal, whose echo is off while it lasts.  A signal that ended us would
 * leave the terminal silent, so it is held, seen by a signalfd, and let through when the echo is
 * back.
 */
static int
ask(const char *question, struct password *pw)
{
	static const int held[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
	struct termios was, silent;
	sigset_t hold, before;
	int r, signals;

	if (tcgetattr(STDIN_FILENO, &was) < 0)
		return complain("the terminal: %s", strerror(errno));
	sigemptyset(&hold);
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		sigaddset(&hold, held[i]);
	sigprocmask(SIG_BLOCK, &hold, &before);
	signals = signalfd(-1, &hold, SFD_CLOEXEC);
	silent = was;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	silent.c_lflag |= ECHONL;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	fputs(question, stderr);
	r = read_line(signals, pw);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	fd_close(&signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int
get(struct password *pw)
{
	struct password again = {0};
	int r;

	if (!isatty(STDIN_FILENO))
		return read_line(-1, pw);
	r = ask("Password: ", pw);
	if (r)
		return r;
	r = ask("Password, again: ", &again);
	if (r == 0 && (pw->n != again.n || memcmp(pw->text, again.text, pw->n) != 0))
		r = complain("the passwords differ");
	explicit_bzero(&again, sizeof(again));
	return r;
}

static int
hash(const char *prefix, const struct password *pw, struct buf *out)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	int r = 0;

	if (!data)
		return complain("%s", strerror(ENOMEM));
	if (!crypt_gensalt_rn(prefix, 0, NULL, 0, setting, (int)sizeof(setting)))
		r = complain("crypt_gensalt: %s", strerror(errno));
	if (r == 0) {
		const char *made = crypt_r(pw->text, setting, data);
		if (made && made[0] != '*')
			buf_add_str(out, made);
		else
			r = complain("crypt: %s", strerror(errno));
	}
	explicit_bzero(data, sizeof(*data));
	free(data);
	return r;
}

int
password_hash(const char *method, struct buf *out)
{
	const char *prefix = method ? NULL : methods[0].prefix;
	struct password pw = {0};
	int r;

	for (size_t i = 0; method && i < N_NEW && !prefix; i++)
		if (strcmp(methods[i].name, method) == 0)
			prefix = methods[i].prefix;
	if (!prefix)
		return misused("\"%s\" is no method; yescrypt, bcrypt and sha512crypt are", method);
	r = get(&pw);
	/* bcrypt looks at no more, and a longer password would be weaker than it seems. */
	if (r == 0 && strcmp(prefix, "$2b$") == 0 && pw.n > 72)
		r = complain("bcrypt takes no password longer than 72 bytes");
	if (r == 0)
		r = hash(prefix, &pw, out);
	explicit_bzero(&pw, sizeof(pw));
	return r;
}
