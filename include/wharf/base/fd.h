/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Descriptors: closing without forgetting, flags, and the check that a process holds only those it
 * was given.
 */
#ifndef WHARF_BASE_FD_H
#define WHARF_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>

#include <wharf/base/slice.h>

/* Closes *fd unless it is negative, and sets it to -1.  errno is kept. */
void fd_close(int *fd);
/* 0 or a negative errno. */
int fd_set_nonblocking(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* Makes a connected pair of SOCK_SEQPACKET sockets with CLOEXEC.  0 or a negative errno. */
int fd_seqpacket_pair(int pair[2]);

/*
 * Closes every descriptor from `first` up.  A role calls it at start, when what it was given stands
 * below `first`, so that nothing else is inherited.  0 or a negative errno.
 */
int fd_close_from(int first);

/* Writes all of it to a blocking descriptor.  0 or a negative errno. */
int fd_write_all(int fd, struct slice bytes);

/*
 * Acknowledges now what a TCP socket has received.  Of a message in two segments the peer's kernel
 * may keep the second until the first is acknowledged (RFC 896), and ours waits 40 ms with that
 * (RFC 1122 §4.2.3.2).
 */
void fd_acknowledge(int fd);

/* How many descriptors this process has open, or a negative errno. */
int fd_count(void);

#endif
