/* SPDX-License-Identifier: MIT */
/*
 * The echo mode: messages of one size go to and fro on connections that stay, so many under way on
 * each; all that a read makes possible leaves in one write. The raw mode is the same without
 * WebSocket, for the floor. Every byte that comes back is compared. With --turns the traffic waits
 * for a line on stdin, each time. Called by main.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "life.h"
#include "modes.h"

enum { EVENTS_A_TURN = 256, TURN_MS = 50, BUFFER_BYTES = 256 * 1024 };

struct line { /* one connection */
	struct life life;
	uint64_t sent, received; /* messages; sent counts the one that is half out */
	size_t out_done;         /* bytes of the message number sent that are out */
	size_t in_done;          /* raw: bytes of the message number received */
	uint64_t *sent_ns;       /* of the messages under way: a ring */
	bool watches_out;
};

struct run {
	const struct options *options;
	struct life_context life;
	struct line *lines;
	unsigned open, active;
	uint64_t stop_ns, deadline_ns;
	bool stopping; /* nothing new is sent */
	uint8_t buffer[BUFFER_BYTES];
};

static bool is_raw(const struct run *run)
{
	return run->options->mode == OPTIONS_RAW;
}

static void finish(struct run *run, unsigned index, enum tally_outcome outcome)
{
	struct line *line = &run->lines[index];
	life_abandon(&line->life, outcome);
	tally_end(run->life.tally, outcome, line->life.status);
	run->active--;
}

static void finish_wrong(struct run *run, unsigned index, const char *why)
{
	tally_explain(run->life.tally, "%s", why);
	finish(run, index, TALLY_WRONG);
}

static bool may_send(const struct run *run, const struct line *line)
{
	if (line->out_done > 0) {
		return true;
	}
	return !run->stopping && line->sent - line->received < run->options->inflight;
}

/* Appends the rest of message number sent; false: the buffer is full before its end. */
static bool append(struct run *run, unsigned index, size_t *fill)
{
	struct line *line = &run->lines[index];
	size_t bytes = run->options->bytes;
	size_t offset = frames_offset(index, line->sent), room = sizeof run->buffer - *fill;
	size_t whole = is_raw(run) ? bytes : frames_size(bytes), got;
	if (is_raw(run)) {
		got = whole - line->out_done < room ? whole - line->out_done : room;
		memcpy(run->buffer + *fill, frames_plain(offset) + line->out_done, got);
	} else {
		got = frames_copy(run->buffer + *fill, room, FRAMES_BINARY, offset, bytes,
				  line->out_done);
	}
	*fill += got;
	line->out_done += got;
	if (line->out_done < whole) {
		return false;
	}
	line->sent_ns[line->sent % run->options->inflight] = run->life.now_ns;
	line->sent++;
	line->out_done = 0;
	run->life.tally->messages_sent++;
	return true;
}

/* Bytes that the kernel did not take are built anew later: step the position back by them. */
static void step_back(struct run *run, struct line *line, size_t bytes)
{
	size_t whole = is_raw(run) ? run->options->bytes : frames_size(run->options->bytes);
	while (bytes > line->out_done) {
		bytes -= line->out_done;
		line->out_done = whole;
		line->sent--;
		run->life.tally->messages_sent--;
	}
	line->out_done -= bytes;
}

static void watch_out(struct run *run, unsigned index, bool wanted)
{
	struct line *line = &run->lines[index];
	if (line->watches_out == wanted) {
		return;
	}
	line->watches_out = wanted;
	struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0U),
				    .data.u64 = index};
	epoll_ctl(run->life.epfd, EPOLL_CTL_MOD, line->life.peer.fd, &event);
}

static void send_more(struct run *run, unsigned index)
{
	struct line *line = &run->lines[index];
	size_t fill = 0;
	while (may_send(run, line) && append(run, index, &fill)) {
	}
	if (fill == 0) {
		watch_out(run, index, false);
		return;
	}
	ssize_t sent = send(line->life.peer.fd, run->buffer, fill, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN) {
		finish(run, index, life_outcome(errno));
		return;
	}
	size_t left = fill - (sent < 0 ? 0 : (size_t)sent);
	step_back(run, line, left);
	watch_out(run, index, left > 0 || may_send(run, line));
}

static bool has_traffic(const struct line *line)
{
	return line->life.state == LIFE_OPEN &&
	       (line->sent != line->received || line->out_done > 0);
}

/* When nothing is under way any more: the closing handshake, or just the end. */
static void close_if_quiet(struct run *run, unsigned index)
{
	struct line *line = &run->lines[index];
	if (line->life.state != LIFE_OPEN || has_traffic(line)) {
		return;
	}
	if (is_raw(run)) {
		finish(run, index, TALLY_OK);
	} else if (life_close(&line->life, &run->life) == LIFE_ENDED) {
		finish(run, index, line->life.outcome);
	}
}

static void count_message(struct run *run, struct line *line)
{
	uint64_t sent_ns = line->sent_ns[line->received % run->options->inflight];
	tally_time(&run->life.tally->echo, run->life.now_ns - sent_ns);
	run->life.tally->messages_ok++;
	line->received++;
	if (run->options->count > 0 && run->life.tally->messages_ok >= run->options->count) {
		run->stopping = true;
	}
}

static bool matches(const struct run *run, unsigned index, const uint8_t *data, size_t from,
		    size_t len)
{
	const struct line *line = &run->lines[index];
	bool expected = line->received < line->sent || line->out_done > 0;
	const uint8_t *plain = frames_plain(frames_offset(index, line->received));
	return expected && from + len <= run->options->bytes &&
	       memcmp(data, plain + from, len) == 0;
}

static bool take_raw(struct run *run, unsigned index, const uint8_t *data, size_t len)
{
	struct line *line = &run->lines[index];
	while (len > 0) {
		size_t left = run->options->bytes - line->in_done;
		size_t piece = left < len ? left : len;
		if (!matches(run, index, data, line->in_done, piece)) {
			return false;
		}
		data += piece;
		len -= piece;
		line->in_done += piece;
		if (line->in_done == run->options->bytes) {
			line->in_done = 0;
			count_message(run, line);
		}
	}
	return true;
}

static bool take_frames(struct run *run, unsigned index, const uint8_t *data, size_t len)
{
	struct line *line = &run->lines[index];
	const uint8_t *end = data + len;
	struct frames_piece piece;
	while (frames_read(&line->life.reader, &data, end, &piece)) {
		if (piece.masked || piece.first != (FRAMES_FIN | FRAMES_BINARY) ||
		    piece.length != run->options->bytes ||
		    !matches(run, index, piece.data, piece.offset, piece.len)) {
			return false;
		}
		if (piece.last) {
			count_message(run, line);
		}
	}
	return true;
}

static void handle_traffic(struct run *run, unsigned index, uint32_t events)
{
	struct line *line = &run->lines[index];
	if ((events & ~EPOLLOUT) != 0) {
		ssize_t len = recv(line->life.peer.fd, run->buffer, sizeof run->buffer, 0);
		if (len == 0 || (len < 0 && errno != EAGAIN)) {
			finish(run, index, len == 0 ? TALLY_EOF : life_outcome(errno));
			return;
		}
		if (len > 0 &&
		    !(is_raw(run) ? take_raw : take_frames)(run, index, run->buffer, (size_t)len)) {
			finish_wrong(run, index, "an echo that is not what was sent");
			return;
		}
	}
	send_more(run, index);
}

static void begin_traffic(struct run *run)
{
	run->stopping = false;
	run->life.now_ns = clock_ns();
	run->life.tally->begin_ns = run->life.now_ns;
	run->stop_ns = run->options->duration_ns > 0 ? run->life.now_ns + run->options->duration_ns
						     : UINT64_MAX;
	for (unsigned i = 0; i < run->options->connections; i++) {
		if (run->lines[i].life.state == LIFE_OPEN) {
			send_more(run, i);
		}
	}
}

static void handle_life(struct run *run, unsigned index, enum life_event event)
{
	switch (event) {
	case LIFE_WAITS:
	case LIFE_ECHOED:
		break;
	case LIFE_UPGRADED:
		run->open++;
		break;
	case LIFE_ENDED:
		finish(run, index, run->lines[index].life.outcome);
		break;
	}
}

static void turn(struct run *run)
{
	struct epoll_event events[EVENTS_A_TURN];
	int count = epoll_wait(run->life.epfd, events, EVENTS_A_TURN, TURN_MS);
	run->life.now_ns = clock_ns();
	for (int i = 0; i < count; i++) {
		unsigned index = (unsigned)events[i].data.u64;
		struct life *life = &run->lines[index].life;
		if (life->state == LIFE_OPEN) {
			handle_traffic(run, index, events[i].events);
		} else {
			handle_life(run, index,
				    life_handle(life, &run->life, index, events[i].events));
		}
	}
	for (unsigned i = 0; count == 0 && i < run->options->connections; i++) {
		handle_life(run, i, life_retry(&run->lines[i].life, &run->life, i));
	}
}

/* A raw connection has no handshake: it is open as soon as connect() was called. */
static void start_line(struct run *run, unsigned index)
{
	struct line *line = &run->lines[index];
	line->sent_ns = calloc(run->options->inflight, sizeof *line->sent_ns);
	run->life.tally->started++;
	run->active++;
	if (!is_raw(run)) {
		handle_life(run, index, life_start(&line->life, &run->life, index, clock_ns()));
		return;
	}
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
	if (peer_connect(&line->life.peer) < 0 ||
	    epoll_ctl(run->life.epfd, EPOLL_CTL_ADD, line->life.peer.fd, &event) < 0) {
		finish(run, index, TALLY_UNREACHABLE);
		return;
	}
	line->life.state = LIFE_OPEN;
	run->open++;
}

static bool is_quiet(const struct run *run)
{
	for (unsigned i = 0; i < run->options->connections; i++) {
		if (has_traffic(&run->lines[i])) {
			return false;
		}
	}
	return true;
}

static bool has_time(const struct run *run)
{
	return run->active > 0 && run->life.now_ns < run->deadline_ns;
}

static void open_all(struct run *run)
{
	for (unsigned i = 0; i < run->options->connections; i++) {
		start_line(run, i);
	}
	while (run->open < run->active && run->life.now_ns < run->deadline_ns) {
		turn(run);
	}
}

/* Until the time or the count is over, and all that was sent has come back. */
static void run_traffic(struct run *run)
{
	begin_traffic(run);
	while (has_time(run) && !(run->stopping && is_quiet(run))) {
		turn(run);
		run->stopping |= run->life.now_ns >= run->stop_ns;
	}
}

/* Says that all is quiet, and waits for a line that asks for more. */
static bool next_turn(const struct run *run)
{
	char line[16];
	const struct tally *tally = run->life.tally;
	printf("{\"event\": \"quiet\", \"open\": %u, \"messages_ok\": %" PRIu64
	       ", \"seconds\": %.6f}\n",
	       run->active, tally->messages_ok,
	       (double)(clock_ns() - tally->begin_ns) / CLOCK_NS_PER_SEC);
	fflush(stdout);
	return has_time(run) && fgets(line, sizeof line, stdin) != NULL;
}

static void close_all(struct run *run)
{
	for (unsigned i = 0; i < run->options->connections; i++) {
		close_if_quiet(run, i);
	}
	while (has_time(run)) {
		turn(run);
	}
	for (unsigned i = 0; i < run->options->connections; i++) {
		if (run->lines[i].life.state != LIFE_FREE) {
			finish(run, i, TALLY_TIMEOUT);
		}
		free(run->lines[i].sent_ns);
	}
}

void echo_run(const struct options *options, struct tally *tally)
{
	static struct run run;
	run.options = options;
	run.life = (struct life_context){
		.epfd = epoll_create1(EPOLL_CLOEXEC), .tally = tally, .now_ns = clock_ns()};
	run.lines = calloc(options->connections, sizeof *run.lines);
	run.deadline_ns = run.life.now_ns + options->deadline_ns;
	tally->begin_ns = run.life.now_ns;
	open_all(&run);
	if (!options->turns) {
		run_traffic(&run);
	}
	while (options->turns && next_turn(&run)) {
		run_traffic(&run);
	}
	close_all(&run);
	tally->end_ns = clock_ns();
	close(run.life.epfd);
	free(run.lines);
}
