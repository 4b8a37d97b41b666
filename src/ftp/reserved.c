/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What the world answers about quotas, as long as no command has asked: nothing is to be done. */
#include <wharf/base/check.h>
#include <wharf/ftp/session.h>

void
ftp_session_reserved(struct ftp_session *s, int error, uint64_t bytes)
{
	(void)error;
	(void)bytes;
	CHECK(s->waits == WAIT_QUOTA);
}

void
ftp_session_quota_told(struct ftp_session *s, int error, const struct quota *quota)
{
	(void)error;
	(void)quota;
	CHECK(s->waits == WAIT_QUOTA);
}
