/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* An upload to an agent, from its beginning to its end. */
#ifndef WHARF_TESTS_AGENT_PART_H
#define WHARF_TESTS_AGENT_PART_H

#include <stdbool.h>
#include <stdint.h>

struct part {
	char path[64], name[64]; /* of its staging file, empty where it is written in place */
	int fd;
	uint64_t size;
	int64_t bytes, files;
	bool replaces, created, made, versions;
};

/* F_OPEN; an errno, and what has changed, in p->bytes and p->files, with it too. */
uint32_t part_begin(struct part *p, const char *path, uint32_t how);
void part_put(const struct part *p, const char *text);
/* The text is all that the file is to be. */
uint32_t part_begin_with(struct part *p, const char *path, const char *text);
/* F_PREPARE, likewise. */
uint32_t part_prepare(struct part *p);
/* F_COMMIT, also with a mode and a digest; and F_KEEP.  The descriptor is closed after it. */
uint32_t part_end(struct part *p);
uint32_t part_end_as(struct part *p, uint32_t how, uint32_t mode, const char *digest);
uint32_t part_keep(struct part *p, bool discard);

/* Asserts that the last answer told that so much has changed. */
void counts(int64_t bytes, int64_t files);
/* The size of the file or, with `part`, of what an upload to it has left; with that error. */
uint64_t size_of(const char *path, uint8_t part, uint32_t error);

#endif
