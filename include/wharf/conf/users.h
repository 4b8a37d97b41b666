/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The users file, wharfd-users(5): virtual users with a password hash, ids and a root folder, a
 * line each.  Nothing here computes a hash, and nothing reads wharfd.conf.
 */
#ifndef WHARF_CONF_USERS_H
#define WHARF_CONF_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>
#include <wharf/conf/conf.h>

#define USERS_NAME_MAX 64
#define USERS_NEVER    INT64_MAX

/* One user.  The slices belong to the text that was read. */
struct user {
	struct slice name;
	struct slice hash; /* as crypt(5) has it, or begins with "!" for a user who is locked */
	struct slice root; /* absolute, or empty for the option root */
	uid_t uid;
	gid_t gid;
	uint64_t rights; /* RIGHT() bits that are left; all where the file does not narrow them */
	int64_t expires; /* the first second that is too late, in seconds since 1970, or USERS_NEVER
			  */
	int line;
};

struct users;

/*
 * Reads a users file from its beginning, wherever the descriptor's offset stands; fd stays the
 * caller's.  `file` is its name for the report.  Returns 0; USERS_MISTAKES when lines are bad: each
 * is in the report, and *out has the others; or a negative errno (*out is not set).  users_free()
 * frees, and wipes the hashes.
 */
enum { USERS_MISTAKES = 1 };
int users_read(int fd, const char *file, struct users **out, struct conf_report *report);
void users_free(struct users **users);

/* The user of that name, by bytes, or NULL. */
const struct user *users_find(const struct users *users, struct slice name);
/* All users in the order of the file. */
size_t users_all(const struct users *users, const struct user **out);

static inline bool
user_is_locked(const struct user *u)
{
	return u->hash.n == 0 || u->hash.p[0] == '!';
}

/* now: seconds since 1970. */
static inline bool
user_is_expired(const struct user *u, int64_t now)
{
	return now >= u->expires;
}

/*
 * Reads one line without its newline, which is neither empty nor a comment.  Returns 0, or
 * USERS_MISTAKES with the reason appended to `why`.
 */
int user_parse(struct slice line, struct user *out, struct buf *why);
/* Appends the user as a line with a newline. */
void user_format(const struct user *u, struct buf *out);
/* Appends the rights as the file has them: words with commas between, nothing for all of them. */
void user_format_rights(uint64_t rights, struct buf *out);
/* Appends the day as YYYY-MM-DD, nothing for USERS_NEVER. */
void user_format_expires(int64_t expires, struct buf *out);

/* The line of a user in a text, with its newline if it has one; an empty slice (p is NULL) when
 * there is none. */
struct slice users_line(struct slice text, struct slice name);

/*
 * Changes a users file so that a reader sees the old or the new one, whole: takes a lock (flock) on
 * its folder, calls `change` with the old text (empty when there is no file), and puts what it
 * appended to `new` in the file's place, with mode 0600, the old owner, and synced to disk.
 * Comments and order are what `change` makes of them.  When `change` returns non-zero nothing is
 * changed and that is returned.  Otherwise 0 or a negative errno; -ELOOP when path is a symbolic
 * link.
 */
typedef int (*users_change_fn)(struct slice old, struct buf *new, void *arg);
int users_edit(const char *path, users_change_fn change, void *arg);

#endif
