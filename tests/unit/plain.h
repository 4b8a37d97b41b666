/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* How scripts of a session that has no certificate begin. */
#ifndef WHARF_TEST_PLAIN_H
#define WHARF_TEST_PLAIN_H

#include "script.h"

/* What sources say may look like a reply. */
#define PLAIN .bare = true, .message = "hello\n227 (1,2,3,4,5,6)"

#define HELLO "< 220 FTP server ready."
#define LOGIN                                                                                \
	HELLO, "> USER demo", "< 331 *", "> PASS secret", "< 230-*", "<  hello", "<  227 *", \
		"< 230 *"

#endif
