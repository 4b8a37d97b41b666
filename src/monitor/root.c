/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The root folder of a session; see root.h. */
#include <stdbool.h>
#include <string.h>

#include "root.h"

static bool
is_component(struct slice name)
{
	return name.n && !memchr(name.p, '/', name.n) && !memchr(name.p, '\0', name.n) &&
	       !slice_equal(name, SLICE(".")) && !slice_equal(name, SLICE(".."));
}

/* Puts in %u and %h; %% is a percent sign. */
static int
expand(struct slice option, struct slice user, struct slice home, struct buf *out)
{
	for (size_t i = 0; i < option.n; i++) {
		if (option.p[i] != '%') {
			buf_add_byte(out, option.p[i]);
			continue;
		}
		switch (++i < option.n ? option.p[i] : '\0') {
		case 'u':
			if (!is_component(user))
				return ROOT_BAD;
			buf_add_slice(out, user);
			break;
		case 'h':
			buf_add_slice(out, home);
			break;
		case '%':
			buf_add_byte(out, '%');
			break;
		default:
			return ROOT_BAD;
		}
	}
	return 0;
}

int
root_choose(struct slice option, struct slice from_file, struct slice user, struct slice home,
	    struct buf *out)
{
	size_t start = out->len;
	int r = 0;

	if (option.n)
		r = expand(option, user, home, out);
	else
		buf_add_slice(out, from_file.n ? from_file : home);
	if (r)
		return r;
	if (buf_reserve(out, 1) < 0 || buf_error(out) < 0)
		return -ENOMEM;
	out->data[out->len] = '\0';
	if (out->len == start || out->data[start] != '/' ||
	    strlen(out->data + start) != out->len - start)
		return ROOT_BAD;
	return 0;
}
