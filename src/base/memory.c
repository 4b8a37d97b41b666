/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* What a start leaves behind; see wharf/base/memory.h. */
#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <wharf/base/memory.h>

/* Drops the pages of one file's segments that nothing can have written to: relocations are in those
 * that are writable at first, and stay. */
static int
drop_segments(struct dl_phdr_info *info, size_t size, void *data)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)data;
	/* The program has no name here, a library its path; the kernel's own has neither. */
	if (info->dlpi_name[0] && info->dlpi_name[0] != '/')
		return 0;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t from = (info->dlpi_addr + h->p_vaddr) & ~(page - 1);
		uintptr_t to = info->dlpi_addr + h->p_vaddr + h->p_memsz;
		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W))
			/* NOLINTNEXTLINE(performance-no-int-to-ptr): it is an address. */
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void
memory_settle(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_segments, NULL);
}
