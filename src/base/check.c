/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What happens when an assertion of wharf/base/check.h fails. */
#include <stdlib.h>

#include <wharf/base/check.h>
#include <wharf/base/log.h>

_Noreturn void
require_failed(const char *cond, const char *file, int line)
{
	LOG(ERROR, "a requirement failed, this process ends", LOG_STR("condition", cond),
	    LOG_STR("file", file), LOG_NUM("line", line));
	abort();
}

bool
check_failed(const char *cond, const char *file, int line)
{
	LOG(ERROR, "a check failed", LOG_STR("condition", cond), LOG_STR("file", file),
	    LOG_NUM("line", line));
	return false;
}
