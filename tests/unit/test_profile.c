/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The option profile: what each sets, what is over it, which of several counts, and how it is
 * shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wharf/base/address.h>
#include <wharf/conf/profiles.h>
#include <wharf/conf/value.h>

#include "conf_file.h"
#include "folder.h"

/* A row that sets what a block can't, or sets it twice, or nothing, would be a mistake of ours. */
static void
test_table(void **state)
{
	size_t n, n_words;
	const struct profile_row *rows = profile_rows(&n);
	const struct word_row *words = option_words("profile", &n_words);
	size_t of[8] = {0};

	(void)state;
	assert_non_null(words);
	for (size_t i = 0; i < n; i++) {
		assert_true(rows[i].profile < n_words);
		assert_int_equal(option_rows[rows[i].option].scope, OPTION_USER);
		assert_true(i == 0 || rows[i].profile >= rows[i - 1].profile);
		for (size_t k = 0; k < i; k++)
			assert_false(rows[i].profile == rows[k].profile &&
				     rows[i].option == rows[k].option);
		of[rows[i].profile]++;
	}
	assert_int_equal(of[WORD_profile_none], 0);
	for (size_t i = 1; i < n_words; i++)
		assert_true(of[i] > 0);
}

/* What each profile gives to who has it, whatever stands outside of his block. */
static void
test_jobs(void **state)
{
	struct conf *conf = read_good(
		"rights = {read}\ndurability = none\ndigest = none\nlist_recursive = yes\n"
		"umask = 077\npublish = reset\nmax_sessions_per_user = 3\n"
		"user site { profile = website }\n"
		"user mirror { profile = archive }\n"
		"user backup { profile = drop }\n"
		"user plain { profile = none }\n");
	struct settings s;

	(void)state;
	assert_int_equal(conf_settings_for(conf, &(struct conf_subject){.user = SLICE("site")}, &s),
			 0);
	assert_int_equal(s.rights, 0xff);
	assert_int_equal(s.durability, WORD_durability_rename);
	assert_int_equal(s.digest, WORD_digest_crc32);
	assert_int_equal(s.umask, 022);
	assert_true(s.list_dotfiles);
	assert_int_equal(s.max_sessions_per_user, 3);
	settings_deinit(&s);

	assert_int_equal(
		conf_settings_for(conf, &(struct conf_subject){.user = SLICE("mirror")}, &s), 0);
	assert_int_equal(s.rights, RIGHT(read) | RIGHT(list));
	assert_int_equal(s.list_owners, WORD_list_owners_hidden);
	assert_false(s.list_recursive);
	assert_false(s.list_dotfiles);
	assert_int_equal(s.max_sessions_per_user, 1000000);
	assert_int_equal(s.durability, WORD_durability_none);
	settings_deinit(&s);

	assert_int_equal(
		conf_settings_for(conf, &(struct conf_subject){.user = SLICE("backup")}, &s), 0);
	assert_int_equal(s.rights, RIGHT(write) | RIGHT(mkdir) | RIGHT(list));
	assert_int_equal(s.durability, WORD_durability_sync);
	assert_int_equal(s.digest, WORD_digest_sha256);
	assert_int_equal(s.publish, 1U << WORD_verdict_fin | 1U << WORD_verdict_close_notify);
	assert_int_equal(s.umask, 077);
	settings_deinit(&s);

	assert_int_equal(
		conf_settings_for(conf, &(struct conf_subject){.user = SLICE("plain")}, &s), 0);
	assert_int_equal(s.rights, RIGHT(read));
	assert_int_equal(s.durability, WORD_durability_none);
	settings_deinit(&s);
	conf_free(&conf);
}

/* A configuration, a subject, and lines that -T shows of it. */
static const struct {
	const char *text, *user, *group;
	const char *lines[5];
} shown[] = {
	/* outside of all blocks: for all, and what stands beside it is over it */
	{"digest = sha512\nprofile = drop\n",
	 "u",
	 NULL,
	 {"profile = drop  # c:2", "rights = {write, mkdir, list}  # profile drop, c:2",
	  "digest = sha512  # c:1", "durability = sync  # profile drop, c:2",
	  "umask = 022  # default"}},
	{"profile = drop\ndurability = none\n", "u", NULL, {"durability = none  # c:2"}},
	/* += adds to what it sets, wherever it stands in the block */
	{"profile = drop\nrights += {read}\npublish += short\n",
	 "u",
	 NULL,
	 {"rights = {read, write, mkdir, list}  # c:2",
	  "publish = {fin, close-notify, short}  # c:3", "digest = sha256  # profile drop, c:1"}},
	{"profile = archive\nrights = {chmod}\nuser u {\n rights += {read}\n rights += {delete}\n"
	 " profile = drop publish += {} }\n",
	 "u",
	 NULL,
	 {"rights = {read, write, delete, mkdir, list}  # c:4",
	  "publish = {fin, close-notify}  # c:6"}},
	{"user u { profile = drop rights = {read} rights += {list} }\n",
	 "u",
	 NULL,
	 {"rights = {read, list}  # c:1"}},
	/* a block that comes over it */
	{"profile = drop\ngroup g { umask = 077 rights = {read} }\n",
	 "u",
	 "g",
	 {"umask = 077  # c:2", "rights = {read}  # c:2", "digest = sha256  # profile drop, c:1"}},
	{"profile = drop\ngroup g { rights = {read} }\n",
	 "u",
	 NULL,
	 {"rights = {write, mkdir, list}  # profile drop, c:1"}},
	/* what a block sets that the profile's block comes over is under the profile */
	{"digest = none\ngroup g { rights = {read} }\nuser u {\n profile = drop\n}\n",
	 "u",
	 "g",
	 {"rights = {write, mkdir, list}  # profile drop, c:4",
	  "digest = sha256  # profile drop, c:4"}},
	{"user u { profile = drop }\nuser v { }\n",
	 "v",
	 NULL,
	 {"profile = none  # default", "durability = sync  # default",
	  "digest = crc32  # default"}},
	/* one profile a session, the last: nothing is left of those before it */
	{"profile = archive\nuser u { profile = website }\n",
	 "u",
	 NULL,
	 {"profile = website  # c:2", "list_owners = names  # default",
	  "list_recursive = yes  # default", "list_dotfiles = yes  # profile website, c:2",
	  "max_sessions_per_user = 50  # default"}},
	{"profile = drop\ngroup g { profile = archive }\nuser u { profile = none }\n",
	 "u",
	 "g",
	 {"profile = none  # c:3", "list_owners = names  # default", "digest = crc32  # default",
	  "rights = {read, write, overwrite, delete, rename, mkdir, list, chmod}  # default"}},
	{"group g { profile = archive }\nlistener l { profile = drop }\n",
	 "u",
	 "g",
	 {"profile = archive  # c:1", "rights = {read, list}  # profile archive, c:1",
	  "digest = crc32  # default"}},
	{"listener l { profile = drop }\nclient \"*\" { profile = archive }\n",
	 "u",
	 NULL,
	 {"profile = drop  # c:1", "digest = sha256  # profile drop, c:1"}},
	{"listener l { profile = drop }\nclient \"10.0.0.0/8\" { profile = archive }\n",
	 "@",
	 NULL,
	 {"profile = archive  # c:2", "list_owners = hidden  # profile archive, c:2",
	  "digest = crc32  # default"}},
};

static void
test_shown(void **state)
{
	struct network ten;

	(void)state;
	assert_int_equal(network_parse(SLICE("10.1.2.3"), &ten), 0);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		struct slice group = slice_of(shown[i].group);
		struct conf *conf = read_good(shown[i].text);
		struct buf out = BUF_INIT;
		struct conf_subject who = {.user = slice_of(shown[i].user),
					   .groups = &group,
					   .n_groups = shown[i].group != NULL};

		if (slice_equal(who.user, SLICE("@")))
			who.address = &ten.address;
		buf_add_byte(&out, '\n');
		conf_print(conf, &who, &out);
		buf_add_byte(&out, '\0');
		for (size_t k = 0; k < 5 && shown[i].lines[k]; k++) {
			struct buf line = BUF_INIT;
			buf_printf(&line, "\n%s\n%c", shown[i].lines[k], '\0');
			if (!strstr(out.data, line.data))
				fail_msg("%s: no line \"%s\" in:%s", shown[i].text,
					 shown[i].lines[k], out.data);
			buf_deinit(&line);
		}
		buf_deinit(&out);
		conf_free(&conf);
	}
}

/* No profile gives anonymous sessions more than read and list, but in a block that is theirs. */
static void
test_anonymous(void **state)
{
	static const struct {
		const char *text;
		uint64_t rights, sessions;
	} rows[] = {
		{"profile = website\nmax_sessions = 7\n", RIGHT(read) | RIGHT(list), 7},
		{"profile = drop\nmax_sessions = 7\n", RIGHT(list), 7},
		{"profile = archive\nmax_sessions = 7\n", RIGHT(read) | RIGHT(list), 7},
		{"listener l { profile = website }\nmax_sessions = 7\n", RIGHT(read) | RIGHT(list),
		 7},
		{"profile = website\nuser anonymous { umask = 077 }\n", RIGHT(read) | RIGHT(list),
		 2000},
		{"profile = website\nuser anonymous { profile = none }\n",
		 RIGHT(read) | RIGHT(list), 2000},
		{"user anonymous { profile = website }\n", 0xff, 2000},
		{"user anonymous { profile = drop }\n", RIGHT(write) | RIGHT(mkdir) | RIGHT(list),
		 2000},
		{"user anonymous { profile = archive }\n", RIGHT(read) | RIGHT(list), 1000000},
		{"user anonymous { profile = drop rights = {write} }\n", RIGHT(write), 2000},
		{"user anonymou { profile = website }\n", RIGHT(read) | RIGHT(list), 2000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct conf_subject who = {.user = SLICE("anonymous")};
		struct conf *conf = read_good(rows[i].text);
		struct settings s;
		print_message("%s", rows[i].text);
		assert_int_equal(conf_settings_for(conf, &who, &s), 0);
		assert_int_equal(s.rights, rows[i].rights);
		assert_int_equal(s.max_sessions_per_user, rows[i].sessions);
		settings_deinit(&s);
		conf_free(&conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_jobs),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_anonymous),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
