/* SPDX-License-Identifier: MIT */
/*
 * Sockets and handshakes of the client side. Many loopback source addresses are used in turn, so
 * that ports in TIME_WAIT limit nothing. Does not know what happens behind the 101. Called by life
 * and early.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { KEYS = 512, KEY_CHARS = 24, ACCEPT_CHARS = 28, STATUS_LINE_BYTES = 13 };

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static const struct options *options;
static char keys[KEYS][KEY_CHARS + 1];
static char accepts[KEYS][ACCEPT_CHARS + 1];
static char request[PEER_REQUEST_BYTES];
static size_t request_len, request_key_at;
static unsigned next_key, next_source;

static void init_keys(uint64_t seed)
{
	for (unsigned i = 0; i < KEYS; i++) {
		uint64_t nonce[2] = {seed * 0x9e3779b97f4a7c15U + i, i * 0xd6e8feb86659fd93U};
		uint8_t digest[SHA_DIGEST_LENGTH];
		char text[KEY_CHARS + sizeof GUID];
		EVP_EncodeBlock((uint8_t *)keys[i], (uint8_t *)nonce, sizeof nonce);
		memcpy(text, keys[i], KEY_CHARS);
		memcpy(text + KEY_CHARS, GUID, sizeof GUID);
		SHA1((uint8_t *)text, sizeof text - 1, digest);
		EVP_EncodeBlock((uint8_t *)accepts[i], digest, sizeof digest);
	}
}

void peer_init(const struct options *chosen)
{
	options = chosen;
	init_keys(chosen->seed);
	int len = snprintf(request, sizeof request,
			   "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
			   "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			   "Sec-WebSocket-Key: %s\r\n\r\n",
			   chosen->path, chosen->host, keys[0]);
	request_len = (size_t)len;
	request_key_at = request_len - KEY_CHARS - 4;
}

static int bind_source(int fd)
{
	int on = 1;
	struct sockaddr_in source = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + next_source),
	};
	next_source = (next_source + 1) % options->sources;
	/* The port is chosen at connect(), where only the four of addresses and ports must be
	 * unique. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0) {
		return -1;
	}
	return bind(fd, (struct sockaddr *)&source, sizeof source);
}

int peer_connect(struct peer *peer)
{
	int family = options->address.ss_family;
	int on = 1;
	*peer = (struct peer){.fd = -1, .key = (uint16_t)(next_key++ % KEYS)};
	peer->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (peer->fd < 0) {
		return -1;
	}
	if (family == AF_INET && options->sources > 0 && bind_source(peer->fd) < 0) {
		goto fail;
	}
	if (family != AF_UNIX &&
	    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) {
		goto fail;
	}
	if (connect(peer->fd, (const struct sockaddr *)&options->address, options->address_len) ==
		    0 ||
	    errno == EINPROGRESS) {
		return 0;
	}
fail:
	peer_finish(peer);
	return -1;
}

void peer_finish(struct peer *peer)
{
	int saved = errno;
	if (peer->fd >= 0) {
		close(peer->fd);
		peer->fd = -1;
	}
	errno = saved;
}

size_t peer_request(const struct peer *peer, char out[PEER_REQUEST_BYTES])
{
	memcpy(out, request, request_len);
	memcpy(out + request_key_at, keys[peer->key], KEY_CHARS);
	return request_len;
}

/* Whether the head has exactly one such field and its value is this one. */
static bool has_field(const char *head, const char *name, const char *value, bool exact)
{
	size_t name_len = strlen(name), value_len = strlen(value);
	unsigned found = 0, right = 0;
	for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':') {
			continue;
		}
		const char *start = line + name_len + 1 + strspn(line + name_len + 1, " \t");
		found++;
		right += (exact ? strncmp : strncasecmp)(start, value, value_len) == 0 &&
			 start[value_len] == '\r';
	}
	return found == 1 && right == 1;
}

static enum peer_answer judge(struct peer *peer, struct tally *tally, unsigned *status_r)
{
	const char *head = peer->reply;
	if (strncmp(head, "HTTP/1.1 ", 9) != 0) {
		tally_explain(tally, "no HTTP/1.1 status line");
		return PEER_WRONG;
	}
	unsigned status = (unsigned)strtoul(head + 9, NULL, 10);
	if (status != 101) {
		*status_r = status;
		return PEER_REFUSED;
	}
	if (head[STATUS_LINE_BYTES - 1] != ' ' || !has_field(head, "Upgrade", "websocket", false) ||
	    !has_field(head, "Connection", "Upgrade", false)) {
		tally_explain(tally, "a 101 without its Upgrade and Connection lines");
		return PEER_WRONG;
	}
	if (!has_field(head, "Sec-WebSocket-Accept", accepts[peer->key], true)) {
		tally_explain(tally, "a 101 with a wrong Sec-WebSocket-Accept");
		return PEER_WRONG;
	}
	if (strcasestr(head, "\r\nSec-WebSocket-Extensions:") != NULL ||
	    strcasestr(head, "\r\nSec-WebSocket-Protocol:") != NULL) {
		tally_explain(tally, "a 101 with what was not offered");
		return PEER_WRONG;
	}
	return PEER_UPGRADED;
}

enum peer_answer peer_reply(struct peer *peer, struct tally *tally, const uint8_t *data, size_t len,
			    size_t *used_r, unsigned *status_r)
{
	size_t before = peer->have;
	size_t room = sizeof peer->reply - 1 - before;
	size_t taken = len < room ? len : room;
	memcpy(peer->reply + before, data, taken);
	peer->have = (uint16_t)(before + taken);
	peer->reply[peer->have] = '\0';
	const char *end = memmem(peer->reply, peer->have, "\r\n\r\n", 4);
	if (end == NULL) {
		*used_r = taken;
		if (taken == room) {
			tally_explain(tally, "a reply head of more than %zu bytes",
				      sizeof peer->reply);
			return PEER_WRONG;
		}
		return PEER_MORE;
	}
	*used_r = (size_t)(end + 4 - peer->reply) - before;
	peer->reply[end + 4 - peer->reply] = '\0';
	return judge(peer, tally, status_r);
}
