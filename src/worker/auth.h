/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Logins.  The auth processes judge passwords and talk to the worker alone; the monitor lets in.
 * Its answer and the verdict come on two channels, so either may be first.
 */
#ifndef WHARF_WORKER_AUTH_H
#define WHARF_WORKER_AUTH_H

#include "session.h"

/* As ftp_world's. */
void auth_login(struct session *s, enum word_source source, struct slice user, struct slice secret);
void auth_login_certified(struct session *s, enum word_source source, struct slice user);
void auth_answer(struct session *s, struct slice secret);
void auth_logout(struct session *s);

/* W_AUTH: takes fd over. */
void auth_set_users(struct worker *w, int fd);
/* W_PAM, W_LOGIN and W_REFUSED of a session that is there. */
void auth_pam_channel(struct session *s, int fd);
void auth_admitted(struct session *s, const struct w_login *m);
void auth_refused(struct session *s, enum login_refusal why);
/* Closes what the session has. */
void auth_close(struct session *s);

#endif
