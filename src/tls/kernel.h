/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Whether the kernel can take over the encryption of a connection.
 */
#ifndef WHARF_TLS_KERNEL_H
#define WHARF_TLS_KERNEL_H

/* NULL, or why not; tried out on a connection with ourselves. */
const char *kernel_tls_missing(void);

#endif
