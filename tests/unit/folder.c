/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The folder of folder.h. */
#include <stdlib.h>
#include <unistd.h>

#include "folder.h"

char folder[] = "/tmp/wharf-unit-XXXXXX";

int
enter_folder(void **state)
{
	(void)state;
	return !mkdtemp(folder) || chdir(folder) < 0;
}

int
leave_folder(void **state)
{
	(void)state;
	return chdir("/") < 0 || rmdir(folder) < 0;
}
