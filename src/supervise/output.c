/* SPDX-License-Identifier: MIT */
/*
 * A child's stdout and stderr: one pipe, lines out. See output.h. Reads once a turn, so a chatty
 * child costs one read a turn, not the loop. Called by launch.c.
 */
#include "supervise/output.h"

#include "fdutil.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_BYTES = 16 * 1024,
	LAST_READS = 8, /* what is read of a dead child's last words: a pipe of the usual size */
};

struct output {
	struct loop *loop;
	struct loop_io io;
	output_fn *fn;
	void *data;
	uint64_t whole_ms; /* when OUTPUT_BURST_LINES may come at once again */
	uint64_t dropped;
	size_t length; /* of the line that has begun */
	char line[OUTPUT_LINE_BYTES];
};

enum { LINE_COSTS_MS = 1000 / OUTPUT_LINES_A_SECOND };

static char scratch[READ_BYTES];

/* Each line moves the time at which the burst is whole again, as in limits.c. */
static bool take_token(struct output *output)
{
	const uint64_t now_ms = loop_now_ms(output->loop);
	const uint64_t latest_ms = now_ms + (uint64_t)(OUTPUT_BURST_LINES - 1) * LINE_COSTS_MS;
	const uint64_t whole_ms = output->whole_ms > now_ms ? output->whole_ms : now_ms;
	if (whole_ms > latest_ms) {
		return false;
	}
	output->whole_ms = whole_ms + LINE_COSTS_MS;
	return true;
}

static void emit(struct output *output)
{
	if (take_token(output)) {
		output->fn(output->data, output->line, output->length, output->dropped);
		output->dropped = 0;
	} else {
		output->dropped++;
	}
	output->length = 0;
}

static void feed(struct output *output, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		size_t piece = newline != NULL ? (size_t)(newline - bytes) : len;
		size_t room = sizeof output->line - output->length;
		size_t taken = piece < room ? piece : room;
		memcpy(output->line + output->length, bytes, taken);
		output->length += taken;
		bytes += taken;
		len -= taken;
		if (len > 0) { /* the end of the line, or of what a line may have */
			emit(output);
			bytes += taken == piece ? 1 : 0;
			len -= taken == piece ? 1 : 0;
		}
	}
}

static ssize_t read_once(struct output *output)
{
	ssize_t got = read(output->io.fd, scratch, sizeof scratch);
	if (got > 0) {
		feed(output, scratch, (size_t)got);
	}
	return got;
}

/* No more will come: what has begun is a line too. */
static void end(struct output *output)
{
	int fd = output->io.fd;
	loop_io_remove(output->loop, &output->io);
	fd_close(&fd);
	if (output->length > 0) {
		emit(output);
	}
}

static void handle_readable(struct loop_io *io, unsigned events)
{
	(void)events;
	struct output *output = loop_owner(io, struct output, io);
	if (read_once(output) == 0) {
		end(output); /* every writer has closed it; the child itself may live on */
	}
}

struct output *output_create(struct loop *loop, output_fn *fn, void *data, int *write_end_r)
{
	int ends[2] = {-1, -1};
	*write_end_r = -1;
	struct output *output = calloc(1, sizeof *output);
	if (output == NULL || pipe2(ends, O_CLOEXEC) != 0) {
		free(output);
		return NULL;
	}
	*output = (struct output){.loop = loop, .io = {.fd = -1}, .fn = fn, .data = data};
	if (fd_set_nonblocking(ends[0]) != 0 ||
	    loop_io_add(loop, &output->io, ends[0], LOOP_READ, handle_readable) != 0) {
		fd_close(&ends[0]);
		fd_close(&ends[1]);
		free(output);
		return NULL;
	}
	*write_end_r = ends[1];
	return output;
}

void output_destroy(struct output *output)
{
	if (output == NULL) {
		return;
	}
	if (output->io.fd >= 0) {
		for (int i = 0; i < LAST_READS && read_once(output) > 0; i++) {
		}
		end(output);
	}
	free(output);
}
