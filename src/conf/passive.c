/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The option passive_address; see wharf/conf/passive.h. */
#include <netinet/in.h>

#include <wharf/conf/passive.h>

int
passive_parse(struct slice text, struct network *clients, struct sockaddr_storage *address)
{
	const char *sign = text.n ? memchr(text.p, '=', text.n) : NULL;
	size_t at = sign ? (size_t)(sign - text.p) : 0;
	struct network one;

	if (!sign || network_parse(slice_trim(slice_head(text, at)), clients) ||
	    network_parse(slice_trim(slice_from(text, at + 1)), &one))
		return PASSIVE_BAD;
	/* PASV can name an IPv4 address only (RFC 959 §4.1.2), and one that somebody can reach. */
	const struct sockaddr_in *in = (const struct sockaddr_in *)&one.address;
	if (in->sin_family != AF_INET || one.prefix != 32 || in->sin_addr.s_addr == INADDR_ANY)
		return PASSIVE_BAD;
	*address = one.address;
	return 0;
}

void
passive_address_for(const struct texts *list, const struct sockaddr_storage *client,
		    struct sockaddr_storage *out)
{
	struct network clients;

	*out = (struct sockaddr_storage){0};
	for (size_t i = 0; i < list->n; i++) {
		struct sockaddr_storage address;
		if (passive_parse(slice_of(list->item[i]), &clients, &address) != 0 ||
		    !network_contains(&clients, client))
			continue;
		*out = address;
		return;
	}
}
