/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A folder of a group of tests, which is the working directory meanwhile. */
#ifndef WHARF_TEST_FOLDER_H
#define WHARF_TEST_FOLDER_H

/* Its path. */
extern char folder[];

/* The group's set-up and tear-down; nothing may be left in it. */
int enter_folder(void **state);
int leave_folder(void **state);

#endif
