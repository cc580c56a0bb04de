/* SPDX-License-Identifier: MIT */
/*
 * The early mode: each upgrade request is followed at once by binary frames (none, or up to 64 KiB
 * of them), and the whole stream is cut at random points into separate sends, one a turn of the
 * loop. Every byte must come back once, in order, behind one 101. Sometimes the Close frame, too,
 * is sent without waiting. Called by main.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "frames.h"
#include "life.h"
#include "modes.h"
#include "peer.h"
#include "plan.h"

enum {
	EVENTS_A_TURN = 256,
	TURN_MS = 50,
	READ_BYTES = 65536,
};

enum line_state { LINE_FREE, LINE_HEAD, LINE_FRAMES, LINE_CLOSE, LINE_END_OF_FILE };

struct line {
	struct peer peer;
	enum line_state state;
	struct plan plan;
	size_t sent; /* bytes of the plan's stream */
	unsigned next_cut;
	unsigned next_frame; /* whose echo is awaited */
	uint64_t begin_ns;
	struct frames_reader reader;
};

struct run {
	const struct options *options;
	struct tally *tally;
	int epfd;
	struct line *lines;
	unsigned active;
	uint64_t now_ns, deadline_ns, random;
	uint8_t buffer[READ_BYTES];
};

static void finish(struct run *run, struct line *line, enum tally_outcome outcome, unsigned status)
{
	peer_finish(&line->peer);
	line->state = LINE_FREE;
	run->active--;
	tally_end(run->tally, outcome, status);
}

static void finish_wrong(struct run *run, struct line *line, const char *why)
{
	tally_explain(run->tally, "%s (frame %u of %u)", why, line->next_frame,
		      line->plan.frame_count);
	finish(run, line, TALLY_WRONG, 0);
}

static void start(struct run *run, unsigned index)
{
	struct line *line = &run->lines[index];
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u32 = index};
	if (peer_connect(&line->peer) < 0 && errno == EAGAIN) {
		return; /* a full Unix backlog: the slot stays free and is tried again */
	}
	run->tally->started++;
	run->active++;
	line->state = LINE_HEAD;
	line->sent = 0;
	line->next_cut = 0;
	line->next_frame = 0;
	line->reader = (struct frames_reader){0};
	line->begin_ns = run->now_ns;
	if (line->peer.fd < 0 || epoll_ctl(run->epfd, EPOLL_CTL_ADD, line->peer.fd, &event) < 0) {
		finish(run, line, TALLY_UNREACHABLE, 0);
		return;
	}
	plan_make(&line->plan, &line->peer, run->options->early_bytes, &run->random);
	run->tally->messages_sent += line->plan.frame_count;
}

/* One send up to the next cut. False: the connection has ended. */
static bool send_piece(struct run *run, struct line *line, unsigned index)
{
	while (line->sent == line->plan.cuts[line->next_cut] && line->sent < line->plan.len) {
		line->next_cut++;
	}
	ssize_t sent = send(line->peer.fd, line->plan.stream + line->sent,
			    line->plan.cuts[line->next_cut] - line->sent, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN) {
		finish(run, line, life_outcome(errno), 0);
		return false;
	}
	line->sent += sent < 0 ? 0 : (size_t)sent;
	if (line->sent == line->plan.len) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
		epoll_ctl(run->epfd, EPOLL_CTL_MOD, line->peer.fd, &event);
	}
	return true;
}

/* NULL, or what is wrong. */
static const char *judge_piece(struct run *run, struct line *line, const struct frames_piece *piece)
{
	if (line->state == LINE_CLOSE) {
		line->state = piece->last ? LINE_END_OF_FILE : LINE_CLOSE;
		return piece->first == (FRAMES_FIN | FRAMES_CLOSE) ? NULL
								   : "a frame behind the last echo";
	}
	if (piece->masked || piece->first != (FRAMES_FIN | FRAMES_BINARY)) {
		return "another frame than an echo";
	}
	size_t len = line->plan.frames[line->next_frame].len;
	const uint8_t *plain = frames_plain(line->plan.frames[line->next_frame].offset);
	if (piece->length != len || memcmp(piece->data, plain + piece->offset, piece->len) != 0) {
		return "an echo that is not what was sent";
	}
	if (piece->last) {
		line->next_frame++;
		run->tally->messages_ok++;
		tally_time(&run->tally->echo, run->now_ns - line->begin_ns);
	}
	return NULL;
}

/* All echoes are here: now the Close frame, unless it went with the rest. */
static void close_if_done(struct run *run, struct line *line)
{
	if (line->state != LINE_FRAMES || line->next_frame < line->plan.frame_count) {
		return;
	}
	line->state = LINE_CLOSE;
	uint8_t frame[FRAMES_HEAD_MAX];
	size_t len = frames_close(frame, PLAN_CLOSE_CODE);
	if (!line->plan.closes_early &&
	    send(line->peer.fd, frame, len, MSG_NOSIGNAL) != (ssize_t)len) {
		finish(run, line, life_outcome(errno), 0);
	}
}

static void take_frames(struct run *run, struct line *line, const uint8_t *data, size_t len)
{
	const uint8_t *end = data + len;
	struct frames_piece piece;
	close_if_done(run, line);
	while (line->state != LINE_FREE && line->state != LINE_END_OF_FILE &&
	       frames_read(&line->reader, &data, end, &piece)) {
		const char *why = judge_piece(run, line, &piece);
		if (why != NULL) {
			finish_wrong(run, line, why);
			return;
		}
		close_if_done(run, line);
	}
	if (line->state == LINE_END_OF_FILE && data < end) {
		finish_wrong(run, line, "bytes behind the Close frame");
	}
}

static void take_head(struct run *run, struct line *line, const uint8_t *data, size_t len)
{
	size_t used = 0;
	unsigned status = 0;
	switch (peer_reply(&line->peer, run->tally, data, len, &used, &status)) {
	case PEER_MORE:
		break;
	case PEER_UPGRADED:
		tally_upgrade(run->tally, run->now_ns - line->begin_ns);
		line->state = LINE_FRAMES;
		take_frames(run, line, data + used, len - used);
		break;
	case PEER_REFUSED:
		finish(run, line, TALLY_REFUSED, status);
		break;
	case PEER_WRONG:
		finish(run, line, TALLY_WRONG, 0);
		break;
	}
}

static void handle_input(struct run *run, struct line *line)
{
	ssize_t len = recv(line->peer.fd, run->buffer, sizeof run->buffer, 0);
	if (len < 0 && errno != EAGAIN) {
		finish(run, line, life_outcome(errno), 0);
	} else if (len == 0) {
		bool good = line->state == LINE_END_OF_FILE;
		finish(run, line, good ? TALLY_OK : TALLY_EOF, 0);
	} else if (len > 0 && line->state == LINE_HEAD) {
		take_head(run, line, run->buffer, (size_t)len);
	} else if (len > 0) {
		take_frames(run, line, run->buffer, (size_t)len);
	}
}

static void turn(struct run *run)
{
	struct epoll_event events[EVENTS_A_TURN];
	int count = epoll_wait(run->epfd, events, EVENTS_A_TURN, TURN_MS);
	run->now_ns = clock_ns();
	for (int i = 0; i < count; i++) {
		struct line *line = &run->lines[events[i].data.u32];
		bool alive = (events[i].events & EPOLLOUT) == 0 ||
			     send_piece(run, line, events[i].data.u32);
		if (alive && (events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
			handle_input(run, line);
		}
	}
}

static bool wants_more(const struct run *run, uint64_t stop_ns)
{
	return (run->options->count == 0 || run->tally->started < run->options->count) &&
	       run->now_ns < stop_ns;
}

static void start_free(struct run *run, uint64_t stop_ns)
{
	for (unsigned i = 0; i < run->options->connections; i++) {
		struct line *line = &run->lines[i];
		bool late = run->now_ns > line->begin_ns + run->options->timeout_ns;
		if (line->state != LINE_FREE && late) {
			finish(run, line, TALLY_TIMEOUT, 0);
		}
		if (line->state == LINE_FREE && wants_more(run, stop_ns)) {
			start(run, i);
		}
	}
}

void early_run(const struct options *options, struct tally *tally)
{
	static struct run run;
	run.options = options;
	run.tally = tally;
	run.now_ns = tally->begin_ns = clock_ns();
	run.deadline_ns = run.now_ns + options->deadline_ns;
	run.random = options->seed * 2 + 0x9e3779b97f4a7c15U;
	run.epfd = epoll_create1(EPOLL_CLOEXEC);
	run.lines = calloc(options->connections, sizeof *run.lines);
	uint64_t duration = options->duration_ns;
	uint64_t stop_ns = duration > 0 ? run.now_ns + duration : UINT64_MAX;
	while (run.now_ns < run.deadline_ns) {
		start_free(&run, stop_ns);
		if (run.active == 0 && !wants_more(&run, stop_ns)) {
			break;
		}
		turn(&run);
	}
	for (unsigned i = 0; i < options->connections; i++) {
		if (run.lines[i].state != LINE_FREE) {
			finish(&run, &run.lines[i], TALLY_TIMEOUT, 0);
		}
	}
	tally->end_ns = clock_ns();
	close(run.epfd);
	free(run.lines);
}
