/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Two grades of assertion.  REQUIRE: the process can't go on.  CHECK: the caller can; the surprise
 * is logged and counted, and the value of the condition is returned: `if (!CHECK(n < max)) return
 * -EPROTO;`.
 */
#ifndef WHARF_BASE_CHECK_H
#define WHARF_BASE_CHECK_H

#include <stdbool.h>

#define REQUIRE(cond) ((cond) ? (void)0 : require_failed(#cond, __FILE__, __LINE__))
#define CHECK(cond)   ((cond) ? true : check_failed(#cond, __FILE__, __LINE__))

_Noreturn void require_failed(const char *cond, const char *file, int line);
/* Always false. */
bool check_failed(const char *cond, const char *file, int line);

/* A long-lived object begins with a magic number, so that a callback can check what its void *
 * became. */
#define MAGIC(a, b, c, d) \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

#endif
