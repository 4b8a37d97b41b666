/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* wharfctl(8): the command line, by a table of verbs and one of options. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "ctl.h"

/* Which options a verb takes. */
enum {
	TAKES_FILE = 1,         /* --file, which takes the place of --config */
	TAKES_CONFIG = 2,       /* --config */
	TAKES_METHOD = 4,       /* --method */
	TAKES_USER = 8,         /* --uid and so on */
	TAKES_CERTIFICATE = 16, /* --name and so on */
	TAKES_FORMAT = 32,      /* --format */
	TAKES_HISTORY = 64,     /* --since and so on */
	TAKES_PLACE = TAKES_FILE | TAKES_CONFIG,
};

/* What has to stand behind the verb. */
static const size_t no_operands[] = {SIZE_MAX},
		    user_operands[] = {offsetof(struct arguments, name), SIZE_MAX};
static const size_t certificate_operands[] = {offsetof(struct arguments, certificate),
					      offsetof(struct arguments, key), SIZE_MAX};

static const size_t quota_operands[] = {offsetof(struct arguments, user), SIZE_MAX};

static const struct verb {
	const char *noun, *verb; /* verb: NULL where the noun says all */
	const size_t *operands;  /* SIZE_MAX ends them */
	bool optional;           /* they may be missing */
	unsigned takes;
	int (*run)(const struct arguments *args);
	const char *help;
} verbs[] = {
	{"user", "add", user_operands, false, TAKES_PLACE | TAKES_METHOD | TAKES_USER, user_add,
	 "NAME --uid UID --gid GID [--root DIR] [--rights LIST] [--expires YYYY-MM-DD]"},
	{"user", "passwd", user_operands, false, TAKES_PLACE | TAKES_METHOD, user_passwd, "NAME"},
	{"user", "del", user_operands, false, TAKES_PLACE, user_del, "NAME"},
	{"user", "list", no_operands, false, TAKES_PLACE, user_list, ""},
	{"user", "show", user_operands, false, TAKES_PLACE, user_show, "NAME"},
	{"certificate", "make", certificate_operands, false, TAKES_CERTIFICATE,
	 certificate_make_files,
	 "CERTIFICATE KEY [--name NAME,...] [--days N] [--key-type ecdsa|rsa] [--force]"},
	{"certificate", "list", no_operands, false, TAKES_CONFIG, certificate_list, ""},
	{"history", NULL, no_operands, false, TAKES_CONFIG | TAKES_FORMAT | TAKES_HISTORY,
	 history_show, "[--user NAME] [--path PREFIX] [--since TIME] [--verdict WORD]"},
	{"quota", NULL, quota_operands, true, TAKES_CONFIG | TAKES_FORMAT, quota_show, "[USER]"},
};

static const struct choice {
	const char *name;
	unsigned taken_by;
	size_t offset;
	bool flag; /* without a value */
} choices[] = {
	{"file", TAKES_FILE, offsetof(struct arguments, file), false},
	{"config", TAKES_CONFIG, offsetof(struct arguments, config), false},
	{"method", TAKES_METHOD, offsetof(struct arguments, method), false},
	{"uid", TAKES_USER, offsetof(struct arguments, uid), false},
	{"gid", TAKES_USER, offsetof(struct arguments, gid), false},
	{"root", TAKES_USER, offsetof(struct arguments, root), false},
	{"rights", TAKES_USER, offsetof(struct arguments, rights), false},
	{"expires", TAKES_USER, offsetof(struct arguments, expires), false},
	{"name", TAKES_CERTIFICATE, offsetof(struct arguments, names), false},
	{"days", TAKES_CERTIFICATE, offsetof(struct arguments, days), false},
	{"key-type", TAKES_CERTIFICATE, offsetof(struct arguments, key_type), false},
	{"force", TAKES_CERTIFICATE, offsetof(struct arguments, force), true},
	{"format", TAKES_FORMAT, offsetof(struct arguments, format), false},
	{"user", TAKES_HISTORY, offsetof(struct arguments, user), false},
	{"path", TAKES_HISTORY, offsetof(struct arguments, path), false},
	{"since", TAKES_HISTORY, offsetof(struct arguments, since), false},
	{"verdict", TAKES_HISTORY, offsetof(struct arguments, verdict), false},
};

#define N_VERBS   (sizeof(verbs) / sizeof(verbs[0]))
#define N_CHOICES (sizeof(choices) / sizeof(choices[0]))

static void __attribute__((format(printf, 1, 0))) say(const char *fmt, va_list ap)
{
	fputs("wharfctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int
complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return 1;
}

int
misused(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return EX_USAGE;
}

static int
usage(void)
{
	fputs("usage:", stderr);
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(stderr, "\twharfctl %s%s%s %s%s%s%s\n", verbs[i].noun,
			verbs[i].verb ? " " : "", verbs[i].verb ? verbs[i].verb : "", verbs[i].help,
			verbs[i].takes & TAKES_METHOD ? " [--method METHOD]" : "",
			verbs[i].takes & TAKES_FORMAT ? " [--format text|json]" : "",
			verbs[i].takes & TAKES_FILE     ? " [--file USERS | --config FILE]"
			: verbs[i].takes & TAKES_CONFIG ? " [--config FILE]"
							: "");
	fputs("see wharfctl(8)\n", stderr);
	return EX_USAGE;
}

static const struct verb *
find_verb(int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < N_VERBS; i++)
		if (strcmp(argv[1], verbs[i].noun) == 0 &&
		    (!verbs[i].verb || (argc >= 3 && strcmp(argv[2], verbs[i].verb) == 0)))
			return &verbs[i];
	return NULL;
}

static void
set(struct arguments *args, size_t offset, const char *value)
{
	memcpy((char *)args + offset, &value, sizeof(value));
}

/* Reads what stands behind the verb.  Returns 0, or EX_USAGE after what is wrong. */
static int
read_arguments(const struct verb *verb, int argc, char **argv, struct arguments *args)
{
	struct option options[N_CHOICES + 1] = {0};
	int n = 0, which;

	for (size_t i = 0; i < N_CHOICES; i++)
		if (verb->takes & choices[i].taken_by)
			options[n++] = (struct option){
				choices[i].name, choices[i].flag ? no_argument : required_argument,
				NULL, (int)i};
	/* getopt_long complains with argv[0], and begins behind it. */
	optind = 1;
	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (which == '?')
			return usage();
		set(args, choices[which].offset, choices[which].flag ? "" : optarg);
	}
	for (const size_t *operand = verb->operands; *operand != SIZE_MAX; operand++) {
		if (optind == argc && verb->optional)
			break;
		if (optind == argc)
			return usage();
		set(args, *operand, argv[optind++]);
	}
	if (optind != argc)
		return usage();
	if (args->file && args->config)
		return misused("--file and --config do not go together");
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
	const int words = verb->verb ? 2 : 1;
	argv[words] = (char[]){"wharfctl"};
	r = read_arguments(verb, argc - words, argv + words, &args);
	if (r)
		return r;
	if (!args.config)
		args.config = WHARF_CONF_DIR "/wharfd.conf";
	return verb->run(&args);
}
