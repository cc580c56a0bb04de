/* SPDX-License-Identifier: MIT */
/*
 * The log: see log.h. How it never waits: a pipe or terminal is opened a second time, so that
 * O_NONBLOCK is ours alone (the flag belongs to the open file, which stderr shares with others);
 * a socket is written with MSG_DONTWAIT; a plain file does not block. Where the second open is
 * refused, poll(2) and writes of at most PIPE_BUF bytes do the same, more slowly.
 */
#include "log.h"

#include "fdutil.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	/* The death of a child with 15,000 connections, in one turn. Untouched, it costs nothing. */
	BUFFER_BYTES = 4 * 1024 * 1024,
	MAX_LINE_BYTES = 2048,
};

enum sink { SINK_FILE, SINK_NONBLOCKING, SINK_SOCKET, SINK_POLLED };

static struct {
	int fd;
	int own_fd; /* the second open of fd, or -1 */
	enum sink sink;
	enum log_level least;
	uint64_t dropped, dropped_told;
	time_t second; /* of which stamp is the text */
	char stamp[32];
	size_t start, end; /* of what waits in buffer */
	char buffer[BUFFER_BYTES];
} self = {.fd = -1, .own_fd = -1, .least = LOG_ERROR + 1};

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

void log_open(int fd, enum log_level least)
{
	struct stat info;
	self.fd = fd;
	self.least = least;
	self.dropped = self.dropped_told = 0;
	self.sink = SINK_FILE;
	if (fstat(fd, &info) != 0 || S_ISREG(info.st_mode)) {
		return;
	}
	if (S_ISSOCK(info.st_mode)) {
		self.sink = SINK_SOCKET;
		return;
	}
	char path[32];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	self.own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_APPEND);
	self.sink = self.own_fd >= 0 ? SINK_NONBLOCKING : SINK_POLLED;
}

void log_close(void)
{
	log_flush();
	fd_close(&self.own_fd);
	self.start = self.end = 0; /* what this reader did not take is not the next one's */
	self.fd = -1;
	self.least = LOG_ERROR + 1;
}

static ssize_t write_some(void)
{
	struct pollfd ready = {.fd = self.fd, .events = POLLOUT};
	const char *from = self.buffer + self.start;
	size_t len = self.end - self.start;
	switch (self.sink) {
	case SINK_FILE:
		return write(self.fd, from, len);
	case SINK_NONBLOCKING:
		return write(self.own_fd, from, len);
	case SINK_SOCKET:
		return send(self.fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case SINK_POLLED:
		if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
			return 0;
		}
		return write(self.fd, from, len < PIPE_BUF ? len : PIPE_BUF);
	}
	return -1;
}

static uint64_t count_lines(void)
{
	uint64_t count = 0;
	for (size_t i = self.start; i < self.end; i++) {
		count += self.buffer[i] == '\n' ? 1 : 0;
	}
	return count;
}

static void tell_dropped(void)
{
	if (self.dropped != self.dropped_told && log_buffered() < BUFFER_BYTES / 2) {
		uint64_t count = self.dropped - self.dropped_told;
		self.dropped_told = self.dropped;
		log_event(LOG_WARN, "log-dropped", "lines=%llu", (unsigned long long)count);
	}
}

/* False: nobody will ever read it (a closed pipe, a full disk), and it is dropped. */
static bool write_buffered(void)
{
	ssize_t written = write_some();
	bool is_lost = written < 0 && errno != EAGAIN && errno != EINTR;
	if (is_lost) {
		self.dropped += count_lines();
		self.start = self.end;
	} else if (written > 0) {
		self.start += (size_t)written;
	}
	if (self.start == self.end) {
		self.start = self.end = 0;
	}
	return !is_lost;
}

void log_flush(void)
{
	int error = errno;
	if (self.fd >= 0 && self.end > 0 && write_buffered()) {
		tell_dropped();
	}
	errno = error;
}

size_t log_buffered(void)
{
	return self.end - self.start;
}

uint64_t log_dropped(void)
{
	return self.dropped;
}

/* Behind what waits; perhaps the reader takes some now, or what it has taken leaves room. */
static bool has_room(void)
{
	if (BUFFER_BYTES - self.end >= MAX_LINE_BYTES) {
		return true;
	}
	write_buffered();
	if (self.start > 0) {
		self.end -= self.start;
		memmove(self.buffer, self.buffer + self.start, self.end);
		self.start = 0;
	}
	return BUFFER_BYTES - self.end >= MAX_LINE_BYTES;
}

/* "2026-01-31T12:00:00" changes once a second; only the milliseconds are new in every line. */
static size_t write_time(char *to)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != self.second) {
		struct tm parts;
		gmtime_r(&now.tv_sec, &parts);
		strftime(self.stamp, sizeof self.stamp, "time=%Y-%m-%dT%H:%M:%S.", &parts);
		self.second = now.tv_sec;
	}
	size_t len = strlen(self.stamp);
	unsigned ms = (unsigned)(now.tv_nsec / 1000000);
	memcpy(to, self.stamp, len);
	to[len++] = (char)('0' + ms / 100);
	to[len++] = (char)('0' + ms / 10 % 10);
	to[len++] = (char)('0' + ms % 10);
	to[len++] = 'Z';
	return len;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
	if (level < self.least) {
		return;
	}
	int error = errno;
	if (!has_room()) {
		self.dropped++;
		errno = error;
		return;
	}
	char *line = self.buffer + self.end;
	size_t len = write_time(line);
	len += (size_t)snprintf(line + len, 128, " level=%s event=%s ", level_names[level], event);
	va_list list;
	va_start(list, format);
	int more = vsnprintf(line + len, MAX_LINE_BYTES - len - 1, format, list);
	va_end(list);
	if (more > 0) {
		size_t room = MAX_LINE_BYTES - len - 2;
		len += (size_t)more < room ? (size_t)more : room;
	}
	line[len++] = '\n';
	self.end += len;
	errno = error;
}

static size_t quote_byte(char *to, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	static const char plain[] = "\"\\\n\r\t", letter[] = "\"\\nrt";
	const char *special = byte != '\0' ? strchr(plain, byte) : NULL;
	if (special != NULL) {
		to[0] = '\\';
		to[1] = letter[special - plain];
		return 2;
	}
	if (byte >= 0x20 && byte < 0x7f) {
		to[0] = (char)byte;
		return 1;
	}
	to[0] = '\\';
	to[1] = 'x';
	to[2] = hex[byte >> 4];
	to[3] = hex[byte & 15];
	return 4;
}

const char *log_quote(char text[LOG_TEXT_BYTES], const char *bytes, size_t len)
{
	size_t at = 0;
	text[at++] = '"';
	for (size_t i = 0; i < len; i++) {
		if (at + 4 + sizeof "...\"" > LOG_TEXT_BYTES) {
			memcpy(text + at, "...", 3);
			at += 3;
			break;
		}
		at += quote_byte(text + at, (unsigned char)bytes[i]);
	}
	text[at++] = '"';
	text[at] = '\0';
	return text;
}
