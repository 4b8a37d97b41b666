/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Reads the users file; see wharf/conf/users.h and wharfd-users(5). */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wharf/conf/settings.h>
#include <wharf/conf/users.h>
#include <wharf/conf/value.h>

#include "raw.h"
#include "text.h"

#define N_FIELDS 7
#define HASH_MAX 384         /* of libxcrypt: CRYPT_OUTPUT_SIZE */
#define ID_MAX   4294967294U /* -1 is no id */

struct users {
	struct buf text;   /* that the slices of item point to */
	struct user *item; /* in the order of the file */
	size_t n;
	const struct user **sorted; /* by name; of twins the first */
	size_t n_sorted;
};

/* Methods that are still fit for passwords; the others of crypt(5) can be broken by trying. */
static const char *const methods[] = {"$y$", "$gy$", "$7$", "$2b$", "$2y$", "$2a$", "$6$", "$5$"};

static int
bad(struct buf *why, const char *what)
{
	buf_add_str(why, what);
	return USERS_MISTAKES;
}

static int
parse_name(struct slice s, struct user *u, struct buf *why)
{
	u->name = s;
	if (s.n == 0 || s.n > USERS_NAME_MAX)
		return bad(why, "a name has 1 to 64 bytes");
	/* In a root folder's %u these would lead out of it. */
	if (slice_equal(s, SLICE(".")) || slice_equal(s, SLICE("..")))
		return bad(why, "a name is not \".\" or \"..\"");
	if (slice_equal(s, SLICE("anonymous")))
		return bad(why, "the name anonymous is for logins without a password");
	if (s.p[0] == '-' || s.p[0] == '#')
		return bad(why, "a name does not begin with \"-\" or \"#\"");
	if (s.p[0] == ' ' || s.p[s.n - 1] == ' ')
		return bad(why, "a name does not begin or end with a blank");
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '/' || s.p[i] == ':')
			return bad(why, "a name has no \"/\" and no \":\"");
	if (!value_is_text(s))
		return bad(why, "a name has no control characters");
	return 0;
}

static int
parse_hash(struct slice s, struct user *u, struct buf *why)
{
	bool known = s.n && s.p[0] == '!';

	u->hash = s;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		known = known || slice_starts(s, slice_of(methods[i]));
	if (!known)
		return bad(why,
			   "the hash is not of a method that is allowed ($y$, $gy$, $7$, $2b$, "
			   "$2y$, $2a$, $6$ or $5$), and does not begin with \"!\" to lock "
			   "the user");
	if (s.n >= HASH_MAX)
		return bad(why, "the hash is too long");
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return bad(why, "a byte in the hash is not of a hash");
	return 0;
}

static bool
parse_digits(struct slice s, uint64_t max, uint64_t *out)
{
	*out = 0;
	if (s.n == 0 || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(s.p[i] - '0');
	}
	return *out <= max;
}

static int
parse_uid(struct slice s, struct user *u, struct buf *why)
{
	uint64_t n;

	if (!parse_digits(s, ID_MAX, &n))
		return bad(why, "the uid is not a number from 0 to 4294967294");
	u->uid = (uid_t)n;
	return 0;
}

static int
parse_gid(struct slice s, struct user *u, struct buf *why)
{
	uint64_t n;

	if (!parse_digits(s, ID_MAX, &n))
		return bad(why, "the gid is not a number from 0 to 4294967294");
	u->gid = (gid_t)n;
	return 0;
}

static int
parse_root(struct slice s, struct user *u, struct buf *why)
{
	u->root = s;
	if (s.n && s.p[0] != '/')
		return bad(why, "the root folder is not an absolute path");
	if (!value_is_text(s))
		return bad(why, "the root folder is too long or has control characters");
	for (size_t i = 0; i + 3 <= s.n; i++)
		if (memcmp(s.p + i, "/..", 3) == 0 && (i + 3 == s.n || s.p[i + 3] == '/'))
			return bad(why, "the root folder has a \"..\" in it");
	return 0;
}

static int
parse_rights(struct slice s, struct user *u, struct buf *why)
{
	const struct option_row *row = &option_rows[OPTION_NR_rights];
	size_t n;

	option_words(row->set, &n);
	u->rights = (1ULL << n) - 1;
	if (s.n == 0)
		return 0;
	buf_add_str(why, "rights: ");
	return value_parse(row, &s, 1, &u->rights, why) ? USERS_MISTAKES : 0;
}

static int
parse_expires(struct slice s, struct user *u, struct buf *why)
{
	uint64_t year, month, day;
	struct tm tm = {0};

	u->expires = USERS_NEVER;
	if (s.n == 0)
		return 0;
	if (s.n == 10 && s.p[4] == '-' && s.p[7] == '-' &&
	    parse_digits(slice_head(s, 4), 9999, &year) &&
	    parse_digits((struct slice){s.p + 5, 2}, 12, &month) &&
	    parse_digits((struct slice){s.p + 8, 2}, 31, &day) && year >= 1970 && month && day) {
		tm.tm_year = (int)year - 1900;
		tm.tm_mon = (int)month - 1;
		tm.tm_mday = (int)day;
		u->expires = timegm(&tm);
		/* The 31st of a month of 30 days has become another day. */
		if (tm.tm_mday == (int)day)
			return 0;
	}
	return bad(why, "the day of expiry is not a day as YYYY-MM-DD");
}

int
user_parse(struct slice line, struct user *out, struct buf *why)
{
	static int (*const parsers[N_FIELDS])(struct slice, struct user *, struct buf *) = {
		parse_name, parse_hash,   parse_uid,     parse_gid,
		parse_root, parse_rights, parse_expires,
	};
	struct slice field[N_FIELDS];
	size_t n = 0, start = why->len;

	*out = (struct user){0};
	for (size_t i = 0, from = 0; i <= line.n; i++)
		if (i == line.n || line.p[i] == ':') {
			if (n < N_FIELDS)
				field[n] = (struct slice){line.p + from, i - from};
			n++;
			from = i + 1;
		}
	if (n != N_FIELDS) {
		buf_printf(why,
			   "there are %zu fields, and not name:hash:uid:gid:root:rights:expires",
			   n);
		return USERS_MISTAKES;
	}
	for (size_t i = 0; i < N_FIELDS; i++)
		if (parsers[i](field[i], out, why) != 0)
			return USERS_MISTAKES;
	why->len = start;
	return 0;
}

/* Takes a line off the front of *rest, without its newline. */
static struct slice
next_line(struct slice *rest)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	struct slice line = end ? slice_head(*rest, (size_t)(end - rest->p)) : *rest;

	*rest = slice_from(*rest, end ? line.n + 1 : line.n);
	return line;
}

static bool
is_blank_or_comment(struct slice line)
{
	while (line.n && (line.p[0] == ' ' || line.p[0] == '\t'))
		line = slice_from(line, 1);
	return line.n == 0 || line.p[0] == '#';
}

static int
compare(struct slice a, struct slice b)
{
	int r = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return r ? r : (a.n > b.n) - (a.n < b.n);
}

/* By name, and of the same name by line. */
static int
compare_users(const void *a, const void *b)
{
	const struct user *x = *(const struct user *const *)a, *y = *(const struct user *const *)b;
	int r = compare(x->name, y->name);

	return r ? r : (x->line > y->line) - (x->line < y->line);
}

static int
sort(struct users *users, const char *file, struct conf_report *report)
{
	size_t kept = 0; /* of users->sorted */

	users->sorted = calloc(users->n + 1, sizeof(const struct user *));
	if (!users->sorted)
		return -ENOMEM;
	for (size_t i = 0; i < users->n; i++)
		users->sorted[i] = &users->item[i];
	qsort(users->sorted, users->n, sizeof(const struct user *), compare_users);
	for (size_t i = 0; i < users->n; i++) {
		const struct user *u = users->sorted[i];
		if (kept && slice_equal(users->sorted[kept - 1]->name, u->name))
			conf_mistake(report, (struct conf_place){file, u->line},
				     "user \"%.*s\" is in line %d already", SLICE_FMT(u->name),
				     users->sorted[kept - 1]->line);
		else
			users->sorted[kept++] = u;
	}
	users->n_sorted = kept;
	return 0;
}

static int
parse_all(struct users *users, const char *file, struct conf_report *report)
{
	struct slice rest = buf_slice(&users->text);
	struct buf why = BUF_INIT;
	int r = 0;

	for (int line = 1; rest.n && r == 0; line++) {
		struct slice text = next_line(&rest);
		if (is_blank_or_comment(text))
			continue;
		r = conf_grow(&users->item, users->n, sizeof(*users->item));
		if (r < 0)
			break;
		struct user *u = &users->item[users->n];
		buf_reset(&why);
		if (user_parse(text, u, &why) == 0)
			users->n++;
		else
			conf_mistake(report, (struct conf_place){file, line}, "%.*s",
				     SLICE_FMT(buf_slice(&why)));
		u->line = line;
	}
	if (r == 0 && buf_error(&why) < 0)
		r = -ENOMEM;
	buf_deinit(&why);
	return r;
}

int
users_read(int fd, const char *file, struct users **out, struct conf_report *report)
{
	struct users *users = calloc(1, sizeof(*users));
	size_t before = report->mistakes;
	int r;

	if (!users)
		return -ENOMEM;
	r = conf_text_read_fd(fd, &users->text);
	if (r == 0)
		r = parse_all(users, file, report);
	if (r == 0)
		r = sort(users, file, report);
	if (r < 0) {
		users_free(&users);
		return r;
	}
	*out = users;
	return report->mistakes > before ? USERS_MISTAKES : 0;
}

void
users_free(struct users **users)
{
	struct users *u = *users;

	if (!u)
		return;
	buf_wipe(&u->text);
	free(u->item);
	free(u->sorted);
	free(u);
	*users = NULL;
}

const struct user *
users_find(const struct users *users, struct slice name)
{
	size_t low = 0, high = users->n_sorted;

	if (name.n == 0)
		return NULL;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = compare(name, users->sorted[mid]->name);
		if (r == 0)
			return users->sorted[mid];
		if (r < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

size_t
users_all(const struct users *users, const struct user **out)
{
	*out = users->item;
	return users->n;
}

void
user_format_rights(uint64_t rights, struct buf *out)
{
	size_t n;
	const struct word_row *words = option_words("right", &n);
	const char *between = "";

	if (rights == (1ULL << n) - 1)
		return;
	for (size_t i = 0; i < n; i++)
		if (rights >> i & 1) {
			buf_printf(out, "%s%s", between, words[i].name);
			between = ",";
		}
}

void
user_format_expires(int64_t expires, struct buf *out)
{
	time_t t = (time_t)expires;
	struct tm tm;

	if (expires != USERS_NEVER && gmtime_r(&t, &tm))
		buf_printf(out, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

void
user_format(const struct user *u, struct buf *out)
{
	buf_printf(out, "%.*s:%.*s:%u:%u:%.*s:", SLICE_FMT(u->name), SLICE_FMT(u->hash), u->uid,
		   u->gid, SLICE_FMT(u->root));
	user_format_rights(u->rights, out);
	buf_add_byte(out, ':');
	user_format_expires(u->expires, out);
	buf_add_byte(out, '\n');
}

struct slice
users_line(struct slice text, struct slice name)
{
	while (text.n) {
		const char *start = text.p;
		struct slice line = next_line(&text);
		if (!is_blank_or_comment(line) && line.n > name.n && line.p[name.n] == ':' &&
		    slice_starts(line, name))
			return (struct slice){start, (size_t)(text.p - start)};
	}
	return SLICE_NULL;
}
