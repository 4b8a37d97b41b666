/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Folders of the host that the monitor needs at its start. */
#ifndef WHARF_MONITOR_FOLDER_H
#define WHARF_MONITOR_FOLDER_H

#include <stdbool.h>

/* Makes the folder and those above it, with mode 0755 less the umask.  0 or a negative errno. */
int folder_make(const char *path);
/* Whether nothing is in it.  Takes over fd. */
bool folder_is_empty(int fd);

#endif
