/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Which address PASV names; see passive.h. */
#include <string.h>

#include <wharf/base/address.h>

#include "passive.h"

static struct slice
trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_from(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

void
passive_address_for(const struct texts *list, const struct sockaddr_storage *client,
		    struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){0};
	for (size_t i = 0; i < list->n; i++) {
		struct slice text = slice_of(list->item[i]);
		const char *sign = memchr(text.p, '=', text.n);
		struct network net, address;

		if (!sign || network_parse(trim(slice_head(text, (size_t)(sign - text.p))), &net) ||
		    network_parse(trim(slice_from(text, (size_t)(sign - text.p) + 1)), &address))
			continue;
		if (network_contains(&net, client)) {
			*out = address.address;
			return;
		}
	}
}
