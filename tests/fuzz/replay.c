/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Runs a fuzz target over all files of a folder: its corpus as a test, with the ordinary compiler.
 */
#include <dirent.h>
#include <stdio.h>

#include "fuzz.h"

#define INPUT_MAX 65536

static int
replay(const char *folder, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	/* A block of the input's very size, so that a sanitizer sees one byte too many. */
	uint8_t *all = malloc(INPUT_MAX);
	size_t n = fread(all, 1, INPUT_MAX, f);
	uint8_t *data = malloc(n ? n : 1);
	memcpy(data, all, n);
	free(all);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *d;
	int ran = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s <corpus folder>\n", argv[0]);
		return 2;
	}
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		if (replay(argv[1], d->d_name) < 0)
			return 1;
		ran++;
	}
	closedir(dir);
	printf("%d inputs\n", ran);
	return ran > 0 ? 0 : 1;
}
