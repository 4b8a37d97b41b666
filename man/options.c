/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Makes wharfd.conf(5): copies wharfd.conf.5.in, and where a line says "@OPTIONS scope@" puts the
 * options of that scope, from the rows of options.def, so that no option can be without its entry;
 * where one says "@PROFILES@", what each profile sets, from profiles.def.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <wharf/conf/options.h>
#include <wharf/conf/profiles.h>

static const char *const types[] = {
	[OPTION_FLAG] = "yes | no",
	[OPTION_NUMBER] = "number",
	[OPTION_TIME] = "time",
	[OPTION_SIZE] = "size",
	[OPTION_MODE] = "octal",
	[OPTION_PORTS] = "low-high",
	[OPTION_CHOICE] = "word",
	[OPTION_WORDS] = "words",
	[OPTION_ORDER] = "words in order",
	[OPTION_TEXT] = "text",
	[OPTION_LIST] = "list of texts",
};

static const char *const scopes[] = {
	[OPTION_SERVER] = "server", [OPTION_HOST] = "host", [OPTION_LISTENER] = "listener",
	[OPTION_CLIENT] = "client", [OPTION_USER] = "user",
};

/* A text as roff takes it: backslashes and quotes escaped. */
static void
put(const char *text)
{
	for (; *text; text++)
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '"')
			fputs("\\(dq", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
}

/* Prose as mdoc wants it: a new line for each sentence, and none longer than 80 bytes. */
static void
put_sentences(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");
		bool ends = n && text[n - 1] == '.' && isupper((unsigned char)text[n + !!text[n]]);

		if (column && column + 1 + n > 72) {
			putchar('\n');
			column = 0;
		}
		if (column)
			putchar(' ');
		else if (*text == '.' || *text == '\'')
			fputs("\\&", stdout); /* is no request */
		for (size_t i = 0; i < n; i++)
			put((char[]){text[i], '\0'});
		column = ends ? 0 : column + 1 + n;
		if (ends)
			putchar('\n');
		text += n + (text[n] == ' ');
	}
	if (column)
		putchar('\n');
}

static void
put_words(const struct option_row *row)
{
	size_t n;
	const struct word_row *words = option_words(row->set, &n);

	if (n == 0)
		return;
	puts(".Bl -tag -width overwrite -compact");
	for (size_t i = 0; i < n; i++) {
		printf(".It Cm %s\n", words[i].name);
		put_sentences(words[i].text);
	}
	puts(".El");
}

static void
put_range(const struct option_row *row)
{
	if (row->type == OPTION_MODE)
		printf("From %03" PRIo64 " to %03" PRIo64 ".\n", row->low, row->high);
	else if (row->type == OPTION_NUMBER || row->type == OPTION_TIME || row->type == OPTION_SIZE)
		printf("From %" PRIu64 " to %" PRIu64 "%s%s.\n", row->low, row->high,
		       row->unit[0] ? " " : "", row->unit);
}

static void
put_option(const struct option_row *row)
{
	printf(".It Ic %s No = Ar \"%s\"\n", row->name, types[row->type]);
	put_sentences(row->text);
	put_range(row);
	put_words(row);
	if (row->standard[0]) {
		fputs("The default is\n.Ql ", stdout);
		put(row->standard);
		puts("\\& .");
	} else {
		puts("The default is empty.");
	}
}

/* Whether the line asks for options of a scope; puts them if so. */
static bool
put_options(const char *line)
{
	char scope[16];

	if (sscanf(line, "@OPTIONS %15[a-z]@", scope) != 1)
		return false;
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strcmp(scopes[option_rows[i].scope], scope) == 0)
			put_option(&option_rows[i]);
	puts(".El");
	return true;
}

static void
put_profile(const struct word_row *word, enum word_profile profile)
{
	size_t n;
	const struct profile_row *rows = profile_rows(&n);

	printf(".It Cm %s\n", word->name);
	put_sentences(word->text);
	puts(".Bd -literal -compact");
	for (size_t i = 0; i < n; i++) {
		if (rows[i].profile != profile)
			continue;
		printf("%s = ", option_rows[rows[i].option].name);
		bool list = strchr(rows[i].value, ',') != NULL;
		put(list ? "{" : "");
		put(rows[i].value);
		puts(list ? "}" : "");
	}
	puts(".Ed");
}

/* Whether the line asks for the profiles; puts them if so. */
static bool
put_profiles(const char *line)
{
	size_t n;
	const struct word_row *words = option_words("profile", &n);

	if (strcmp(line, "@PROFILES@\n") != 0)
		return false;
	puts(".Bl -tag -width Ds");
	for (size_t i = WORD_profile_none + 1; i < n; i++)
		put_profile(&words[i], (enum word_profile)i);
	puts(".El");
	return true;
}

int
main(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin))
		if (!put_options(line) && !put_profiles(line))
			fputs(line, stdout);
	return ferror(stdin) || fflush(stdout) != 0;
}
