/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The list of roots; see roots.h.  A line is {"user": .., "uid": .., "gid": .., "groups": [..],
 * "group_names": [..], "root": ..}; a text that is not UTF-8 is an array of its bytes.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include <wharf/wire/wire.h>

#include "roots.h"

/* No uid and no gid is that, as chown(2) takes it for "as it was". */
#define ID_MAX (UINT32_MAX - 1)

#define SLICES 4

/* The owner as one row of bytes, with which it is found. */
static void
make_key(const struct root_owner *o, struct buf *key)
{
	const struct slice parts[SLICES] = {o->user, o->groups, o->group_names, o->folder};

	buf_add(key, &o->uid, sizeof(o->uid));
	buf_add(key, &o->gid, sizeof(o->gid));
	for (size_t i = 0; i < SLICES; i++)
		buf_add(key, &parts[i].n, sizeof(parts[i].n));
	for (size_t i = 0; i < SLICES; i++)
		buf_add_slice(key, parts[i]);
}

int
root_init(struct root *root, const struct root_owner *o)
{
	*root = (struct root){.owner = *o};
	make_key(o, &root->key);
	if (buf_error(&root->key) < 0) {
		root_deinit(root);
		return -ENOMEM;
	}
	const char *p = root->key.data + root->key.len - o->user.n - o->groups.n -
			o->group_names.n - o->folder.n;
	root->owner.user.p = p;
	root->owner.groups.p = p + o->user.n;
	root->owner.group_names.p = root->owner.groups.p + o->groups.n;
	root->owner.folder.p = root->owner.group_names.p + o->group_names.n;
	return 0;
}

void
root_deinit(struct root *root)
{
	buf_deinit(&root->key);
}

void
roots_deinit(struct roots *roots)
{
	struct root *r, *next;

	HASH_ITER (hh, roots->all, r, next) {
		struct root *gone = r;
		roots_drop(roots, &gone);
	}
}

struct root *
roots_find(const struct roots *roots, const struct root_owner *owner)
{
	struct buf key = BUF_INIT;
	struct root *r = NULL;

	make_key(owner, &key);
	if (buf_error(&key) == 0)
		HASH_FIND(hh, roots->all, key.data, key.len, r);
	buf_deinit(&key);
	return r;
}

struct root *
roots_add(struct roots *roots, const struct root_owner *owner)
{
	struct root *r = roots_find(roots, owner);

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r || root_init(r, owner) < 0) {
		free(r);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, roots->all, r->key.data, r->key.len, r);
	return r;
}

void
roots_drop(struct roots *roots, struct root **root)
{
	struct root *gone = *root;

	if (!gone)
		return;
	*root = NULL;
	/* NOLINTNEXTLINE(clang-analyzer-*): the analyser loses its way in uthash. */
	HASH_DEL(roots->all, gone);
	root_deinit(gone);
	free(gone);
}

bool
root_owner_same(const struct root_owner *a, const struct root_owner *b)
{
	return a->uid == b->uid && a->gid == b->gid && slice_equal(a->user, b->user) &&
	       slice_equal(a->folder, b->folder) && slice_equal(a->groups, b->groups) &&
	       slice_equal(a->group_names, b->group_names);
}

static json_t *
text_to_json(struct slice text)
{
	json_t *value = json_stringn(text.n ? text.p : "", text.n);

	if (value)
		return value;
	value = json_array();
	for (size_t i = 0; value && i < text.n; i++)
		json_array_append_new(value, json_integer((unsigned char)text.p[i]));
	return value;
}

/* False when it is no text, or memory is out. */
static bool
text_from_json(const json_t *value, struct buf *out)
{
	if (json_is_string(value)) {
		buf_add(out, json_string_value(value), json_string_length(value));
		return buf_error(out) == 0;
	}
	if (!json_is_array(value))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *byte = json_array_get(value, i);
		if (!json_is_integer(byte) || json_integer_value(byte) < 1 ||
		    json_integer_value(byte) > UINT8_MAX)
			return false;
		buf_add_byte(out, (char)json_integer_value(byte));
	}
	return buf_error(out) == 0;
}

static json_t *
groups_to_json(struct slice groups)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < wire_ids_count(groups); i++)
		json_array_append_new(list, json_integer(wire_ids_get(groups, i)));
	return list;
}

static json_t *
names_to_json(struct slice names)
{
	json_t *list = json_array();

	for (const char *end; list && names.n && (end = memchr(names.p, '\0', names.n)) != NULL;) {
		size_t n = (size_t)(end - names.p);
		json_array_append_new(list, text_to_json(slice_head(names, n)));
		names = slice_from(names, n + 1);
	}
	return list;
}

void
root_format(const struct root_owner *owner, struct buf *out)
{
	json_t *line = json_object();

	json_object_set_new(line, "user", text_to_json(owner->user));
	json_object_set_new(line, "uid", json_integer(owner->uid));
	json_object_set_new(line, "gid", json_integer(owner->gid));
	json_object_set_new(line, "groups", groups_to_json(owner->groups));
	json_object_set_new(line, "group_names", names_to_json(owner->group_names));
	json_object_set_new(line, "root", text_to_json(owner->folder));
	/* What could not be set, for want of memory, is missed now. */
	char *text = json_object_size(line) == 6 ? json_dumps(line, JSON_COMPACT) : NULL;
	if (text)
		buf_add_str(out, text);
	else
		out->failed = true;
	buf_add_byte(out, '\n');
	free(text);
	json_decref(line);
}

void
roots_format(const struct roots *roots, struct buf *out)
{
	const struct root *r, *next;

	HASH_ITER (hh, roots->all, r, next)
		root_format(&r->owner, out);
}

static bool
id_from_json(const json_t *value, uint32_t *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > ID_MAX)
		return false;
	*out = (uint32_t)json_integer_value(value);
	return true;
}

static bool
groups_from_json(const json_t *list, struct buf *out)
{
	uint32_t id;

	if (!json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (!id_from_json(json_array_get(list, i), &id))
			return false;
		wire_ids_add(out, id);
	}
	return buf_error(out) == 0;
}

static bool
names_from_json(const json_t *list, struct buf *out)
{
	if (!json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (!text_from_json(json_array_get(list, i), out))
			return false;
		buf_add_byte(out, '\0');
	}
	return buf_error(out) == 0;
}

/* What of a line must be there and be right before anybody acts on it. */
static bool
owner_from_json(const json_t *line, struct root_owner *o, struct buf parts[SLICES])
{
	if (!text_from_json(json_object_get(line, "user"), &parts[0]) ||
	    !groups_from_json(json_object_get(line, "groups"), &parts[1]) ||
	    !names_from_json(json_object_get(line, "group_names"), &parts[2]) ||
	    !text_from_json(json_object_get(line, "root"), &parts[3]) ||
	    !id_from_json(json_object_get(line, "uid"), &o->uid) ||
	    !id_from_json(json_object_get(line, "gid"), &o->gid))
		return false;
	o->user = buf_slice(&parts[0]);
	o->groups = buf_slice(&parts[1]);
	o->group_names = buf_slice(&parts[2]);
	o->folder = buf_slice(&parts[3]);
	return o->user.n > 0 && o->folder.n > 0 && o->folder.p[0] == '/';
}

/* Whether the line is one that was added; *r is -ENOMEM when memory is out. */
static bool
read_line(struct roots *roots, struct slice text, int *r)
{
	struct buf parts[SLICES] = {BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT};
	json_t *line = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	struct root_owner owner;
	bool good = line && owner_from_json(line, &owner, parts);

	if (good && !roots_add(roots, &owner))
		*r = -ENOMEM;
	for (size_t i = 0; i < SLICES; i++)
		buf_deinit(&parts[i]);
	json_decref(line);
	return good;
}

int
roots_read(struct roots *roots, struct slice text, size_t *bad)
{
	int r = 0;

	*bad = 0;
	while (text.n && r == 0) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		*bad += !read_line(roots, slice_head(text, n), &r);
		text = slice_from(text, end ? n + 1 : n);
	}
	return r;
}
