/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* wharfctl(8): the command line, by a table of verbs and one of options. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "ctl.h"

/* Which options a verb takes. */
enum {
	TAKES_PLACE = 1,  /* --file, --config */
	TAKES_METHOD = 2, /* --method */
	TAKES_USER = 4,   /* --uid and so on */
};

static const struct verb {
	const char *noun, *verb;
	bool name; /* NAME is needed */
	unsigned takes;
	int (*run)(const struct arguments *args);
	const char *help;
} verbs[] = {
	{"user", "add", true, TAKES_PLACE | TAKES_METHOD | TAKES_USER, user_add,
	 "NAME --uid UID --gid GID [--root DIR] [--rights LIST] [--expires YYYY-MM-DD]"},
	{"user", "passwd", true, TAKES_PLACE | TAKES_METHOD, user_passwd, "NAME"},
	{"user", "del", true, TAKES_PLACE, user_del, "NAME"},
	{"user", "list", false, TAKES_PLACE, user_list, ""},
	{"user", "show", true, TAKES_PLACE, user_show, "NAME"},
};

static const struct choice {
	const char *name;
	unsigned taken_by;
	size_t offset;
} choices[] = {
	{"file", TAKES_PLACE, offsetof(struct arguments, file)},
	{"config", TAKES_PLACE, offsetof(struct arguments, config)},
	{"method", TAKES_METHOD, offsetof(struct arguments, method)},
	{"uid", TAKES_USER, offsetof(struct arguments, uid)},
	{"gid", TAKES_USER, offsetof(struct arguments, gid)},
	{"root", TAKES_USER, offsetof(struct arguments, root)},
	{"rights", TAKES_USER, offsetof(struct arguments, rights)},
	{"expires", TAKES_USER, offsetof(struct arguments, expires)},
};

#define N_VERBS   (sizeof(verbs) / sizeof(verbs[0]))
#define N_CHOICES (sizeof(choices) / sizeof(choices[0]))

int
complain(const char *fmt, ...)
{
	va_list ap;

	fputs("wharfctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

static int
usage(void)
{
	fputs("usage:", stderr);
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(stderr, "\twharfctl %s %s %s%s\n", verbs[i].noun, verbs[i].verb,
			verbs[i].help, verbs[i].takes & TAKES_METHOD ? " [--method METHOD]" : "");
	fputs("each with [--file USERS | --config FILE]; see wharfctl(8)\n", stderr);
	return EX_USAGE;
}

static const struct verb *
find_verb(int argc, char **argv)
{
	for (size_t i = 0; argc >= 3 && i < N_VERBS; i++)
		if (strcmp(argv[1], verbs[i].noun) == 0 && strcmp(argv[2], verbs[i].verb) == 0)
			return &verbs[i];
	return NULL;
}

/* Reads what stands behind the verb.  Returns 0, or EX_USAGE after what is wrong. */
static int
read_arguments(const struct verb *verb, int argc, char **argv, struct arguments *args)
{
	struct option options[N_CHOICES + 1] = {0};
	int n = 0, which;

	for (size_t i = 0; i < N_CHOICES; i++)
		if (verb->takes & choices[i].taken_by)
			options[n++] = (struct option){choices[i].name, required_argument, NULL,
						       (int)i};
	/* getopt_long complains with argv[0], and begins behind it. */
	optind = 1;
	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (which == '?')
			return usage();
		memcpy((char *)args + choices[which].offset, &optarg, sizeof(optarg));
	}
	if (argc - optind != (verb->name ? 1 : 0))
		return usage();
	args->name = verb->name ? argv[optind] : NULL;
	if (args->file && args->config) {
		complain("--file and --config do not go together");
		return EX_USAGE;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	const struct verb *verb = find_verb(argc, argv);
	struct arguments args = {0};
	int r;

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("wharfctl " WHARF_VERSION) < 0;
	if (!verb)
		return usage();
	/* No core file with a password in it. */
	prctl(PR_SET_DUMPABLE, 0);
	argv[2] = (char[]){"wharfctl"};
	r = read_arguments(verb, argc - 2, argv + 2, &args);
	if (r)
		return r;
	if (!args.config)
		args.config = WHARF_CONF_DIR "/wharfd.conf";
	return verb->run(&args);
}
