/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The ledger's database, as wharfctl reads what wharfd-ledger writes.  Its tables are made in
 * src/ledger/store.c; whoever changes them counts LEDGER_SCHEMA on.
 */
#ifndef WHARF_WIRE_LEDGER_H
#define WHARF_WIRE_LEDGER_H

#define LEDGER_FILE   "ledger.db" /* in state_directory */
#define LEDGER_SCHEMA 1           /* its user_version */

/* The column `kind` of the table `journal`. */
enum ledger_kind { LEDGER_DOWNLOAD, LEDGER_UPLOAD, LEDGER_CHANGE };

#endif
