/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The names of verdicts, as the log and the journal have them. */
#include <errno.h>

#include <wharf/ftp/session.h>

#define COMPLETE_UPLOAD     "fin"
#define COMPLETE_UPLOAD_TLS "close-notify"
#define DISK_FULL           "disk-full"

static const char *const names[] = {
	[TRANSFER_COMPLETE] = "complete",
	[TRANSFER_ABORTED] = "abor",
	[TRANSFER_RESET] = "reset",
	[TRANSFER_STALLED] = "timeout",
	[TRANSFER_FILE_ERROR] = "file-error",
	[TRANSFER_FILE_SHRANK] = "file-shrank",
	[TRANSFER_CONTROL_LOST] = "control-lost",
	[TRANSFER_SHUT_DOWN] = "shutdown",
	[TRANSFER_TRUNCATED] = "no-close-notify",
	[TRANSFER_TLS_FAILED] = "tls-failed",
	[TRANSFER_TLS_REFUSED] = "tls-refused",
	[TRANSFER_SHORT] = "short",
	[TRANSFER_QUOTA] = "quota",
	/* of ends that go by more than one name */
	COMPLETE_UPLOAD,
	COMPLETE_UPLOAD_TLS,
	DISK_FULL,
};

const char *
transfer_verdict(const struct transfer_result *result, bool upload)
{
	if (upload && result->end == TRANSFER_COMPLETE)
		return result->protected ? COMPLETE_UPLOAD_TLS : COMPLETE_UPLOAD;
	if (result->end == TRANSFER_FILE_ERROR &&
	    (result->error == -ENOSPC || result->error == -EDQUOT))
		return DISK_FULL;
	return names[result->end];
}

const char *
transfer_verdict_name(size_t i)
{
	return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}
