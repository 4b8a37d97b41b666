/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What scripts of uploads begin with; see script.h. */
#ifndef WHARF_TEST_UPLOADS_H
#define WHARF_TEST_UPLOADS_H

#include "script.h"

/* A setup in which files are staged, and all that is asked of the world must be read. */
#define STAGED .traced = true, .bare = true, .durability = WORD_durability_sync
#define LOGIN  "< 220 *", "> USER demo", "< 331 *", "> PASS secret", "< 230 *"
#define BINARY LOGIN, "> TYPE I", "< 200 *", "> PASV", "< 227 *"
/* The trace of an upload that has found its file, and room. */
#define OPENED "= open *", "= reserve *"

#endif
