/* SPDX-License-Identifier: MIT */
/* Anonymous mappings: see pages.h. Called by the owners of the large tables. */
#include "pages.h"

#include <sys/mman.h>

void *pages_create(size_t bytes)
{
	void *pages =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return pages != MAP_FAILED ? pages : NULL;
}

void pages_free(void *pages, size_t bytes)
{
	if (pages != NULL) {
		munmap(pages, bytes);
	}
}
