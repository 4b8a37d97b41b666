/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The facts of wharf/ftp/facts.h: a row a fact.  A function appends the value, or returns false for
 * no such fact.
 */
#include <wharf/ftp/facts.h>
#include <wharf/ftp/when.h>

static bool
add_type(struct buf *out, const struct entry *e)
{
	static const char *const names[] = {
		[ENTRY_FILE] = "file",
		[ENTRY_DIR] = "dir",
		[ENTRY_CDIR] = "cdir",
		[ENTRY_PDIR] = "pdir",
		[ENTRY_SYMLINK] = "OS.unix=symlink",
		[ENTRY_SPECIAL] = "OS.unix=special",
	};

	buf_add_str(out, names[e->type]);
	return true;
}

static bool
add_size(struct buf *out, const struct entry *e)
{
	if (e->type != ENTRY_FILE)
		return false;
	buf_add_u64(out, e->size);
	return true;
}

static bool
add_modify(struct buf *out, const struct entry *e)
{
	when_format(out, e->mtime);
	return true;
}

/* The letters that RFC 3659 §7.5.5 has for this type. */
static unsigned
perms_of_type(enum entry_type type)
{
	switch (type) {
	case ENTRY_FILE:
		return PERM_APPEND | PERM_DELETE | PERM_RENAME | PERM_RETRIEVE | PERM_STORE;
	case ENTRY_DIR:
	case ENTRY_CDIR:
	case ENTRY_PDIR:
		return PERM_CREATE | PERM_DELETE | PERM_ENTER | PERM_RENAME | PERM_LIST |
		       PERM_MKDIR | PERM_PURGE;
	default:
		return PERM_DELETE | PERM_RENAME;
	}
}

static bool
add_perm(struct buf *out, const struct entry *e)
{
	static const char letters[] = "acdeflmprw";
	unsigned perm = e->perm & perms_of_type(e->type);

	for (unsigned i = 0; i < sizeof(letters) - 1; i++)
		if (perm & 1u << i)
			buf_add_byte(out, letters[i]);
	return true;
}

static void
add_hex(struct buf *out, uint64_t n)
{
	char text[16];
	size_t at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[n % 16];
		n /= 16;
	} while (n);
	buf_add(out, text + at, sizeof(text) - at);
}

static bool
add_unique(struct buf *out, const struct entry *e)
{
	add_hex(out, e->dev);
	buf_add_byte(out, 'g');
	add_hex(out, e->ino);
	return true;
}

static bool
add_unix_mode(struct buf *out, const struct entry *e)
{
	for (int shift = 9; shift >= 0; shift -= 3)
		buf_add_byte(out, (char)('0' + (e->mode >> shift & 7)));
	return true;
}

static bool
add_unix_owner(struct buf *out, const struct entry *e)
{
	entry_format_owner(out, e->owner, e->uid);
	return true;
}

static bool
add_unix_group(struct buf *out, const struct entry *e)
{
	entry_format_owner(out, e->group, e->gid);
	return true;
}

static const struct {
	enum fact fact;
	struct slice name;
	bool (*add)(struct buf *out, const struct entry *e);
} facts[] = {
	{FACT_TYPE, {"type", 4}, add_type},
	{FACT_SIZE, {"size", 4}, add_size},
	{FACT_MODIFY, {"modify", 6}, add_modify},
	{FACT_PERM, {"perm", 4}, add_perm},
	{FACT_UNIQUE, {"unique", 6}, add_unique},
	{FACT_UNIX_MODE, {"UNIX.mode", 9}, add_unix_mode},
	{FACT_UNIX_OWNER, {"UNIX.owner", 10}, add_unix_owner},
	{FACT_UNIX_GROUP, {"UNIX.group", 10}, add_unix_group},
};

#define N_FACTS (sizeof(facts) / sizeof(facts[0]))

void
facts_format(struct buf *out, const struct entry *e, unsigned wanted)
{
	for (size_t i = 0; i < N_FACTS; i++) {
		size_t before = out->len;
		if (!(wanted & facts[i].fact))
			continue;
		buf_add_slice(out, facts[i].name);
		buf_add_byte(out, '=');
		if (facts[i].add(out, e))
			buf_add_byte(out, ';');
		else
			out->len = before;
	}
	buf_add_byte(out, ' ');
	buf_add_slice(out, e->name);
}

int
facts_parse(struct slice arg, unsigned *wanted)
{
	unsigned set = 0;

	if (arg.n > 0 && memchr(arg.p, ' ', arg.n))
		return FACTS_BAD;
	while (arg.n > 0) {
		const char *end = memchr(arg.p, ';', arg.n);
		struct slice name = end ? slice_head(arg, (size_t)(end - arg.p)) : arg;

		for (size_t i = 0; i < N_FACTS; i++)
			if (slice_equal_nocase(name, facts[i].name))
				set |= facts[i].fact;
		arg = slice_from(arg, end ? name.n + 1 : name.n);
	}
	*wanted = set;
	return 0;
}

void
facts_format_names(struct buf *out, unsigned all, unsigned wanted)
{
	for (size_t i = 0; i < N_FACTS; i++) {
		if (!(all & facts[i].fact))
			continue;
		buf_add_slice(out, facts[i].name);
		if (wanted & facts[i].fact)
			buf_add_byte(out, '*');
		buf_add_byte(out, ';');
	}
}
