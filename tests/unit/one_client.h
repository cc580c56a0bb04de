/* SPDX-License-Identifier: MIT */
/* The fixture of tests of fake_gateway.h that have one client above all: client, connection 1. */
#ifndef TESTS_ONE_CLIENT_H
#define TESTS_ONE_CLIENT_H

#include "fake_gateway.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

static int client; /* -1: the test has closed it */

/* hello: the pool's settings, as fake_configure wants them. */
static inline int one_client_setup(void **state, const char *hello, size_t bytes)
{
	fake_setup(state);
	fake_configure(hello, bytes);
	client = fake_connect(1, SOCK_STREAM);
	return 0;
}

static inline int one_client_teardown(void **state)
{
	if (client >= 0) {
		close(client);
	}
	return fake_teardown(state);
}

#endif
