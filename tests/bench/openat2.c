/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * openat2() for an agent under Debian 12's valgrind, which does not know it: preloaded, this asks
 * openat() instead.  The promises of openat2() are not kept, so it is for counting instructions in
 * a folder of the test's own, and for nothing else.  See instructions.py.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <sys/syscall.h>

static long (*libc_syscall)(long number, ...);

__attribute__((constructor)) static void
find_libc(void)
{
	*(void **)&libc_syscall = dlsym(RTLD_NEXT, "syscall");
}

static int
open_plainly(int at, const char *path, const struct open_how *how)
{
	while (how->resolve & RESOLVE_IN_ROOT && *path == '/')
		path++;
	return openat(at, *path ? path : ".", (int)how->flags, (mode_t)how->mode);
}

long
syscall(long number, ...)
{
	long a[6];
	va_list list;

	/* The caller may have given fewer: what is read beyond is not looked at. */
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_openat2)
		return open_plainly((int)a[0], (const char *)a[1], (const struct open_how *)a[2]);
	return libc_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
