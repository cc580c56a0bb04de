/* SPDX-License-Identifier: MIT */
/* Masking (RFC 6455, 5.3). Pure. */
#ifndef BATON_MASK_H
#define BATON_MASK_H

#include <stddef.h>
#include <stdint.h>

enum { MASK_BYTES = 4 };

/* Unmasks in place and leaves mask as the byte behind at[len) needs it. */
void mask_apply(uint8_t *at, size_t len, uint8_t mask[MASK_BYTES]);

#endif
