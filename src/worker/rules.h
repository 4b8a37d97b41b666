/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What blocks of users say that has to be known before the password: require_tls. */
#ifndef WHARF_WORKER_RULES_H
#define WHARF_WORKER_RULES_H

#include <stdint.h>

#include <wharf/base/slice.h>

struct rule;

struct rules {
	struct rule *by_name;
};

/* W_USER.  0 or -ENOMEM. */
int rules_add(struct rules *rs, struct slice user, uint8_t require_tls);
/* An enum word_require_tls, or -1 where no rule is of that user. */
int rules_require_tls(const struct rules *rs, struct slice user);
void rules_deinit(struct rules *rs);

#endif
