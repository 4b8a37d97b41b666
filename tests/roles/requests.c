/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The requests of requests.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include <wharf/ftp/facts.h>

#include "requests.h"

uint32_t
ask_open(const char *path, uint32_t how)
{
	return ASK(&c, F_OPEN, f_open, how, 0640, slice_of(path))->r_opened.error;
}

uint32_t
ask_stat(const char *path)
{
	return ASK(&c, F_STAT, f_stat, slice_of(path))->r_stat.error;
}

uint32_t
ask_unlink(const char *path)
{
	return ASK(&c, F_UNLINK, f_unlink, slice_of(path))->r_done.error;
}

uint32_t
ask_mkdir(const char *path, uint32_t mode)
{
	return ASK(&c, F_MKDIR, f_mkdir, mode, slice_of(path))->r_done.error;
}

uint32_t
ask_rmdir(const char *path, uint8_t recursive)
{
	return ASK(&c, F_RMDIR, f_rmdir, recursive, slice_of(path))->r_done.error;
}

uint32_t
ask_rename(const char *from, const char *to, uint8_t replace)
{
	return ASK(&c, F_RENAME, f_rename, replace, slice_of(from), slice_of(to))->r_done.error;
}

uint32_t
ask_chmod(const char *path, uint32_t mode)
{
	return ASK(&c, F_CHMOD, f_chmod, mode, slice_of(path))->r_done.error;
}

uint32_t
ask_chgrp(const char *path, const char *group)
{
	return ASK(&c, F_CHGRP, f_chgrp, slice_of(group), slice_of(path))->r_done.error;
}

uint32_t
ask_utime(const char *path, int64_t seconds, uint32_t nanoseconds)
{
	return ASK(&c, F_UTIME, f_utime, seconds, nanoseconds, slice_of(path))->r_done.error;
}

uint32_t
ask_symlink(const char *target, const char *path)
{
	return ASK(&c, F_SYMLINK, f_symlink, slice_of(target), slice_of(path))->r_done.error;
}

char *
list(uint8_t form, uint32_t flags, const char *path, const char *pattern, uint32_t *error)
{
	const struct message *m = ASK(&c, F_LIST, f_list, form, flags, FACT_TYPE, slice_of(path),
				      slice_of(pattern), SLICE(""));

	*error = m->r_listing.error;
	return *error ? NULL : client_read(&c);
}

void
lists(uint8_t form, uint32_t flags, const char *path, const char *pattern, const char *expected)
{
	uint32_t error;
	char *text = list(form, flags, path, pattern, &error);

	assert_int_equal(error, 0);
	assert_string_equal(text, expected);
	free(text);
}
