/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The ways in which F_OPEN opens a file to write.  Each fills in the answer, but for its descriptor
 * and its name where that is the path, and returns the descriptor or a negative errno.
 */
#ifndef WHARF_AGENT_OPEN_H
#define WHARF_AGENT_OPEN_H

#include "agent.h"

/* The file itself. */
int open_in_place(struct agent *agent, const struct f_open *f, struct r_opened *out);

/*
 * A staging file for it, or itself where that can't be.  The staging file's name is appended to
 * *scratch.
 */
int open_staged(struct agent *agent, const struct f_open *f, struct r_opened *out,
		struct buf *scratch);

/*
 * The path of a name in the folder `path` that nobody guesses, in *out, which is reset first.  0 or
 * a negative errno.
 */
int open_unique_path(struct slice path, struct buf *out);

#define OPEN_UNIQUE_TRIES 16

#endif
