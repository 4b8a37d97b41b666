/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The memory of a process that has started. */
#ifndef WHARF_BASE_MEMORY_H
#define WHARF_BASE_MEMORY_H

/*
 * Gives back what only the start has needed: the heap's free pages, and the pages of programs and
 * libraries, which come again from the page cache where they are needed.  Called once, right before
 * a role serves.
 */
void memory_settle(void);

#endif
