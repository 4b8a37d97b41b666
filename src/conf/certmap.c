/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The rows of the option tls_client_map; see wharf/conf/certmap.h. */
#include <ctype.h>

#include <wharf/conf/certmap.h>

#define FINGERPRINT SLICE("sha256:")
#define DIGITS      64

static bool
is_fingerprint(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!isxdigit((unsigned char)text.p[i]))
			return false;
	return text.n == DIGITS;
}

int
certmap_parse(struct slice row, struct slice *certificate, struct slice *user)
{
	const char *sign = row.n ? memrchr(row.p, '=', row.n) : NULL;
	size_t at = sign ? (size_t)(sign - row.p) : 0;

	if (!sign)
		return CERTMAP_BAD;
	*certificate = slice_trim(slice_head(row, at));
	*user = slice_trim(slice_from(row, at + 1));
	if (user->n == 0)
		return CERTMAP_BAD;
	if (slice_starts(*certificate, FINGERPRINT))
		return is_fingerprint(slice_from(*certificate, FINGERPRINT.n)) ? 0 : CERTMAP_BAD;
	return certificate->n && memchr(certificate->p, '=', certificate->n) ? 0 : CERTMAP_BAD;
}
