/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The SITE commands (RFC 959 §4.1.3), from the table site.def; copies are in copy.c, quotas in
 * room.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/ftp/number.h>
#include <wharf/ftp/when.h>

#include "command.h"

void
do_site(struct ftp_session *s, struct slice arg)
{
	struct slice rest;
	const struct command *c = site_find(split_word(arg, &rest));

	if (!c) {
		reply(s, 504, "No such SITE command; see SITE HELP.");
		return;
	}
	bool wants = c->argument == ARG_TEXT || c->argument == ARG_PATH || c->argument == ARG_NAME;
	if (c->argument == ARG_NONE ? rest.n > 0 : wants && !rest.n) {
		reply(s, 501, "%s", c->help);
		return;
	}
	s->running = c;
	if (c->right && !require_right(s, c->right))
		return;
	if (c->argument == ARG_PATH && !resolve_path(s, rest, &s->path))
		return;
	if (c->argument == ARG_NAME && !resolve_name(s, rest, &s->path))
		return;
	c->run(s, rest);
}

/* Reads one of "word" or "\"word\"" with doubled quotes off the front.  Returns false when the
 * quotes don't end. */
static bool
take_word(struct slice *text, bool last, struct buf *out)
{
	if (!text->n || text->p[0] != '"') {
		struct slice rest = {text->p + text->n, 0};
		struct slice word = last ? *text : split_word(*text, &rest);
		buf_add_slice(out, word);
		*text = rest;
		return word.n > 0;
	}
	for (size_t i = 1; i < text->n; i++) {
		if (text->p[i] != '"') {
			buf_add_byte(out, text->p[i]);
		} else if (i + 1 < text->n && text->p[i + 1] == '"') {
			buf_add_byte(out, '"');
			i++;
		} else {
			*text = slice_from(*text, i + 1);
			if (text->n && text->p[0] == ' ')
				*text = slice_from(*text, 1);
			return out->len > 0;
		}
	}
	return false;
}

bool
split_two(struct slice arg, struct buf *first, struct buf *second)
{
	buf_reset(first);
	buf_reset(second);
	return take_word(&arg, false, first) && take_word(&arg, true, second) && arg.n == 0 &&
	       buf_error(first) == 0 && buf_error(second) == 0;
}

/* Keeps what the command sets for the journal.  Returns false when memory is out, and 451 was
 * replied. */
static bool
note(struct ftp_session *s, struct slice what)
{
	struct task *task = task_begin(s);

	if (!task)
		return false;
	task->other = slice_dup(what);
	if (!task->other)
		reply_errno(s, ENOMEM);
	return task->other;
}

/* "first path": the first word, with s->path set from the rest; or the help text is the reply. */
static bool
word_and_path(struct ftp_session *s, struct slice arg, struct slice *word, const char *help)
{
	struct slice path;

	*word = split_word(arg, &path);
	if (!path.n) {
		reply(s, 501, "%s", help);
		return false;
	}
	return resolve_path(s, path, &s->path);
}

void
site_chmod(struct ftp_session *s, struct slice arg)
{
	struct slice word;
	unsigned mode;

	if (!word_and_path(s, arg, &word, "SITE CHMOD <mode> <path>"))
		return;
	if (number_parse_mode(word, &mode) != 0) {
		reply(s, 501, "The mode is wanted in octal, such as 644.");
		return;
	}
	if (mode > 0777) {
		reply(s, 504, "Only who may read, write and execute can be set.");
		return;
	}
	struct message m = {.id = MSG_F_CHMOD,
			    .f_chmod = {.mode = mode, .path = slice_of(s->path)}};
	if (note(s, word))
		ask(s, &m, answer_done);
}

void
site_chgrp(struct ftp_session *s, struct slice arg)
{
	struct slice word;

	if (!word_and_path(s, arg, &word, "SITE CHGRP <group> <path>"))
		return;
	struct message m = {.id = MSG_F_CHGRP,
			    .f_chgrp = {.group = word, .path = slice_of(s->path)}};
	if (note(s, word))
		ask(s, &m, answer_done);
}

void
site_umask(struct ftp_session *s, struct slice arg)
{
	unsigned mask;

	if (arg.n == 0) {
		reply(s, 200, "The umask is %03o.", s->umask);
	} else if (number_parse_mode(arg, &mask) != 0 || mask > 0777) {
		reply(s, 501, "An octal number up to 777 is wanted.");
	} else if ((mask & s->settings->umask) == s->settings->umask ||
		   require_right(s, RIGHT(chmod))) {
		/* Who may change no modes makes no files with more than he is given. */
		s->umask = mask;
		reply(s, 200, "The umask is %03o.", mask);
	}
}

void
site_idle(struct ftp_session *s, struct slice arg)
{
	uint64_t seconds;

	if (arg.n == 0) {
		reply(s, 200, "The idle time is %llu seconds, at most %llu.",
		      (unsigned long long)s->idle_timeout,
		      (unsigned long long)s->settings->idle_timeout_max);
	} else if (number_parse_u64(arg, s->settings->idle_timeout_max, &seconds) != 0 ||
		   seconds < 10) {
		reply(s, 501, "10 to %llu seconds are wanted.",
		      (unsigned long long)s->settings->idle_timeout_max);
	} else {
		s->idle_timeout = seconds;
		reply(s, 200, "The idle time is %llu seconds.", (unsigned long long)seconds);
	}
}

/* YYYYMMDDHHMM is customary here, besides the form with seconds. */
static int
parse_utime(struct slice word, struct timespec *out)
{
	char digits[14];

	if (word.n != 12)
		return when_parse(word, out);
	memcpy(digits, word.p, 12);
	memcpy(digits + 12, "00", 2);
	return when_parse((struct slice){digits, 14}, out);
}

static struct slice
cut_last_word(struct slice *text)
{
	const char *blank = text->n ? memrchr(text->p, ' ', text->n) : NULL;
	size_t head = blank ? (size_t)(blank - text->p) : 0;
	struct slice word = blank ? slice_from(*text, head + 1) : SLICE_NULL;

	*text = slice_head(*text, head);
	return word;
}

/* "path accessed modified created UTC": the second of the three times counts. */
static bool
parse_long_utime(struct slice arg, struct slice *path, struct timespec *modify)
{
	struct timespec other;

	*path = arg;
	if (!slice_equal_nocase(cut_last_word(path), SLICE("UTC")))
		return false;
	return parse_utime(cut_last_word(path), &other) == 0 &&
	       parse_utime(cut_last_word(path), modify) == 0 &&
	       parse_utime(cut_last_word(path), &other) == 0 && path->n > 0;
}

void
site_utime(struct ftp_session *s, struct slice arg)
{
	struct slice path = SLICE_NULL;
	struct timespec modify;
	struct buf time = BUF_INIT;

	if (!parse_long_utime(arg, &path, &modify) &&
	    (parse_utime(split_word(arg, &path), &modify) != 0 || !path.n)) {
		reply(s, 501, "A time as YYYYMMDDHHMM[SS] and a path are wanted.");
		return;
	}
	if (!resolve_path(s, path, &s->path))
		return;
	struct message m = {.id = MSG_F_UTIME,
			    .f_utime = {.seconds = modify.tv_sec,
					.nanoseconds = (uint32_t)modify.tv_nsec,
					.path = slice_of(s->path)}};
	when_format(&time, modify.tv_sec);
	if (note(s, buf_slice(&time)))
		ask(s, &m, answer_done);
	buf_deinit(&time);
}

/* The target is stored as it is given; links never lead out of the jail, wherever they point.  None
 * to what is hidden. */
void
site_symlink(struct ftp_session *s, struct slice arg)
{
	struct buf target = BUF_INIT;
	struct buf path = BUF_INIT;
	char *absolute = NULL;

	if (!split_two(arg, &target, &path)) {
		reply(s, 501, "SITE SYMLINK <target> <path>");
	} else if (resolve_path(s, buf_slice(&target), &absolute) &&
		   resolve_name(s, buf_slice(&path), &s->path)) {
		struct message m = {
			.id = MSG_F_SYMLINK,
			.f_symlink = {.target = buf_slice(&target), .path = slice_of(s->path)}};
		if (note(s, buf_slice(&target)))
			ask(s, &m, answer_done);
	}
	free(absolute);
	buf_deinit(&target);
	buf_deinit(&path);
}

/* Makes the next folder on the way to s->path; those that exist are passed by. */
static void
mkdir_next(struct ftp_session *s, struct message *answer)
{
	struct task *task = s->task;
	struct slice path = slice_of(s->path);
	int error = answer ? answer_error(answer) : 0;
	bool last = task->step == path.n;

	if (error && (error != EEXIST || last)) {
		reply_errno(s, error);
		return;
	}
	if (last) {
		changed(s, s->path, SLICE_NULL);
		reply(s, 250, "Done.");
		return;
	}
	const char *slash = memchr(path.p + task->step + 1, '/', path.n - task->step - 1);
	task->step = slash ? (size_t)(slash - path.p) : path.n;
	struct message m = {
		.id = MSG_F_MKDIR,
		.f_mkdir = {.mode = 0777 & ~s->umask, .path = slice_head(path, task->step)}};
	ask(s, &m, mkdir_next);
}

void
site_mkdir(struct ftp_session *s, struct slice arg)
{
	(void)arg;
	if (slice_equal(slice_of(s->path), SLICE("/")))
		reply_errno(s, EEXIST);
	else if (task_begin(s))
		mkdir_next(s, NULL);
}

void
site_rmdir(struct ftp_session *s, struct slice arg)
{
	struct message m = {.id = MSG_F_RMDIR,
			    .f_rmdir = {.recursive = 1, .path = slice_of(s->path)}};

	(void)arg;
	ask(s, &m, answer_done);
}
