/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What an agent is asked for, in short.  Each gives the errno of the answer, which is in c.answer.
 */
#ifndef WHARF_TESTS_AGENT_REQUESTS_H
#define WHARF_TESTS_AGENT_REQUESTS_H

#include <stdint.h>

#include "fixture.h"

/* How an upload begins anew, and how it goes on. */
#define WHOLE (OPEN_WRITE | OPEN_CREATE | OPEN_STAGE | OPEN_WHOLE)
#define ON    (OPEN_WRITE | OPEN_CREATE | OPEN_STAGE)

uint32_t ask_open(const char *path, uint32_t how); /* what is new has mode 0640 */
uint32_t ask_stat(const char *path);
uint32_t ask_unlink(const char *path);
uint32_t ask_mkdir(const char *path, uint32_t mode);
uint32_t ask_rmdir(const char *path, uint8_t recursive);
uint32_t ask_rename(const char *from, const char *to, uint8_t replace);
uint32_t ask_chmod(const char *path, uint32_t mode);
uint32_t ask_chgrp(const char *path, const char *group);
uint32_t ask_utime(const char *path, int64_t seconds, uint32_t nanoseconds);
uint32_t ask_symlink(const char *target, const char *path);

/* A listing as text, or NULL and the error in *error.  The caller frees it. */
char *list(uint8_t form, uint32_t flags, const char *path, const char *pattern, uint32_t *error);
/* Asserts that it is that text. */
void lists(uint8_t form, uint32_t flags, const char *path, const char *pattern,
	   const char *expected);

#endif
