/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Data-connection addresses: what is read as PORT is written as 227 and read again; EPRT never
 * gives a mapped host.
 */
#include <wharf/base/address.h>
#include <wharf/ftp/hostport.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size};
	struct sockaddr_storage a;
	struct sockaddr_in port, again;
	struct buf out = BUF_INIT;
	struct network net;
	int family;

	if (hostport_parse_port(in, &port) == 0) {
		hostport_format_pasv(&out, &port);
		HOLDS(hostport_parse_port(buf_slice(&out), &again) == 0);
		HOLDS(memcmp(&port, &again, sizeof(port)) == 0);
	}
	if (hostport_parse_eprt(in, &a) == 0) {
		sa_family_t before = a.ss_family;
		address_unmap(&a);
		HOLDS(a.ss_family == before && address_port(&a) != 0 && address_same_host(&a, &a));
		address_format(&out, &a);
	}
	if (hostport_parse_epsv(in, &family) == 0)
		HOLDS(size <= 1);
	if (network_parse(in, &net) == 0 && net.address.ss_family != AF_UNSPEC)
		HOLDS(network_contains(&net, &net.address));
	buf_deinit(&out);
	return 0;
}
