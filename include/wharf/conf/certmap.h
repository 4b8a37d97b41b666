/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* A row of the option tls_client_map: which certificate is which user's.  Pure. */
#ifndef WHARF_CONF_CERTMAP_H
#define WHARF_CONF_CERTMAP_H

#include <wharf/base/slice.h>

enum certmap_error {
	CERTMAP_BAD = 1, /* not "certificate = user" */
};

/*
 * Reads "certificate = user": the last "=" parts them, without the blanks around.  *certificate is
 * then "sha256:" with 64 hexadecimal digits behind, or a subject as RFC 2253 writes it, which has a
 * "=".  Both point into row.  Returns 0 or
 * CERTMAP_BAD.
 */
int certmap_parse(struct slice row, struct slice *certificate, struct slice *user);

#endif
