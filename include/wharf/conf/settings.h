/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The effective settings of the server, of a listener or of a session: one field an option of
 * options.def.  A plain value, without any file behind it: the monitor makes it from the
 * configuration, and workers and agents get it as bytes.
 */
#ifndef WHARF_CONF_SETTINGS_H
#define WHARF_CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wharf/base/buf.h>
#include <wharf/base/slice.h>

/* The values of each set of words: WORD_right_read, WORD_log_level_info, ... */
enum word_sandbox { WORD_sandbox_full, WORD_sandbox_none };
enum word_source { WORD_source_users, WORD_source_pam, WORD_source_anonymous, WORD_source_count };
enum word_log_format { WORD_log_format_text, WORD_log_format_json };
enum word_log_level {
	WORD_log_level_error,
	WORD_log_level_warning,
	WORD_log_level_info,
	WORD_log_level_debug
};
enum word_right {
	WORD_right_read,
	WORD_right_write,
	WORD_right_overwrite,
	WORD_right_delete,
	WORD_right_rename,
	WORD_right_mkdir,
	WORD_right_list,
	WORD_right_chmod
};
enum word_list_owners { WORD_list_owners_names, WORD_list_owners_numbers, WORD_list_owners_hidden };
enum word_tls { WORD_tls_off, WORD_tls_explicit, WORD_tls_implicit };
enum word_tls_version { WORD_tls_version_v1_2, WORD_tls_version_v1_3 };
enum word_require_tls {
	WORD_require_tls_off,
	WORD_require_tls_login,
	WORD_require_tls_control,
	WORD_require_tls_data,
	WORD_require_tls_all
};
enum word_tls_reuse { WORD_tls_reuse_auto, WORD_tls_reuse_on, WORD_tls_reuse_off };
enum word_tls_client_certificate {
	WORD_tls_client_certificate_off,
	WORD_tls_client_certificate_request,
	WORD_tls_client_certificate_require
};
enum word_tls_client_user {
	WORD_tls_client_user_none,
	WORD_tls_client_user_cn,
	WORD_tls_client_user_san,
	WORD_tls_client_user_map
};
enum word_durability { WORD_durability_none, WORD_durability_rename, WORD_durability_sync };
enum word_verdict {
	WORD_verdict_fin,
	WORD_verdict_close_notify,
	WORD_verdict_no_close_notify,
	WORD_verdict_short,
	WORD_verdict_abor,
	WORD_verdict_reset,
	WORD_verdict_timeout,
	WORD_verdict_control_lost,
	WORD_verdict_shutdown
};
enum word_digest {
	WORD_digest_crc32,
	WORD_digest_sha256,
	WORD_digest_sha512,
	WORD_digest_blake2b,
	WORD_digest_none
};
enum word_profile {
	WORD_profile_none,
	WORD_profile_website,
	WORD_profile_archive,
	WORD_profile_drop
};

/* A right as a bit of settings.rights and of what an agent is told. */
#define RIGHT(name) (1U << WORD_right_##name)

struct port_range {
	uint16_t low, high; /* both are included */
};

struct order {
	uint8_t item[4];
	uint8_t n;
};

struct texts {
	char **item;
	size_t n;
};

#define C_FLAG   bool
#define C_NUMBER uint64_t
#define C_TIME   uint64_t
#define C_SIZE   uint64_t
#define C_MODE   uint64_t
#define C_PORTS  struct port_range
#define C_CHOICE int
#define C_WORDS  uint64_t
#define C_ORDER  struct order
#define C_TEXT   char *
#define C_LIST   struct texts

struct settings {
#define OPTION(name, type, default, low, high, unit, scope, text) C_##type name;
#include <wharf/conf/options.def>
};

/* Sets every option to its default.  Returns 0 or -ENOMEM; what it made is freed by
 * settings_deinit(). */
int settings_init(struct settings *s);
void settings_deinit(struct settings *s);
/* Sets *to, which must hold nothing, to a deep copy.  Returns 0 or -ENOMEM; then *to is
 * deinitialised. */
int settings_copy(struct settings *to, const struct settings *from);

/* Appends all options as bytes; errors show in buf_error(). */
void settings_encode(const struct settings *s, struct buf *out);

/*
 * Reads what settings_encode() wrote, to the last byte.  Returns 0, -ENOMEM, or -EBADMSG when the
 * bytes are cut, too many, or hold a value out of its range; then *s is left deinitialised.
 */
int settings_decode(struct settings *s, struct slice bytes);

#endif
