/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What stands in the files of a host, as bytes that are wiped when they are freed: private keys are
 * among them.
 */
#ifndef WHARF_TLS_FILES_H
#define WHARF_TLS_FILES_H

#include <wharf/tls/hosts.h>

/* The bytes of a file; .p is NULL where it was not added. */
struct slice tls_files_get(const struct tls_files *files, enum host_file kind, unsigned index);

#endif
