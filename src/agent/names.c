/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The tables of names.h.  fgetpwent(3) and fgetgrent(3) read one file and ask no service. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

static int
compare_ids(const void *a, const void *b)
{
	const struct names_row *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	/* Where two names have one number, the file's first counts. */
	return x->at < y->at ? -1 : x->at > y->at;
}

static int
names_add(struct names *names, uint32_t id, const char *name)
{
	/* The rows grow by doubling: their number is a power of two whenever there is no room. */
	if ((names->n & (names->n - 1)) == 0) {
		size_t room = names->n ? names->n * 2 : 1;
		struct names_row *rows = realloc(names->rows, room * sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		names->rows = rows;
	}
	names->rows[names->n++] = (struct names_row){id, (uint32_t)names->text.len};
	buf_add(&names->text, name, strlen(name) + 1);
	return buf_error(&names->text);
}

static int
add_next_user(struct names *names, FILE *file)
{
	const struct passwd *entry = fgetpwent(file);

	return entry ? names_add(names, entry->pw_uid, entry->pw_name) : 1;
}

static int
add_next_group(struct names *names, FILE *file)
{
	const struct group *entry = fgetgrent(file);

	return entry ? names_add(names, entry->gr_gid, entry->gr_name) : 1;
}

static int
names_read(struct names *names, const char *path, int (*add_next)(struct names *, FILE *))
{
	int r = 0;

	*names = (struct names){0};
	FILE *file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && names->n < NAMES_MAX)
		r = add_next(names, file);
	fclose(file);
	if (r < 0) {
		names_deinit(names);
		return r;
	}
	if (names->n)
		qsort(names->rows, names->n, sizeof(names->rows[0]), compare_ids);
	return 0;
}

int
names_read_users(struct names *names, const char *path)
{
	return names_read(names, path, add_next_user);
}

int
names_read_groups(struct names *names, const char *path)
{
	return names_read(names, path, add_next_group);
}

void
names_deinit(struct names *names)
{
	buf_deinit(&names->text);
	free(names->rows);
	*names = (struct names){0};
}

struct slice
names_of(const struct names *names, uint32_t id)
{
	size_t low = 0, high = names->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (names->rows[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == names->n || names->rows[low].id != id)
		return SLICE_NULL;
	return slice_of(names->text.data + names->rows[low].at);
}

bool
names_find(const struct names *names, struct slice name, uint32_t *id)
{
	for (size_t i = 0; i < names->n; i++) {
		if (!slice_equal(slice_of(names->text.data + names->rows[i].at), name))
			continue;
		*id = names->rows[i].id;
		return true;
	}
	return false;
}
