/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A listing that goes over the control connection (STAT of a folder): a pipe from the agent, read
 * as the client reads. */
#ifndef WHARF_WORKER_STATUS_PIPE_H
#define WHARF_WORKER_STATUS_PIPE_H

#include "session.h"

/* Takes over fd.  An error makes the end of the pipe due. */
void status_pipe_open(struct session *s, int fd);
/* Reads on, or waits until the client has read. */
void status_pipe_go_on(struct session *s, bool on);
void status_pipe_close(struct session *s);

#endif
