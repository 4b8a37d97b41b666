/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Rules of users; see rules.h. */
#include <errno.h>
#include <stdlib.h>
#include <uthash.h>

#include "rules.h"

struct rule {
	UT_hash_handle hh;
	char *user;
	uint8_t require_tls;
};

int
rules_add(struct rules *rs, struct slice user, uint8_t require_tls)
{
	struct rule *r = calloc(1, sizeof(*r));

	if (r)
		r->user = slice_dup(user);
	if (!r || !r->user) {
		free(r);
		return -ENOMEM;
	}
	r->require_tls = require_tls;
	HASH_ADD_KEYPTR(hh, rs->by_name, r->user, user.n, r);
	return 0;
}

int
rules_require_tls(const struct rules *rs, struct slice user)
{
	struct rule *r = NULL;

	if (user.n)
		HASH_FIND(hh, rs->by_name, user.p, user.n, r);
	return r ? r->require_tls : -1;
}

void
rules_deinit(struct rules *rs)
{
	struct rule *r, *next;

	HASH_ITER (hh, rs->by_name, r, next) {
		/* NOLINTNEXTLINE(clang-analyzer-*): the analyser loses its way in uthash. */
		HASH_DEL(rs->by_name, r);
		free(r->user);
		free(r);
	}
}
