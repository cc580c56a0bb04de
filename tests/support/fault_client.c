/* SPDX-License-Identifier: MIT */
/*
 * One client of baton-fault: the 101, WebSocket frames in and out, the counts for CLOSED. The
 * session engine is libbaton's; everything around it is as simple as it can be. Does not linger
 * and has no deadline for a client that does not answer a Close.
 */
#include "fault.h"

#include "handoff/pairs.h"
#include "libbaton/handshake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_BYTES = 64 * 1024 };

static void append(struct fault_bytes *bytes, const void *from, size_t len)
{
	if (len > bytes->size - bytes->length) {
		bytes->size = 2 * bytes->size + len;
		bytes->at = realloc(bytes->at, bytes->size);
		if (bytes->at == NULL) {
			abort();
		}
	}
	if (len > 0) {
		memcpy(bytes->at + bytes->length, from, len);
		bytes->length += len;
	}
}

/* ---- out ---- */

static void count_sent(struct fault_client *client, size_t sent)
{
	size_t of_handshake = sent < client->handshake_left ? sent : client->handshake_left;
	client->handshake_left -= of_handshake;
	client->report.bytes_out += sent - of_handshake;
	client->unsent.length -= sent;
	memmove(client->unsent.at, client->unsent.at + sent, client->unsent.length);
}

static void flush(struct fault_client *client)
{
	while (client->state != FAULT_CLIENT_ENDED && client->unsent.length > 0) {
		ssize_t sent = send(client->fd, client->unsent.at, client->unsent.length,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			return;
		}
		if (sent < 0) {
			client->state = FAULT_CLIENT_ENDED;
			return;
		}
		count_sent(client, (size_t)sent);
	}
	if (client->state == FAULT_CLIENT_ENDING) {
		client->state = FAULT_CLIENT_ENDED;
	}
}

static void put_frame(struct fault_client *client, enum session_opcode opcode, const void *payload,
		      size_t len)
{
	uint8_t header[SESSION_MAX_OUT_HEADER];
	append(&client->unsent, header, session_write_header(header, opcode, false, len));
	append(&client->unsent, payload, len);
}

void fault_client_send(struct fault_client *client, enum session_opcode opcode, const void *payload,
		       size_t len)
{
	if (client->state == FAULT_CLIENT_OPEN) {
		client->report.messages_out += opcode <= SESSION_BINARY;
		put_frame(client, opcode, payload, len);
		flush(client);
	}
}

static void send_close(struct fault_client *client, unsigned code, const void *reason, size_t len)
{
	uint8_t payload[SESSION_MAX_CONTROL] = {(uint8_t)(code >> 8), (uint8_t)code};
	if (len > sizeof payload - 2) {
		len = sizeof payload - 2;
	}
	if (len > 0) {
		memcpy(payload + 2, reason, len);
	}
	client->report.code = (uint16_t)code;
	put_frame(client, SESSION_OP_CLOSE, payload, code == SESSION_NO_CODE ? 0 : len + 2);
}

void fault_client_close(struct fault_client *client, unsigned code, const char *reason)
{
	if (client->state == FAULT_CLIENT_OPEN) {
		send_close(client, code, reason, reason != NULL ? strlen(reason) : 0);
		client->report.who = 1;
		client->state = FAULT_CLIENT_CLOSING;
		flush(client);
	}
}

/* ---- in ---- */

static void handle_message(struct fault_client *client, enum session_opcode opcode)
{
	struct fault_bytes message = client->message;
	client->message = (struct fault_bytes){0};
	client->report.messages_in++;
	if (opcode != SESSION_TEXT ||
	    !fault_command_run(client, (const char *)message.at, message.length)) {
		fault_client_send(client, opcode, message.at, message.length);
	}
	free(message.at);
}

static void handle_piece(struct fault_client *client, const struct session_piece *piece)
{
	append(&client->message, piece->at, piece->len);
	if (piece->last) {
		handle_message(client, (enum session_opcode)piece->opcode);
	}
}

/* The client's Close, or ours because of an error: the last that is said. */
static void handle_end(struct fault_client *client, const struct session_piece *piece, bool is_ours)
{
	if (client->state == FAULT_CLIENT_OPEN) {
		send_close(client, piece->code, piece->at, piece->len);
		client->report.who = is_ours;
	}
	client->state = FAULT_CLIENT_ENDING;
}

static void handle(struct fault_client *client, enum session_event event,
		   const struct session_piece *piece)
{
	switch (event) {
	case SESSION_PIECE:
		handle_piece(client, piece);
		break;
	case SESSION_PING:
		fault_client_send(client, SESSION_OP_PONG, piece->at, piece->len);
		break;
	case SESSION_CLOSE:
		handle_end(client, piece, false);
		break;
	case SESSION_ERROR:
		handle_end(client, piece, true);
		break;
	case SESSION_PONG:
	case SESSION_NEED_MORE:
		break;
	}
}

static void feed(struct fault_client *client, uint8_t *data, size_t len)
{
	enum session_event event = SESSION_PONG;
	while (event != SESSION_NEED_MORE && client->state < FAULT_CLIENT_ENDING) {
		struct session_piece piece;
		size_t used;
		event = session_next(&client->session, &client->child->limits, data, len, &used,
				     &piece);
		data += used;
		len -= used;
		handle(client, event, &piece);
	}
	if (client->state < FAULT_CLIENT_ENDING && len > 0) {
		memcpy(client->tail, data, len); /* session.h: never more than fits */
		client->tail_length = len;
	}
}

static void receive(struct fault_client *client)
{
	static uint8_t data[SESSION_MAX_TAIL + RECEIVE_BYTES];
	uint8_t *begin = data + SESSION_MAX_TAIL - client->tail_length;
	ssize_t got = recv(client->fd, data + SESSION_MAX_TAIL, RECEIVE_BYTES, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (got <= 0) {
		client->state = FAULT_CLIENT_ENDED;
		return;
	}
	client->report.bytes_in += (uint64_t)got;
	memcpy(begin, client->tail, client->tail_length);
	client->tail_length = 0;
	feed(client, begin, (size_t)(data + SESSION_MAX_TAIL + got - begin));
}

void fault_client_handle(struct fault_client *client, short events)
{
	if ((events & (POLLIN | POLLERR | POLLHUP)) && client->state < FAULT_CLIENT_ENDING) {
		receive(client);
	}
	flush(client);
}

short fault_client_wants(const struct fault_client *client)
{
	return (short)((client->state < FAULT_CLIENT_ENDING ? POLLIN : 0) |
		       (client->unsent.length > 0 ? POLLOUT : 0));
}

/* ---- begin and end ---- */

static void write_handshake(struct fault_client *client, const struct handoff_message *offer)
{
	static const char field[] = "\r\nSec-WebSocket-Key: ";
	const char *head = handoff_pairs_find(offer->payload, offer->payload_bytes, "HEAD");
	const char *key = head != NULL ? strcasestr(head, field) : NULL;
	char text[HANDSHAKE_MAX_BYTES];
	key = key != NULL ? key + sizeof field - 1 : "";
	size_t len = handshake_write(text, key, strcspn(key, "\r"), NULL, NULL);
	if (len == 0) {
		client->state = FAULT_CLIENT_ENDED;
		return;
	}
	append(&client->unsent, text, len);
	client->handshake_left = len;
	flush(client);
}

struct fault_client *fault_client_create(struct fault_child *child,
					 const struct handoff_message *offer, int fd)
{
	struct fault_client *client = calloc(1, sizeof *client);
	if (client == NULL) {
		abort();
	}
	client->child = child;
	client->fd = fd;
	client->slot = FAULT_NO_SLOT;
	client->report = (struct handoff_closed){.id = offer->id, .code = SESSION_ABNORMAL};
	client->next = child->clients;
	child->clients = client;
	write_handshake(client, offer);
	return client;
}

static void bury(struct fault_client *client)
{
	char wire[HANDOFF_CLOSED_BYTES];
	handoff_closed_write(&client->report, wire);
	close(client->fd);
	fault_channel_say(client->child, HANDOFF_CLOSED, 0, wire, sizeof wire);
	free(client->message.at);
	free(client->unsent.at);
	free(client);
}

void fault_client_sweep(struct fault_child *child)
{
	struct fault_client **at = &child->clients;
	while (*at != NULL) {
		struct fault_client *client = *at;
		if (client->state == FAULT_CLIENT_ENDED) {
			*at = client->next;
			bury(client);
		} else {
			at = &client->next;
		}
	}
}
