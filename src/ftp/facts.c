/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The facts of wharf/ftp/facts.h: a row a fact.  A function writes the value and returns what
 * follows, or NULL for no such fact.
 */
#include <wharf/base/put.h>
#include <wharf/ftp/facts.h>
#include <wharf/ftp/when.h>

/* Whether a link's target can stand in a fact. */
static bool
is_sayable(struct slice target)
{
	for (size_t i = 0; i < target.n; i++)
		if ((unsigned char)target.p[i] < ' ' || target.p[i] == ';')
			return false;
	return target.n > 0;
}

/* RFC 3659 §7.5.1 leaves OS-specific types to the system: clients know this one as a link's. */
static char *
put_link(char *p, struct slice target)
{
	if (!is_sayable(target))
		return put_slice(p, SLICE("OS.unix=symlink"));
	return put_slice(put_slice(p, SLICE("OS.unix=slink:")), target);
}

static char *
put_type(char *p, const struct entry *e)
{
	static const struct slice names[] = {
		[ENTRY_FILE] = {"file", 4},
		[ENTRY_DIR] = {"dir", 3},
		[ENTRY_CDIR] = {"cdir", 4},
		[ENTRY_PDIR] = {"pdir", 4},
		[ENTRY_SPECIAL] = {"OS.unix=special", 15},
	};

	return e->type == ENTRY_SYMLINK ? put_link(p, e->target) : put_slice(p, names[e->type]);
}

static char *
put_size(char *p, const struct entry *e)
{
	return e->type == ENTRY_FILE ? put_u64(p, e->size) : NULL;
}

static char *
put_modify(char *p, const struct entry *e)
{
	return when_put(p, e->mtime);
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

static char *
put_perm(char *p, const struct entry *e)
{
	static const char letters[] = "acdeflmprw";
	unsigned perm = e->perm & perms_of_type(e->type);

	for (; perm; perm &= perm - 1)
		*p++ = letters[__builtin_ctz(perm)];
	return p;
}

static char *
put_hex(char *p, uint64_t n)
{
	int shift = n ? (63 - __builtin_clzll(n)) & ~3 : 0;

	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[n >> shift & 15];
	return p;
}

static char *
put_unique(char *p, const struct entry *e)
{
	p = put_hex(p, e->dev);
	*p++ = 'g';
	return put_hex(p, e->ino);
}

static char *
put_unix_mode(char *p, const struct entry *e)
{
	for (int shift = 9; shift >= 0; shift -= 3)
		*p++ = (char)('0' + (e->mode >> shift & 7));
	return p;
}

static char *
put_unix_owner(char *p, const struct entry *e)
{
	return entry_put_owner(p, e->owner, e->uid);
}

static char *
put_unix_group(char *p, const struct entry *e)
{
	return entry_put_owner(p, e->group, e->gid);
}

/* Names have one length in memory, so that copying one is one instruction or two. */
#define NAME_BYTES 16

static const struct {
	enum fact fact;
	char name[NAME_BYTES];
	size_t n;
	char *(*put)(char *p, const struct entry *e);
} facts[] = {
	{FACT_TYPE, "type", 4, put_type},
	{FACT_SIZE, "size", 4, put_size},
	{FACT_MODIFY, "modify", 6, put_modify},
	{FACT_PERM, "perm", 4, put_perm},
	{FACT_UNIQUE, "unique", 6, put_unique},
	{FACT_UNIX_MODE, "UNIX.mode", 9, put_unix_mode},
	{FACT_UNIX_OWNER, "UNIX.owner", 10, put_unix_owner},
	{FACT_UNIX_GROUP, "UNIX.group", 10, put_unix_group},
};

#define N_FACTS (sizeof(facts) / sizeof(facts[0]))

void
facts_format(struct buf *out, const struct entry *e, unsigned wanted)
{
	char *p = entry_reserve(out, e);

	if (!p)
		return;
	for (size_t i = 0; i < N_FACTS; i++) {
		if (!(wanted & facts[i].fact))
			continue;
		memcpy(p, facts[i].name, NAME_BYTES);
		p[facts[i].n] = '=';
		char *end = facts[i].put(p + facts[i].n + 1, e);
		if (end) {
			*end = ';';
			p = end + 1;
		}
	}
	*p++ = ' ';
	p = put_slice(p, e->name);
	out->len = (size_t)(p - out->data);
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
			if (slice_equal_nocase(name, (struct slice){facts[i].name, facts[i].n}))
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
		buf_add(out, facts[i].name, facts[i].n);
		if (wanted & facts[i].fact)
			buf_add_byte(out, '*');
		buf_add_byte(out, ';');
	}
}
