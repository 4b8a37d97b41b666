/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * wharfd.conf as libconfuse reads it, before anything in it has a meaning: statements of names and
 * texts, in blocks, each with its place.  Names that nobody knows are statements too, so that the
 * reader behind can complain about each.
 */
#ifndef WHARF_SRC_CONF_RAW_H
#define WHARF_SRC_CONF_RAW_H

#include <stdbool.h>
#include <stddef.h>

#include <wharf/conf/conf.h>

/* Where something stood.  file belongs to a conf_files; line is 0 where libconfuse does not tell.
 */
struct conf_place {
	const char *file;
	int line;
};

/* The names of the files that were read, which places point to. */
struct conf_files {
	char **name;
	size_t n;
};

struct raw_statement {
	size_t block;
	char *name;
	char **item;
	size_t n;
	bool adds; /* by +=, and no statement of that name stands before it in the block */
	struct conf_place place;
};

#define RAW_TOP 0 /* the block that is the file itself */

struct raw_block {
	char *kind;  /* "listener", or what somebody wrote */
	char *title; /* "" where there is none */
	bool nested;
	bool closed;
	const void *section; /* libconfuse's, while it is open */
	struct conf_place place;
};

struct raw {
	struct raw_block *block;
	size_t n_blocks;
	struct raw_statement *statement;
	size_t n_statements;
	struct conf_files files;
};

/*
 * Reads the file and what it includes.  A mistake of form ends the reading; it is added to the
 * report, and what stood before it is in *out.  Returns 0, CONF_MISTAKES, or a negative errno when
 * the file at path can't be read (or memory is out).  raw_deinit() frees in every case.
 */
int raw_read(const char *path, struct raw *out, struct conf_report *report);
void raw_deinit(struct raw *raw);

void conf_files_deinit(struct conf_files *files);

/* Appends "file:line: " and what printf makes, as a line, and counts a mistake. */
void conf_mistake(struct conf_report *report, struct conf_place place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same as "file:line: warning: ", counted apart. */
void conf_warning(struct conf_report *report, struct conf_place place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Makes room for one more in an array of n; a new array is at *array.  0 or -ENOMEM. */
int conf_grow(void *array, size_t n, size_t size);

#endif
