/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The bytes of files: see pattern.h.
 */
#include "pattern.h"

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX 100

static uint64_t
next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x >> 32;
}

static void
fill_bytes(unsigned char *bytes)
{
	uint64_t x = 88172645463325252;

	for (size_t i = 0; i < PATTERN_SIZE; i++)
		bytes[i] = (unsigned char)next_random(&x);
}

static void
fill_text(unsigned char *bytes)
{
	uint64_t x = 88172645463325252;
	size_t left = 0;

	for (size_t i = 0; i < PATTERN_SIZE; i++) {
		if (left == 0)
			left = 1 + next_random(&x) % LINE_MAX;
		bytes[i] = --left == 0 ? '\n' : (unsigned char)(' ' + next_random(&x) % 95);
	}
	bytes[PATTERN_SIZE - 1] = '\n';
}

/* CR before each LF. */
static size_t
to_wire(const unsigned char *from, unsigned char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < PATTERN_SIZE; i++) {
		if (from[i] == '\n')
			to[n++] = '\r';
		to[n++] = from[i];
	}
	return n;
}

struct pattern
pattern_new(bool text, bool wire)
{
	unsigned char *bytes = malloc(PATTERN_SIZE);
	struct pattern p = {malloc(PATTERN_SIZE * 4), PATTERN_SIZE};

	if (!bytes || !p.bytes)
		err(1, "malloc");
	(text ? fill_text : fill_bytes)(bytes);
	if (text && wire)
		p.period = to_wire(bytes, p.bytes);
	else
		memcpy(p.bytes, bytes, PATTERN_SIZE);
	memcpy(p.bytes + p.period, p.bytes, p.period);
	free(bytes);
	return p;
}

void
pattern_free(struct pattern *p)
{
	free(p->bytes);
	p->bytes = NULL;
}

int
pattern_make(const struct pattern *p, size_t bytes, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", path);
	for (size_t left = bytes; left;) {
		ssize_t r = write(fd, p->bytes, left < p->period ? left : p->period);
		if (r <= 0)
			err(1, "%s", path);
		left -= (size_t)r;
	}
	return close(fd);
}

size_t
pattern_length(const struct pattern *wire, size_t bytes)
{
	return wire->period == PATTERN_SIZE ? bytes : bytes / PATTERN_SIZE * wire->period;
}
