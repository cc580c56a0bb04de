/* SPDX-License-Identifier: MIT */
/* A configuration from a text that must be a good one. */
#ifndef TESTS_CONFIG_OF_H
#define TESTS_CONFIG_OF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"

static inline struct config *config_of(const char *text)
{
	char error[CONFIG_ERROR_BYTES];
	struct config *config = config_parse("f", text, error);
	if (config == NULL) {
		print_error("%s\n", error);
	}
	assert_non_null(config);
	return config;
}

#endif
