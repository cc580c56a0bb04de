/* SPDX-License-Identifier: MIT */
/*
 * The log: one key=value line an event, to one descriptor (stderr), buffered, written when its
 * owner says so, and never waited for. When the reader stops, lines beyond the buffer are dropped
 * and counted; the count is logged when there is room again. Its state is hidden.
 */
#ifndef BATON_LOG_H
#define BATON_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum { LOG_TEXT_BYTES = 512 }; /* the most a quoted text may take in a line, quotes included */

/* Logs to fd from now on (borrowed; its flags stay as they are). Levels below least are skipped. */
void log_open(int fd, enum log_level least);

/* Writes what it can and closes what log_open opened. */
void log_close(void);

/* One line: "time=... level=... event=EVENT " and the formatted key=value list. Keeps errno. */
void log_event(enum log_level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One write of what is buffered, without waiting. */
void log_flush(void);

/* Bytes that log_flush would write. */
size_t log_buffered(void);

/* Lines dropped since log_open. */
uint64_t log_dropped(void);

/*
 * Quotes len bytes that a stranger chose: "..." with \" \\ \n \r \t and \xHH for everything that is
 * not printable ASCII, cut at LOG_TEXT_BYTES with "..." Returns text.
 */
const char *log_quote(char text[LOG_TEXT_BYTES], const char *bytes, size_t len);

#endif
