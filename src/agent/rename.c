/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Renames; see agent.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

/* The C library's makes another call of it where there are no flags. */
int
rename_at(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

/* Some file systems can't promise that a name is free; there it is looked up before. */
int
rename_to_free(int from_folder, const char *from, int to_folder, const char *to)
{
	struct stat st;

	if (rename_at(from_folder, from, to_folder, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (fstatat(to_folder, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return rename_at(from_folder, from, to_folder, to, 0) < 0 ? -errno : 0;
}
