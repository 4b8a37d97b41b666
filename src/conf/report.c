/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The report of what is wrong with a configuration, and the little that all of its readers share.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "raw.h"

static void
begin(struct conf_report *report, struct conf_place place)
{
	if (place.file && place.line)
		buf_printf(&report->text, "%s:%d: ", place.file, place.line);
	else if (place.file)
		buf_printf(&report->text, "%s: ", place.file);
}

void
conf_mistake(struct conf_report *report, struct conf_place place, const char *fmt, ...)
{
	va_list ap;

	begin(report, place);
	va_start(ap, fmt);
	buf_vprintf(&report->text, fmt, ap);
	va_end(ap);
	buf_add_byte(&report->text, '\n');
	report->mistakes++;
}

void
conf_warning(struct conf_report *report, struct conf_place place, const char *fmt, ...)
{
	va_list ap;

	begin(report, place);
	buf_add_str(&report->text, "warning: ");
	va_start(ap, fmt);
	buf_vprintf(&report->text, fmt, ap);
	va_end(ap);
	buf_add_byte(&report->text, '\n');
	report->warnings++;
}

void
conf_report_deinit(struct conf_report *report)
{
	buf_deinit(&report->text);
	report->mistakes = report->warnings = 0;
}

int
conf_grow(void *array, size_t n, size_t size)
{
	void *old, *grown;

	/* Room is doubled whenever it is full, which is when n is a power of two. */
	if (n & (n - 1))
		return 0;
	memcpy(&old, array, sizeof(old));
	grown = reallocarray(old, n ? n * 2 : 1, size);
	if (!grown)
		return -ENOMEM;
	memcpy(array, &grown, sizeof(grown));
	return 0;
}

void
conf_files_deinit(struct conf_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free(files->name[i]);
	free(files->name);
	*files = (struct conf_files){0};
}
