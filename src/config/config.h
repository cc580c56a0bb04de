/* SPDX-License-Identifier: MIT */
/*
 * The configuration: text in, one immutable struct (model.h) out, or "file:line: sentence".
 * Everything is validated before anybody sees it; the running configuration is const. Uses
 * libconfuse; nothing of it shows here. Every default and limit has its name in keys.c's
 * table and its line in docs/configuration.md.
 */
#ifndef BATON_CONFIG_H
#define BATON_CONFIG_H

#include "config/model.h"

#include <stddef.h>

enum { CONFIG_ERROR_BYTES = 512 };

/*
 * Reads and validates a file. NULL on error, and error_r holds "FILE:LINE: sentence" (or
 * "FILE: sentence" where no line applies). The caller frees with config_destroy.
 */
struct config *config_load(const char *file, char error_r[CONFIG_ERROR_BYTES]);

/* The same from memory; name stands for the file in messages. */
struct config *config_parse(const char *name, const char *text, char error_r[CONFIG_ERROR_BYTES]);

/*
 * What `serve --child CMD` means: one listener at address:port, one pool "child" of two children
 * running CMD (split at spaces; quotes as the shell's single and double ones), one route "/".
 */
struct config *config_from_child(const char *address, unsigned port, const char *command,
				 char error_r[CONFIG_ERROR_BYTES]);

/* Where the control socket is when nobody says: /run/baton/control.sock for root, else
 * $XDG_RUNTIME_DIR/baton.sock, else /tmp/baton-UID.sock. Static storage. */
const char *config_default_control(void);

/* The children of all pools. */
size_t config_child_count(const struct config *);

void config_destroy(struct config *); /* NULL is fine */

#endif
