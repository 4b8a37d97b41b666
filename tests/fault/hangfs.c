/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * A file system for tests that hangs:
 *
 *	hangfs GATE MOUNTPOINT [FUSE options]
 *
 * Its file "quick" always answers.  As long as the file GATE exists, reads and writes of "stuck"
 *wait, and so does whoever asks what "hung" is.
 */
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (8 << 20)

static const char *gate;

static void
wait_at_gate(const char *path, const char *who)
{
	while (strcmp(path, who) == 0 && access(gate, F_OK) == 0)
		usleep(20000);
}

static int
hang_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	wait_at_gate(path, "/hung");
	*st = (struct stat){.st_mode = S_IFREG | 0666, .st_nlink = 1, .st_size = SIZE};
	if (strcmp(path, "/") == 0)
		*st = (struct stat){.st_mode = S_IFDIR | 0777, .st_nlink = 2};
	else if (strcmp(path, "/quick") != 0 && strcmp(path, "/stuck") != 0 &&
		 strcmp(path, "/hung") != 0)
		return -ENOENT;
	return 0;
}

static int
hang_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset,
	     struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	(void)path, (void)offset, (void)fi, (void)flags;
	fill(buf, ".", NULL, 0, 0);
	fill(buf, "..", NULL, 0, 0);
	fill(buf, "quick", NULL, 0, 0);
	fill(buf, "stuck", NULL, 0, 0);
	return 0;
}

static int
hang_open(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	fi->direct_io = 1;
	return 0;
}

static int
hang_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	(void)path, (void)size, (void)fi;
	return 0;
}

static int
hang_read(const char *path, char *buf, size_t n, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	wait_at_gate(path, "/stuck");
	if (offset >= SIZE)
		return 0;
	if (n > (size_t)(SIZE - offset))
		n = (size_t)(SIZE - offset);
	memset(buf, 'q', n);
	return (int)n;
}

static int
hang_write(const char *path, const char *buf, size_t n, off_t offset, struct fuse_file_info *fi)
{
	(void)buf, (void)offset, (void)fi;
	wait_at_gate(path, "/stuck");
	return (int)n;
}

int
main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
		.getattr = hang_getattr,
		.readdir = hang_readdir,
		.open = hang_open,
		.truncate = hang_truncate,
		.read = hang_read,
		.write = hang_write,
	};

	if (argc < 3)
		return 2;
	gate = argv[1];
	argv[1] = argv[0];
	return fuse_main(argc - 1, argv + 1, &operations, NULL);
}
