/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Scripts that talk to a session in a world of its own.  In a script ">" is a line that is sent,
 * "+" bytes in one piece; "<" is the next line of the replies (a pattern for fnmatch), "!" what the
 * world does or must have done (see world_act()), and
 * "=" is the next line of the trace, a pattern too.  Nothing may be left unread when the client
 * speaks again, the trace only where it is read at all.
 */
#ifndef WHARF_TEST_SCRIPT_H
#define WHARF_TEST_SCRIPT_H

#include "world.h"

/* The next reply must fit the pattern; after: what it replies to. */
void world_expect(struct world *w, const char *pattern, const char *after);
/*
 * hold            answers no connect, transfer or job; "hold all" nothing at all
 * connect, answer, reserved, transferred, go
 *                 one of those answers; go: all, from then on
 * full, reset     go, with that end of the transfer; "end <n>": the coming transfers end by that
 * twice           ABOR twice, in one piece
 * tick            the job runs
 * expire, gone    the session's time is up; it must have been hung up
 * lost            the control connection breaks
 * tls [<user>], no tls, clear, not clear, protected, bare, tickets <n>, delayed <ms>, asked
 * <login>, host <name>     see there
 */
void world_act(struct world *w, const char *what);
void world_run(struct world *w, const char *const *script);
/* All of it, in a world of its own. */
void run_script(const struct setup *setup, const char *const *script);

#define SCRIPT (const char *const[])

#endif
