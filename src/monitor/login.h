/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * From an identity to a session with an agent: policy, settings, root folder and rights.  What an
 * auth process says of a user is a claim; whether he is let in, and where, is decided here.
 */
#ifndef WHARF_MONITOR_LOGIN_H
#define WHARF_MONITOR_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include <wharf/base/slice.h>
#include <wharf/conf/conf.h>
#include <wharf/wire/wire.h>

#include "monitor.h"

/* The fields of I_IDENTITY. */
struct login_claim {
	enum word_source source;
	struct slice user;
	uint32_t uid, gid;
	struct slice groups, group_names;
	struct slice home, root;
	bool narrowed; /* by the users file, which says rights and root */
	uint64_t rights;
};

/* Who a claim is to the configuration.  The subject points to what is beside it. */
struct login_subject {
	struct conf_subject subject;
	struct conf_entry entry;
	struct slice *names; /* of groups */
};

/* Sets *out, which points into the claim; free(out->names) in every case.  0 or -ENOMEM. */
int login_subject(const struct login_claim *claim, size_t listener,
		  const struct sockaddr_storage *address, struct login_subject *out);

/*
 * The settings of this user on that listener, who comes from that address (NULL: from none that any
 * block holds).  Returns 0 or -ENOMEM; settings_deinit() frees.
 */
int login_settings(const struct monitor *m, const struct login_claim *claim, size_t listener,
		   const struct sockaddr_storage *address, struct settings *out);
/* NULL when this user may be let in, else why not. */
const char *login_policy_against(const struct monitor *m, const struct login_claim *claim);

/*
 * The session's password was right (it is CONNECTED or AUTHENTICATING): logs it in or refuses it,
 * and tells its worker. holder: the PAM process whose PAM session it shall live in, or NULL.
 */
void login_identified(struct monitor *m, struct session *s, const struct login_claim *claim,
		      struct auth *holder);
/* The same for a session that asks to be anonymous.  Where no client block holds it, its settings
 * are those of every other one on its listener, and made once. */
void login_anonymous(struct monitor *m, struct session *s);
/* Frees what login_anonymous() keeps. */
void login_free(struct monitor *m);
/* Takes the login back that was under way, and tells the worker why. */
void login_refuse(struct monitor *m, struct session *s, enum login_refusal why);
/* Whatever of a login there is ends; the session is CONNECTED. */
void login_forget(struct monitor *m, struct session *s);

#endif
