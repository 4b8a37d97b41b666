/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What is renamed into a folder whose files are held (retain.h).  From then on nobody may change
 * it, so nobody may be at it when it comes; and how long it is held counts from then, for a client
 * may have given it any time before.
 */
#ifndef WHARF_AGENT_ADMIT_H
#define WHARF_AGENT_ADMIT_H

#include <sys/stat.h>

struct agent;

/*
 * What has that name in that folder, a file or a folder with all that is in it, is to be renamed
 * into `to`.  *st: its own facts.  Where it will be held there by another rule than now, its files
 * get the present time, and keep their digests.  The caller has the hold until it is renamed.
 * 0; -EBUSY where one of them is being written; or another negative errno where that can't be known
 * or done, and then it must not come in.
 */
int admit(struct agent *agent, int from, const char *name, const struct stat *st, int to);

#endif
